"""Make the estimated world's small tables again from publishers' files and say whether they are what ships.

    python -m weaponized_interdependence.estimation --unctad FILE --oecd-services FILE --baci FILE --wiod FILE -o OUT

Each table needs some of the files only; what cannot be made without a file is said.
"""

import argparse
import sys
from pathlib import Path

import polars as pl

from weaponized_interdependence import settings
from weaponized_interdependence.errors import Fault, WiError
from weaponized_interdependence.estimation import rebuild
from weaponized_interdependence.exports import write
from weaponized_interdependence.sources.registry import read

MARGINS_YEAR, GRAVITY_YEAR = 2015, 2013


def main(arguments: list[str] | None = None) -> int:
    """Rebuild what the given files allow; returns 1 if a table differs from the one that ships."""
    parser = argparse.ArgumentParser(prog="python -m weaponized_interdependence.estimation", description=__doc__)
    parser.add_argument("--unctad", type=Path, help="UNCTADstat merchandise trade matrix by SITC section, 2015")
    parser.add_argument("--oecd-services", type=Path, help="OECD total services exports by partner, 2013 and 2015")
    parser.add_argument("--baci", type=Path, help="BACI totals of 2013")
    parser.add_argument("--wiod", type=Path, help="WIOD 2013 release, table of 2011")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to write to")
    given = parser.parse_args(arguments)
    try:
        made = tables(given.unctad, given.oecd_services, given.baci, given.wiod)
        given.out.mkdir(parents=True, exist_ok=True)
        for name, frame in made.items():
            write(frame, given.out / name)
    except WiError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    different = [name for name in made if (given.out / name).read_bytes() != (_sample() / name).read_bytes()]
    for name in made:
        print(f"{name}: {'differs from' if name in different else 'equals'} the one in data/sample")
    return 1 if different else 0


def tables(unctad: Path | None, services: Path | None, baci: Path | None, wiod: Path | None) -> dict[str, pl.DataFrame]:
    """File name -> table, for every table that the given files are enough for."""
    places = pl.read_csv(_sample() / "places_2015.csv", schema_overrides={"weight": pl.Float64})
    pairs = pl.read_csv(_sample() / "pairs_2015.csv")
    made: dict[str, pl.DataFrame] = {}
    if services:
        reading = read("oecd_services", services)
        parts = {
            year: (_year(reading.flows, year), rebuild.reporter_totals(reading.rejected, year))
            for year in (MARGINS_YEAR, GRAVITY_YEAR)
        }
    if unctad and services:
        goods = rebuild.goods_margins(_year(read("unctad", unctad).flows, MARGINS_YEAR), rebuild.regions_of(places))
        totals = pl.read_csv(_sample() / "services_totals_2015.csv")
        gdp = pl.read_csv(_sample() / "economies_2015.csv")
        rest, _ = rebuild.service_margins(*parts[MARGINS_YEAR], totals, gdp, goods, places, pairs)
        made["margins_2015.csv"] = rebuild.margin_table(goods, rest)
    if baci and services:
        trade = rebuild.gravity_goods(
            _year(read("baci", baci, years=[GRAVITY_YEAR]).flows, GRAVITY_YEAR), places, pairs
        )
        made["gravity.csv"] = rebuild.coefficient_table(
            trade, rebuild.gravity_services(*parts[GRAVITY_YEAR], places, pairs), GRAVITY_YEAR
        )
    if wiod:
        table = read("wiod", wiod).table
        split = pl.read_csv(_sample() / "wiod13_to_sitc1.csv", schema_overrides={"share": pl.Float64})
        if table is not None:
            made["technology_2011.csv"] = rebuild.world_technology(table, split)
    if not made:
        raise WiError(
            "these files are not enough for any table",
            faults=[
                Fault("margins_2015.csv needs --unctad and --oecd-services"),
                Fault("gravity.csv needs --baci and --oecd-services"),
                Fault("technology_2011.csv needs --wiod"),
            ],
        )
    return made


def _year(flows: pl.DataFrame | None, year: int) -> pl.DataFrame:
    if flows is None:
        raise WiError("the file gave no flows")
    return flows.filter(pl.col("period") == str(year))


def _sample() -> Path:
    return settings.data_dir() / "sample"


if __name__ == "__main__":
    sys.exit(main())

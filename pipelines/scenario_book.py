"""Scheduled job: simulate a book of scenarios over the same flows, one run folder each; skip what did not change.

python pipelines/scenario_book.py oil_embargo_russia my_case.toml --flows flows.parquet -o runs
"""

import argparse
import sys
from pathlib import Path

import weaponized_interdependence as wi
from weaponized_interdependence.runs import read_run, write_run
from weaponized_interdependence.scenario import Scenario, scenario_hash
from weaponized_interdependence.sources.reading import stamp


def main(argv: list[str] | None = None) -> int:
    """Run the job; a scenario that fails is named and the others still run; 1 when any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="+", help="names or files")
    parser.add_argument("--flows", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args(argv)
    try:
        sha256 = stamp(options.flows).sha256
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    failed = 0
    for named in options.scenarios:
        try:
            scenario = wi.load_scenario(named)
            folder = options.out / scenario.name
            if up_to_date(folder, scenario, sha256):
                print(f"{folder}: up to date, same scenario, inputs and version", file=sys.stderr)
                continue
            write_run(wi.simulate(scenario, flows=options.flows), folder, overwrite=True)
            print(f"{folder}: written", file=sys.stderr)
        except wi.WiError as error:
            failed += 1
            print(f"{named}: {error}", file=sys.stderr)
    return 1 if failed else 0


def up_to_date(folder: Path, scenario: Scenario, flows_sha256: str) -> bool:
    """Whether a whole, untouched run of this scenario over these bytes by this version lies in `folder`."""
    try:
        manifest = read_run(folder).manifest
    except wi.WiError:
        return False
    read = {given["sha256"] for given in manifest["inputs"] if given["name"] == "flows"}
    return bool(
        manifest["scenario"]["sha256"] == scenario_hash(scenario)
        and read == {flows_sha256}
        and manifest["versions"]["weaponized_interdependence"] == wi.__version__
    )


if __name__ == "__main__":
    sys.exit(main())

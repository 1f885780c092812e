"""The world before the measures: flows of the right periods, sizes of economies, and what they were read from."""

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, ModelError, UsageError
from weaponized_interdependence.exports import read_frame
from weaponized_interdependence.io_table import IOTable, read_table
from weaponized_interdependence.macro import gdp_reference
from weaponized_interdependence.periods import last_day, year_of
from weaponized_interdependence.scenario import Scenario
from weaponized_interdependence.schemas import FLOWS, MACRO
from weaponized_interdependence.settings import data_dir
from weaponized_interdependence.simulation.sectors import table_flows
from weaponized_interdependence.simulation.shock import trade_layers
from weaponized_interdependence.sources.reading import stamp
from weaponized_interdependence.terms import Layer

Flows = pl.DataFrame | str | Path

_GDP_YEARS = 5  # how far from the year of the flows a GDP figure may lie and still give the size of an economy


@dataclass(frozen=True)
class Input:
    """One thing a simulation read: a file (sha256 of its bytes) or a frame (sha256 of its Arrow stream, no path)."""

    name: str
    path: str
    sha256: str
    bytes: int
    rows: int
    periods: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Baseline:
    """Flows of one period a layer, the table, and the sizes of economies."""

    flows: pl.DataFrame
    table: IOTable | None
    gdp: Mapping[str, float]
    expenditure: Mapping[str, float]
    inputs: tuple[Input, ...]
    notes: tuple[str, ...]
    has_flows: bool

    @property
    def layers(self) -> list[str]:
        """Layers in the flows."""
        return sorted(self.flows["layer"].unique())

    @property
    def items(self) -> list[str]:
        """Distinct items of the flows."""
        return self.flows["item"].unique().sort().to_list()

    @property
    def trade_layers(self) -> list[str]:
        """Layers that are trade in these flows."""
        return trade_layers(self.flows)

    @property
    def trade(self) -> pl.DataFrame:
        """The trade flows."""
        return self.flows.filter(pl.col("layer").is_in(self.trade_layers))

    def economies(self, needs: str) -> list[str]:
        """Everyone a model of this need answers for."""
        if needs == "table" and self.table is not None:
            return list(self.table.economies)
        return pl.concat([self.flows["origin"], self.flows["destination"]]).unique().sort().to_list()


def load(
    scenario: Scenario,
    *,
    flows: Flows | Sequence[Flows] | None,
    table: IOTable | str | Path | None,
    macro: pl.DataFrame | str | Path | None,
    period: str | None,
    inputs: Iterable[Input],
) -> Baseline:
    """Read and choose everything a simulation stands on; every choice is in `notes`, every input in `inputs`."""
    notes: list[str] = []
    given = list(inputs)
    read: list[Input] = []
    frame = FLOWS.empty()
    if flows is not None:
        parts = [_flows(part, read, known=bool(given)) for part in _several(flows)]
        if not parts:
            raise UsageError("an empty list of flows", mend="give FLOWS, or leave flows out")
        frame = _one_period(pl.concat(parts), scenario.date, period, notes)
        frame = _no_totals(frame, notes)
        notes += _side_by_side(frame)
    if isinstance(table, str | Path):
        path, table = table, read_table(table)
        read.append(stamped("table", Path(path), len(table.x), (table.period,)))
    if table is not None:
        _not_from_the_future(table, scenario.date, notes)
        if not any(i.name == "table" for i in [*given, *read]):
            read.append(_table_input(table))
    frame = _with_domestic(frame, table, notes)
    gdp = _gdp(macro, _year(frame, table), read, notes)
    return Baseline(frame, table, gdp, _expenditure(frame, gdp), (*given, *read), tuple(notes), flows is not None)


def stamped(name: str, path: Path, rows: int, periods: tuple[str, ...] = ()) -> Input:
    """What is recorded of a file."""
    seal = stamp(path)
    return Input(name, seal.path, seal.sha256, seal.bytes, rows, periods)


# ---- flows ------------------------------------------------------------------------------------------------------


def _several(flows: Flows | Sequence[Flows]) -> list[Flows]:
    return [flows] if isinstance(flows, pl.DataFrame | str | Path) else list(flows)


def _flows(part: Flows, read: list[Input], *, known: bool) -> pl.DataFrame:
    if isinstance(part, pl.DataFrame):
        frame = _checked(part)
        if not known:
            read.append(_frame_input("flows", frame))
        return frame
    frame = _checked(read_frame(part, FLOWS))
    read.append(stamped("flows", Path(part), frame.height, tuple(frame["period"].unique().sort())))
    return frame


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    """FLOWS free of what would make every number wrong. Not the full check: a year may have eleven million rows."""
    empty = FLOWS.conform(frame.head(0))
    absent = [
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in FLOWS.schema.items() if name not in frame.columns
    ]
    frame = frame.with_columns(absent).select(empty.columns).cast(pl.Schema(FLOWS.schema))
    value = pl.col("value")
    bad = frame.select(
        missing=value.is_null().sum(),
        not_finite=(~value.is_finite()).sum(),
        negative=(value < 0).sum(),
    ).row(0, named=True)
    faults = [Fault(f"{count} value(s) {name.replace('_', ' ')}") for name, count in bad.items() if count]
    units = frame["unit"].unique().to_list()
    if [u for u in units if u != "USD"]:
        faults.append(Fault(f"units are {', '.join(map(str, units))}", mend="convert the flows to USD"))
    if faults:
        raise InputError("these flows cannot be simulated on", faults=faults)
    return frame


def _one_period(flows: pl.DataFrame, on: date, period: str | None, notes: list[str]) -> pl.DataFrame:
    """Of every layer the last period that ends by the day `on`; failing that, the one that the day lies in."""
    held = flows.select("layer", "period").unique().sort("layer", "period")
    if period is not None:
        if last_day(period).year > on.year or _first_day(period) > on:
            raise UsageError(
                f"period {period} is later than the scenario ({on})",
                mend="choose an earlier period, or move the scenario's date",
            )
        if period not in held["period"]:
            raise UsageError(
                f"the flows have no period {period}", mend=f"they have {', '.join(held['period'].unique().sort())}"
            )
    wanted = {}
    for (layer,), rows in held.group_by("layer", maintain_order=True):
        periods = [p for p in rows["period"] if period in (None, p)]
        past = [p for p in periods if last_day(p) <= on]
        current = [p for p in periods if _first_day(p) <= on]
        if not (chosen := max(past or current, default=None, key=last_day)):
            what = f"has no period {period}" if period else f"has only periods after {on}: {', '.join(rows['period'])}"
            notes.append(f"layer {layer} {what}; it is left out")
            continue
        unfinished = "" if past else f" (it is not over by {on}; no earlier one is there)"
        notes.append(f"flows of layer {layer}: period {chosen}{unfinished}")
        wanted[layer] = chosen
    if not wanted:
        raise ModelError(
            f"no flows as early as the scenario ({on})",
            faults=[Fault(note) for note in notes],
            mend="give flows of an earlier period, or move the scenario's date",
        )
    if held.height == len(wanted):
        return flows
    keep = pl.DataFrame({"layer": list(wanted), "period": list(wanted.values())})
    return flows.join(keep, on=["layer", "period"], how="semi")


def _first_day(period: str) -> date:
    year = int(period[:4])
    month = 3 * int(period[-1]) - 2 if "Q" in period else int(period[5:] or 1)
    return date(year, month, 1)


def _no_totals(flows: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """TOTAL beside its parts would count everything twice."""
    total = pl.col("item") == "TOTAL"
    both = flows.group_by("layer").agg(total.any().alias("total"), (~total).any().alias("parts"))
    layers = both.filter(pl.col("total") & pl.col("parts"))["layer"].sort().to_list()
    if not layers:
        return flows
    notes.append(f"layer {', '.join(layers)}: rows of item TOTAL are left out, their parts are in the same flows")
    return flows.filter(~(total & pl.col("layer").is_in(layers)))


def _side_by_side(flows: pl.DataFrame) -> list[str]:
    """A layer in two classifications may be the same trade told twice; that cannot be known here, so it is said."""
    heads = flows.select("layer", pl.col("item").str.extract(r"^([^:]+)", 1).alias("head")).unique()
    said = []
    for (layer,), rows in heads.sort("layer", "head").group_by("layer", maintain_order=True):
        if rows.height > 1 and layer in (Layer.GOODS, Layer.SERVICES, Layer.INPUTS):
            heads_held = " and ".join(rows["head"])
            said.append(f"layer {layer} holds items of {heads_held} side by side: what is told in both counts twice")
    return said


# ---- table ------------------------------------------------------------------------------------------------------


def _not_from_the_future(table: IOTable, on: date, notes: list[str]) -> None:
    if _first_day(table.period) > on:
        raise ModelError(
            f"the input-output table ({table.period}) is later than the scenario ({on})",
            mend="give an earlier table, or move the scenario's date",
        )
    notes.append(f"input-output table: {table.publisher or 'unnamed publisher'}, {table.period}, basis {table.basis}")


def _with_domestic(flows: pl.DataFrame, table: IOTable | None, notes: list[str]) -> pl.DataFrame:
    """Domestic sales from the table, where flows and table speak of the same items in the same year.

    They are a source that no measure denies; without them imports pass for the only source of an item.
    """
    trade = flows.filter(pl.col("layer").is_in(trade_layers(flows)))
    if table is None or trade.is_empty() or trade.select((pl.col("origin") == pl.col("destination")).any()).item():
        return flows
    own = table_flows(table, domestic=True).filter(pl.col("origin") == pl.col("destination"))
    own = own.join(trade.select("layer", "item", "period").unique(), on=["layer", "item", "period"], how="semi")
    if own.is_empty():
        return flows
    notes.append(f"domestic sales of {table.period} are taken from the input-output table")
    return pl.concat([flows, own.select(flows.columns)])


def _table_input(table: IOTable) -> Input:
    digest = hashlib.sha256()
    arrays = (table.Z, table.Y, table.VA, table.x)
    for array in arrays:
        digest.update(array.tobytes())
    return Input("table", "", digest.hexdigest(), sum(a.nbytes for a in arrays), len(table.x), (table.period,))


# ---- sizes ------------------------------------------------------------------------------------------------------


def _year(flows: pl.DataFrame, table: IOTable | None) -> int:
    trade = flows.filter(pl.col("layer").is_in(trade_layers(flows)))
    source = trade if trade.height else flows
    if source.height:
        return year_of(source["period"].max())  # type: ignore[arg-type]
    assert table is not None
    return year_of(table.period)


def _gdp(macro: pl.DataFrame | str | Path | None, year: int, read: list[Input], notes: list[str]) -> dict[str, float]:
    """GDP of the year, or of the nearest year up to five away (said in a note)."""
    if isinstance(macro, pl.DataFrame):
        frame = MACRO.conform(macro)
        read.append(_frame_input("macro", frame))
    elif macro is not None:
        frame = read_frame(macro, MACRO)
        read.append(stamped("macro", Path(macro), frame.height))
    else:
        frame = gdp_reference()
        read.append(stamped("macro", data_dir() / "reference" / "gdp.csv", frame.height))
    gdp = frame.filter((pl.col("indicator") == "gdp") & (pl.col("value") > 0)).with_columns(
        pl.col("period").str.head(4).cast(pl.Int32).alias("year")
    )
    if units := [u for u in gdp["unit"].unique() if u != "USD"]:
        raise InputError(f"GDP is in {', '.join(units)}", mend="convert it to USD")
    near = (
        gdp.with_columns((pl.col("year") - year).abs().alias("off"))
        .filter(pl.col("off") <= _GDP_YEARS)
        .sort("economy", "off", "year")
        .unique("economy", keep="first", maintain_order=True)
    )
    other = near.filter(pl.col("off") > 0)
    if other.height:
        years = ", ".join(str(y) for y in other["year"].unique().sort())
        notes.append(f"GDP of {other.height} economies is of {years}, the flows are of {year}")
    return dict(zip(near["economy"], near["value"], strict=True))


def _expenditure(flows: pl.DataFrame, gdp: Mapping[str, float]) -> dict[str, float]:
    """Total spending E of every economy with a GDP: GDP plus its imports in the flows, and never less than what the
    flows themselves say it buys. To first order a loss does not depend on E; it only says how small an item is.
    """
    trade = flows.filter(pl.col("layer").is_in(trade_layers(flows)))
    bought = trade.group_by("destination").agg(
        pl.col("value").sum().alias("all"),
        pl.col("value").filter(pl.col("origin") != pl.col("destination")).sum().alias("imports"),
    )
    spent = {name: (total, imports) for name, total, imports in bought.iter_rows()}
    return {
        name: max(size + spent.get(name, (0.0, 0.0))[1], 1.000001 * spent.get(name, (0.0, 0.0))[0])
        for name, size in gdp.items()
    }


def _frame_input(name: str, frame: pl.DataFrame) -> Input:
    sink = _Hashing()
    frame.write_ipc_stream(cast(Any, sink))
    periods = tuple(frame["period"].unique().sort()) if "period" in frame.columns else ()
    return Input(name, "", sink.digest.hexdigest(), sink.size, frame.height, periods)


class _Hashing(io.RawIOBase):
    """A file that keeps only the hash and the size of what is written to it."""

    def __init__(self) -> None:
        self.digest, self.size = hashlib.sha256(), 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, block: Any) -> int:
        """Take a block."""
        self.digest.update(block)
        self.size += len(block)
        return len(block)

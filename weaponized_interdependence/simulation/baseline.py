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
from weaponized_interdependence.io_table import IOTable, read_table, refuse_unbalanced
from weaponized_interdependence.macro import gdp_reference
from weaponized_interdependence.network import overlapping_items
from weaponized_interdependence.periods import first_day, last_day, year_of
from weaponized_interdependence.scenario import Scenario
from weaponized_interdependence.schemas import FLOWS, MACRO
from weaponized_interdependence.settings import data_dir
from weaponized_interdependence.simulation.sectors import table_flows
from weaponized_interdependence.simulation.shock import trade_layers
from weaponized_interdependence.sources.reading import stamp
from weaponized_interdependence.sums import steady_sum
from weaponized_interdependence.terms import Layer

Flows = pl.DataFrame | str | Path

_STOCKS = (Layer.CLAIMS.value, Layer.OWNERSHIP.value)
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
    """Flows of one period a layer, in the order of their keys; the table; and the sizes of economies.

    `gdp` is of a year; `length` is the part of a year that the trade flows last, `expenditure` is of that length.
    """

    flows: pl.DataFrame
    table: IOTable | None
    gdp: Mapping[str, float]
    expenditure: Mapping[str, float]
    inputs: tuple[Input, ...]
    notes: tuple[str, ...]
    has_flows: bool
    length: float = 1.0

    @property
    def periods(self) -> dict[str, str]:
        """The period chosen of each layer, and of the table."""
        chosen = dict(self.flows.select("layer", "period").unique().sort("layer", "period").iter_rows())
        return {**chosen, **({"table": self.table.period} if self.table is not None else {})}

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
        frame = _one_period(_together(parts), scenario.date, period, notes)
        frame = _no_totals(frame, notes)
        _refuse_overlap(frame)
    if isinstance(table, str | Path):
        path, table = table, read_table(table)
        read.append(stamped("table", Path(path), len(table.x), (table.period,)))
    elif table is not None:
        refuse_unbalanced(table, where="table")
    if table is not None:
        _not_from_the_future(table, scenario.date, notes)
        if not any(i.name == "table" for i in [*given, *read]):
            read.append(_table_input(table))
    # One order, whatever the order of the input: sums of floating-point numbers depend on it.
    frame = _with_domestic(frame, table, notes).sort(FLOWS.key)
    gdp = _gdp(macro, _year(frame, table), read, notes)
    length = _length(frame, notes)
    spending = _expenditure(frame, gdp, length)
    return Baseline(frame, table, gdp, spending, (*given, *read), tuple(notes), flows is not None, length)


def stamped(name: str, path: Path, rows: int, periods: tuple[str, ...] = ()) -> Input:
    """What is recorded of a file."""
    seal = stamp(path)
    return Input(name, seal.path, seal.sha256, seal.bytes, rows, periods)


# ---- flows ------------------------------------------------------------------------------------------------------


def _several(flows: Flows | Sequence[Flows]) -> list[Flows]:
    return [flows] if isinstance(flows, pl.DataFrame | str | Path) else list(flows)


def _flows(part: Flows, read: list[Input], *, known: bool) -> pl.DataFrame:
    if isinstance(part, pl.DataFrame):
        frame = FLOWS.conform(part, where="flows")
        if not known:
            read.append(_frame_input("flows", frame))
        return frame
    frame = read_frame(part, FLOWS)
    read.append(stamped("flows", Path(part), frame.height, tuple(frame["period"].unique().sort())))
    return frame


def _together(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """The parts as one: in USD, and no flow told by two of them."""
    flows = pl.concat(parts)
    if wrong := [u for u in flows["unit"].unique().sort() if u != "USD"]:
        raise InputError(f"units are {', '.join(wrong)}", mend="convert the flows to USD")
    if len(parts) > 1:
        repeats = flows.height - flows.select(pl.struct(FLOWS.key).n_unique()).item()
        if repeats:
            raise InputError(
                f"{repeats} row(s) of one set of flows are told again by another",
                mend="give each period, layer, pair and item once: is a file named twice?",
            )
    return flows


def _one_period(flows: pl.DataFrame, on: date, period: str | None, notes: list[str]) -> pl.DataFrame:
    """Of every layer the last period that ends by the day `on`; failing that, the one that the day lies in.

    Flows of a whole year are taken before those of a quarter or a month, even where these are later: a season is not a
    year. Stocks (claims, ownership) have no length, and the last one counts.
    """
    held = flows.select("layer", "period").unique().sort("layer", "period")
    if period is not None:
        if first_day(period) > on:
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
        current = [p for p in periods if first_day(p) <= on]
        candidates = past or current
        if layer not in _STOCKS:
            longest = max(map(_part_of_year, candidates), default=1.0)
            candidates = [p for p in candidates if _part_of_year(p) == longest]
        if not (chosen := max(candidates, default=None, key=last_day)):
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
    return flows.join(keep, on=["layer", "period"], how="semi", maintain_order="left")


def _part_of_year(period: str) -> float:
    return 1 / 4 if "Q" in period else 1 / 12 if len(period) > 4 else 1.0


def _length(flows: pl.DataFrame, notes: list[str]) -> float:
    """Which part of a year the trade flows last: GDP and spending of a year are cut to it."""
    trade = flows.filter(pl.col("layer").is_in(trade_layers(flows)))
    periods = dict(trade.select("layer", "period").unique().sort("layer").iter_rows())
    lengths = {_part_of_year(p) for p in periods.values()}
    if len(lengths) > 1:
        raise ModelError(
            "the layers of trade are of periods of different length and cannot be added up",
            faults=[Fault(f"layer {layer}: {p}") for layer, p in periods.items()],
            mend="give all of them by year (or all by quarter, or month), or say which period",
        )
    length = lengths.pop() if lengths else 1.0
    if length < 1:
        name = {1 / 4: "quarter", 1 / 12: "month"}[length]
        notes.append(
            f"the trade flows are of one {name}: losses are of that {name}, shares of GDP of 1/{1 / length:.0f} of a "
            "year's GDP; seasons are not evened out. Stocks of claims stand against a year's GDP"
        )
    return length


def _no_totals(flows: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """TOTAL, of whatever classification, beside its parts would count everything twice."""
    total = (pl.col("item") == "TOTAL") | pl.col("item").str.ends_with(":TOTAL")
    both = flows.group_by("layer").agg(total.any().alias("total"), (~total).any().alias("parts"))
    layers = both.filter(pl.col("total") & pl.col("parts"))["layer"].sort().to_list()
    if not layers:
        return flows
    for layer in layers:
        value = flows.filter(pl.col("layer") == layer).group_by(total.alias("total")).agg(steady_sum("value"))
        sums = dict(value.iter_rows())
        notes.append(
            f"layer {layer}: rows of item TOTAL ({sums[True]:.4g} USD) are left out, their parts ({sums[False]:.4g} "
            "USD) are in the same flows"
        )
    return flows.filter(~(total & pl.col("layer").is_in(layers)))


def _refuse_overlap(flows: pl.DataFrame) -> None:
    """Raise UsageError where the items of a layer hold each other: every sum would count a flow twice."""
    items = flows.select("layer", "item").unique().sort("layer", "item")
    faults = [
        Fault(f"layer {layer}: {reason}")
        for (layer,), rows in items.group_by("layer", maintain_order=True)
        for reason in overlapping_items(rows["item"])
    ]
    if faults:
        shown = [*faults[:20], *([Fault(f"and {len(faults) - 20} more")] if len(faults) > 20 else [])]
        raise UsageError(
            "these flows tell the same trade more than once",
            faults=shown,
            mend="give each layer in one classification and at one level of detail",
        )


# ---- table ------------------------------------------------------------------------------------------------------


def _not_from_the_future(table: IOTable, on: date, notes: list[str]) -> None:
    if first_day(table.period) > on:
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
    notes += [
        f"domestic sales of {table.period} are taken from the input-output table, which is net of re-exports, while "
        "the flows are gross: where much is re-exported (hubs) the share of imports, and so the loss, is overstated",
        "domestic sales: a seller that may no longer export still sells at home, where imports that are denied leave "
        "room; its exports channel counts both, and may show a gain",
    ]
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


def _expenditure(flows: pl.DataFrame, gdp: Mapping[str, float], length: float) -> dict[str, float]:
    """Total spending E of every economy with a GDP, in the time the flows last: GDP plus its imports in the flows, and
    never less than what the flows themselves say it buys. To first order a loss does not depend on E; it only says how
    small an item is.
    """
    trade = flows.filter(pl.col("layer").is_in(trade_layers(flows)))
    abroad = pl.when(pl.col("origin") != pl.col("destination")).then(pl.col("value")).otherwise(0.0)
    bought = trade.with_columns(abroad.alias("imports")).group_by("destination").agg(steady_sum("value", "imports"))
    spent = {name: (total, imports) for name, total, imports in bought.iter_rows()}
    return {
        name: max(length * size + spent.get(name, (0.0, 0.0))[1], 1.000001 * spent.get(name, (0.0, 0.0))[0])
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

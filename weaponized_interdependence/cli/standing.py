"""What the numbers of a result stand on: periods, bases, who is not in the data, which measures meet nothing.

A run read back from its folder has no data any more, only what the simulation said of them. Everything here is
therefore read from what a run keeps (inputs, notes, SHOCK), so that a stored run shows the same as a fresh one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weaponized_interdependence.terms import Basis, Layer

if TYPE_CHECKING:
    import polars as pl

About = Mapping[str, Any]
Absent = dict[str, dict[str, tuple[str, ...]]]  # flows or table -> target or senders -> codes

FLOWS, TABLE = "flows", "table"

_TABLE_BASIS = re.compile(r"input-output table: .*\bbasis (\w+)")
_ABSENT = re.compile(r"(target|senders) not in the (flows|input-output table): ([A-Z0-9]+(?:, [A-Z0-9]+)*)")
_GDP = re.compile(r"GDP of (\d+) economies is of (\d{4}(?:, \d{4})*), the flows")


def given(about: About) -> tuple[str, ...]:
    """The kinds of data the simulation had: flows, table or both."""
    names = {i["name"] for i in about["inputs"]}
    return tuple(kind for kind in (FLOWS, TABLE) if kind in names)


def absent(about: About) -> Absent:
    """Which senders and targets each kind of data does not hold."""
    found: Absent = {kind: {"target": (), "senders": ()} for kind in given(about)}
    for note in about["notes"]:
        if (said := _ABSENT.match(note)) and (kind := TABLE if "table" in said[2] else FLOWS) in found:
            found[kind][said[1]] = tuple(said[3].split(", "))
    return found


def absent_everywhere(missing: Absent, role: str) -> tuple[str, ...]:
    """The members of a side that no kind of data holds."""
    sets = [set(sides[role]) for sides in missing.values()]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def unmet(about: About, shock: "pl.DataFrame", phase: str, measures: Sequence[str]) -> tuple[str, ...]:
    """The measures of a phase that match nothing: no flow, or no sector where there is only a table."""
    if FLOWS not in given(about):
        return tuple(m for m in measures if any(f"measure {m} names no sector" in note for note in about["notes"]))
    met = {name for row in shock.filter(shock["phase"] == phase)["measures"] for name in row.split(",")}
    return tuple(m for m in measures if m not in met)


def standing(about: About, shock: "pl.DataFrame") -> str:
    """One line: the data by layer, period and basis; the table; the year of GDP."""
    periods = {layer: period for layer, period in about["periods"].items() if layer != TABLE}
    parts = [_layers(periods, about, shock), _table(about), _gdp(about, periods)]
    return "; ".join(p for p in parts if p)


def _layers(periods: Mapping[str, str], about: About, shock: "pl.DataFrame") -> str:
    """Layers of one period and basis together."""
    bases, touched = _bases(about, shock), set(shock["layer"])
    alike: dict[tuple[str, str], list[str]] = {}
    for layer in (str(each) for each in Layer if each in periods):
        said = [bases.get(layer, ""), "" if layer in touched else "not touched"]
        alike.setdefault((periods[layer], ", ".join(filter(None, said))), []).append(layer)
    return ", ".join(
        f"{' and '.join(layers)} {period}{f' ({said})' if said else ''}" for (period, said), layers in alike.items()
    )


def _bases(about: About, shock: "pl.DataFrame") -> dict[str, str]:
    """Layer -> weakest basis of the data, where it is known.

    SHOCK holds the weaker of the flow's basis and that of the shares laid on it: `assumed` there says nothing of the
    data. For the embedded default they can be looked up; otherwise the basis is then left out.
    """
    from weaponized_interdependence.cli.arguments import is_sample, sample_flows

    found: dict[str, str] = {}
    frames = [shock.filter(shock["basis"] != Basis.ASSUMED)]
    frames += [sample_flows(i["path"]) for i in about["inputs"] if i["name"] == FLOWS and is_sample(i["path"])]
    for frame in frames:
        for layer, basis in frame.select("layer", "basis").unique().iter_rows():
            found[layer] = str(max(Basis(basis), Basis(found.get(layer, basis)), key=list(Basis).index))
    return found


def _table(about: About) -> str:
    if TABLE not in given(about):
        return ""
    period = about["periods"].get(TABLE, "")
    basis = next((said[1] for note in about["notes"] if (said := _TABLE_BASIS.match(note))), "")
    return f"input-output table {period}{f' ({basis})' if basis else ''}"


def _gdp(about: About, periods: Mapping[str, str]) -> str:
    """The year that shares of GDP are of; the input-output model takes the value added of its own table."""
    if not {"exposure", "substitution"} & set(about["models"]) or not periods:
        return ""
    other = next((said for note in about["notes"] if (said := _GDP.match(note))), None)
    return f"GDP of {year_of_flows(periods)}{f' (of {other[2]} for {other[1]} economies)' if other else ''}"


def year_of_flows(periods: Mapping[str, str]) -> str:
    """The year whose GDP stands under the flows: of trade where there is any; empty without flows."""
    flows = {layer: period for layer, period in periods.items() if layer != TABLE}
    trade = [p for layer, p in flows.items() if layer in (Layer.GOODS, Layer.SERVICES)]
    trade = trade or [p for layer, p in flows.items() if layer == Layer.INPUTS] or list(flows.values())
    return max(trade, default="")[:4]

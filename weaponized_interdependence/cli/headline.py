"""A screen's first lines: what everyone loses, over all models at each horizon, and the sector hit most."""

from typing import TYPE_CHECKING, Any

from weaponized_interdependence.cli import beside, show
from weaponized_interdependence.terms import Horizon

if TYPE_CHECKING:
    import polars as pl

    from weaponized_interdependence.scenario import Scenario

_CALLED = {"COALITION": "coalition", "THIRD_PARTIES": "third parties"}


def headline(
    impacts: "pl.DataFrame",
    scenario: "Scenario",
    phase: str,
    gone: set[tuple[str, str]],
    view: beside.View | None,
) -> None:
    """Loss of target, coalition and third parties in per cent of GDP, from the lowest to the highest end of all bands.

    By horizon; models without time stand beside each, and exposure is left out, for what stops is no loss. Then the
    target's sector that loses most, in `view`. Nothing where no model gives a loss of GDP.
    """
    from weaponized_interdependence.assessment import side_by_side as compare

    frame = compare.side_by_side(impacts, scenario)
    frame = frame.filter(frame["phase"] == phase)
    kept = [(r["model"], r["party"]) not in gone for r in frame.iter_rows(named=True)]
    rows = compare.ranges(frame.filter(kept)).to_dicts()
    targets = scenario.targets()
    names = {"TARGETS" if len(targets) > 1 else targets[0]: "target", **_CALLED}
    lines = [(called, _by_horizon([r for r in rows if r["party"] == party])) for party, called in names.items()]
    if not any(said for _, said in lines):
        return
    show.say("In short: loss in per cent of GDP, all models and their bands (not exposure)", indent=2)
    show.pairs([*lines, ("hit most", _sector(impacts, scenario, phase, view))], indent=4)


def _by_horizon(rows: list[dict[str, Any]]) -> str:
    """`short 1.2 to 3.4, medium, long 0.5 to 1.2`: horizons with one range together."""
    times: dict[str, list[str]] = {}
    for row in rows:
        ends = [row["least"] if row["low"] is None else row["low"], row["most"] if row["high"] is None else row["high"]]
        told = " to ".join(dict.fromkeys(show.numbers(ends, 0.01)))
        times.setdefault(told, []).extend([row["horizon"]] if row["horizon"] != Horizon.NONE else [])
    return "; ".join(" ".join(filter(None, (", ".join(names), told))) for told, names in times.items())


def _sector(impacts: "pl.DataFrame", scenario: "Scenario", phase: str, view: beside.View | None) -> str:
    """The sector of a target with the largest loss of output in money."""
    from weaponized_interdependence.assessment import side_by_side as compare
    from weaponized_interdependence.harmonize.item_names import item_name

    frame = compare.top_sectors(impacts, scenario, most=1)
    rows = [r for r in frame.to_dicts() if r["phase"] == phase and r["party"] in scenario.targets()]
    views = beside.view_of(rows)
    if not views:
        return ""
    chosen = view if view in views else views[0]
    worst = max((r for r in rows if (r["model"], r["horizon"], r["channel"]) == chosen), key=lambda r: r["value"])
    part = f", {show.numbers([worst['share']], 0.01)[0]} per cent of its output" if worst["share"] is not None else ""
    named = item_name(worst["item"]) or worst["item"]
    money = show.money(worst["value"], worst["unit"])
    return f"{named} of {worst['party']}: {money}{part} ({beside.in_words(chosen[0], chosen[2], chosen[1])})"

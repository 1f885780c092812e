"""The screen of models and horizons side by side, of the sectors that lose most, and of the path over time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weaponized_interdependence.cli import show
from weaponized_interdependence.terms import HORIZONS, Channel, Horizon, Metric

if TYPE_CHECKING:
    import polars as pl

    from weaponized_interdependence.scenario import Scenario

Row = dict[str, Any]
View = tuple[str, str, str]  # model, horizon, channel

_TIMES = (Horizon.SHORT, Horizon.MEDIUM, Horizon.LONG, Horizon.NONE)
_HEADS = {Horizon.NONE: "without time"}
_SUMS = {"TARGETS": "all targets", "COALITION": "the coalition", "THIRD_PARTIES": "third parties"}
_CASES = ("low", "value", "high")
_NEEDS = ("flows", "table")
_YEARS = 2  # GDP and trade move little in so many


def side_by_side(
    impacts: "pl.DataFrame",
    scenario: "Scenario",
    phase: str,
    gone: set[tuple[str, str]],
    periods: Mapping[str, str],
) -> None:
    """Loss of target, coalition and third parties by model and horizon, with what each model assumes.

    `periods`: those of the layers of the flows, and of the table.
    """
    from weaponized_interdependence.assessment import side_by_side as compare

    frame = compare.side_by_side(impacts, scenario)
    frame = frame.filter(frame["phase"] == phase)
    frame = frame.filter([(r["model"], r["party"]) not in gone for r in frame.iter_rows(named=True)])
    rows = [r for r in frame.to_dicts() if r["value"] is not None]
    views = list(dict.fromkeys((r["model"], r["channel"]) for r in rows))
    if len({model for model, _ in views}) < 2:
        return  # one model alone has nobody beside it
    show.heading("SIDE BY SIDE: loss in per cent of GDP, central answers; never to be averaged")
    for party in dict.fromkeys(r["party"] for r in rows):
        show.say(_titled(party), indent=2)
        _grid([r for r in rows if r["party"] == party], views)
        _apart(compare.disagreement(frame).to_dicts(), party)
    if said := _years_apart({r["model"] for r in rows}, periods):
        show.say(said, "yellow", indent=2)
    show.say("What each assumes", indent=2)
    assumed = {r["model"]: r["assumes"] for r in rows}
    show.pairs(((name.replace("_", "-"), words) for name, words in assumed.items()), indent=4)


def _years_apart(models: set[str], periods: Mapping[str, str]) -> str:
    """What to say where models on the flows and models on the table are of years too far apart to be set side by side.

    >>> print(_years_apart({"exposure", "dynamic"}, {"goods": "2021", "table": "2011"}))
    GDP and flows are of 2021 for exposure, of 2011 for dynamic: shares of two worlds, 10 years apart
    >>> _years_apart({"exposure", "dynamic"}, {"goods": "2012", "table": "2011"})
    ''
    """
    from weaponized_interdependence.cli.standing import TABLE, year_of_flows
    from weaponized_interdependence.simulation.models import MODELS

    on = {need: [n.replace("_", "-") for n in MODELS if n in models and MODELS[n].needs == need] for need in _NEEDS}
    flows, table = year_of_flows(periods), periods.get(TABLE, "")[:4]
    apart = abs(int(flows) - int(table)) if flows and table else 0
    if not all(on.values()) or apart <= _YEARS:
        return ""
    one, other = (", ".join(on[need]) for need in _NEEDS)
    return f"GDP and flows are of {flows} for {one}, of {table} for {other}: shares of two worlds, {apart} years apart"


def _grid(rows: Sequence[Row], views: Sequence[tuple[str, str]]) -> None:
    """One line a model and channel, one column a horizon, central answers; their bands stand in the panels above."""
    at = {((r["model"], r["channel"]), r["horizon"]): r["value"] for r in rows}
    there = [v for v in views if any((v, str(h)) in at for h in _TIMES)]
    figures = iter(show.numbers(list(at.values()), 0.01))
    shown = {key: next(figures) for key in at}
    columns = [show.Column("model", [in_words(*v) for v in there])]
    for time in _TIMES:
        cells = [shown.get((v, str(time)), "") for v in there]
        if any(cells):
            columns.append(show.Column(_HEADS.get(time, str(time)), cells, True))
    show.table(columns, indent=4)


def _band(rows: Sequence[Mapping[str, Any] | None], group: str, divisor: float) -> list[show.Column]:
    """Low, central and high of the rows, under one heading."""
    figures = show.numbers([None if r is None else r[case] for case in _CASES for r in rows], divisor)
    n = len(rows)
    return [
        show.Column(head, figures[k * n : (k + 1) * n], True, group=group)
        for k, head in enumerate(("low", "central", "high"))
    ]


def _apart(rows: Sequence[Row], party: str) -> None:
    """From which model to which the central answers go: one line for all horizons that have the same."""
    times: dict[str, list[str]] = {}
    for row in (r for r in rows if r["party"] == party):
        low, least, most, high = show.numbers([row[k] for k in ("low", "least", "most", "high")], 0.01)
        names = (row["least_model"].replace("_", "-"), row["most_model"].replace("_", "-"))
        ends = f"{least} ({names[0]}) to {most} ({names[1]})"
        said = f"models disagree, {ends}; with their bands {low} to {high}"
        times.setdefault(said, []).extend([row["horizon"]] if row["horizon"] != Horizon.NONE else [])
    for said, horizons in times.items():
        show.say(": ".join(filter(None, (", ".join(horizons), said))), indent=4)


def top_sectors(impacts: "pl.DataFrame", scenario: "Scenario", phase: str, most: int, view: View | None) -> None:
    """The sectors of target and coalition that lose most output, in one view; where it has no sectors, the first."""
    from weaponized_interdependence.assessment import side_by_side as compare
    from weaponized_interdependence.harmonize.item_names import item_name

    frame = compare.top_sectors(impacts, scenario, most=most)
    rows = frame.filter(frame["phase"] == phase).to_dicts()
    if not rows:
        return
    views = view_of(rows)
    view = view if view in views else views[0]
    mine = [r for r in rows if (r["model"], r["horizon"], r["channel"]) == view]
    show.heading(f"Sectors that lose most output, at most {most} ({in_words(view[0], view[2], view[1])})")
    money = show.scale([r["value"] for r in mine], "USD")
    for party in dict.fromkeys(r["party"] for r in mine):
        show.say(_titled(party), indent=2)
        each = [r for r in mine if r["party"] == party]
        parts = [show.numbers([r["share"]], 0.01)[0] if r["share"] is not None else "" for r in each]
        show.table(
            [
                show.Column("", [r["item"] for r in each], keep=True),
                show.Column("", [item_name(r["item"]) for r in each]),
                *_band(each, money[1], money[0]),
                show.Column("per cent", parts, True, group="of its output"),
            ],
            indent=4,
        )


def view_of(rows: Sequence[Row]) -> list[View]:
    """The views of rows, in their order."""
    return list(dict.fromkeys((r["model"], r["horizon"], r["channel"]) for r in rows))


def reference(rows: Sequence[Row]) -> View | None:
    """The view that all lists of one screen show, for models must not be mixed in them.

    Equilibrium at its longest horizon where it answered; failing that substitution, then the first there is.
    """
    views = view_of(rows)
    order = [*(("equilibrium", h) for h in reversed(HORIZONS)), ("substitution", None)]
    wanted = (v for model, horizon in order for v in views if v[0] == model and horizon in (None, v[1]))
    return next(wanted, next(iter(views), None))


def first_order(impacts: "pl.DataFrame", scenario: "Scenario", phase: str) -> None:
    """Terms and volume of trade, apart from every loss: only where the model was asked for."""
    import polars as pl

    metrics = (Metric.TERMS_OF_TRADE_LOSS, Metric.VOLUME_OF_TRADE_LOSS)
    parties = [*scenario.targets(), "COALITION", "THIRD_PARTIES"]
    frame = impacts.filter(
        (pl.col("model") == "terms_of_trade") & (pl.col("phase") == phase) & pl.col("party").is_in(parties)
    )
    if frame.is_empty():
        return
    rows = {(r["party"], r["horizon"], r["metric"]): r for r in frame.to_dicts()}
    keys = [(p, str(h)) for p in parties for h in _TIMES if any((p, str(h), str(m)) in rows for m in metrics)]
    money = show.scale([r["value"] for r in rows.values()], "USD")
    show.heading(f"FIRST ORDER: where an equilibrium's losses come from, {money[1]}; not the losses themselves")
    columns = [
        show.Column("", [p for p, _ in keys], keep=True),
        show.Column("horizon", [h for _, h in keys], keep=True),
    ]
    for metric, head in zip(metrics, ("terms of trade", "volume of trade"), strict=True):
        mine = [rows.get((p, h, str(metric))) for p, h in keys]
        if any(mine):
            columns += _band(mine, head, money[0])
    show.table(columns)


def moved_by(sensitivity: "pl.DataFrame", phase: str, most: int = 6) -> None:
    """Which assumption moves the answer: the `most` with the largest total index, for each party.

    Over all horizons, and at the longest one: in between is in sensitivity.parquet.
    """
    rows = sensitivity.filter(sensitivity["phase"] == phase).sort("total", descending=True, nulls_last=True).to_dicts()
    if not rows:
        return
    show.heading("WHICH ASSUMPTION MOVES IT: part of the variance of the loss (of GDP), equilibrium")
    there = {r["horizon"] for r in rows}
    longest = max((h for h in Horizon if h in there and h != Horizon.NONE), key=list(Horizon).index, default=None)
    views = {Horizon.NONE: "over all horizons", longest: f"{longest} horizon"}
    for party in dict.fromkeys(r["party"] for r in sensitivity.to_dicts()):
        for horizon, when in views.items():
            mine = [r for r in rows if r["party"] == party and r["horizon"] == horizon][:most]
            if not mine:
                continue
            show.say(f"{_titled(party)}, {when}", indent=2)
            columns = [show.Column("assumption", [r["assumption"] for r in mine])]
            for index, head in (("first", "by itself, per cent"), ("total", "with all others, per cent")):
                ends = [{"low": r[f"{index}_low"], "value": r[index], "high": r[f"{index}_high"]} for r in mine]
                columns += _band(ends, head, 0.01)
            show.table(columns, indent=4)
    outer = (r[c] for r in rows for c in ("first_low", "first_high", "total_low", "total_high"))
    if any(end is not None and not 0 <= end <= 1 for end in outer):
        show.say(
            "An interval beyond 0 to 100 per cent is sampling error of few draws: ask for more (--draws).", indent=2
        )


def over_time(paths: "pl.DataFrame", scenario: "Scenario", impacts: "pl.DataFrame") -> None:
    """What the dynamic model says of each phase: loss a day at its start and end, on average, and at its worst.

    The worst step of the central and of the high case may lie months apart: each has its own day.
    """
    if paths.is_empty():
        return
    import polars as pl

    lost = paths.filter(pl.col("metric") == Metric.LOSS_GDP.value).sort("step")
    parties = [p for p in (*scenario.targets(), "TARGETS", "COALITION", "THIRD_PARTIES") if p in lost["party"]]
    days = {phase.name: (first, first + length - 1) for phase, first, length in scenario.timeline()}
    change = {phase.name: str(scenario.change_of(phase)).replace("_", " ") for phase in scenario.phase_list()}
    means = _means(impacts)
    show.heading("OVER TIME: value added lost, per cent of GDP of as many days (dynamic)")
    named = [f"{name} ({change[name]}) {days[name][0]}-{days[name][1]}" for name in days]
    show.say(f"Days of the phases: {', '.join(named)}. The worst step of each case is its own.", indent=2)
    for party in parties:
        show.say(_titled(party), indent=2)
        mine = lost.filter(pl.col("party") == party)
        rows = [(name, mine.filter(pl.col("phase") == name)) for name in days]
        rows = [(name, frame) for name, frame in rows if frame.height]
        first = show.numbers([frame["value"][0] for _, frame in rows], 0.01)
        last = show.numbers([frame["value"][-1] for _, frame in rows], 0.01)
        show.table(
            [
                show.Column("phase", [name for name, _ in rows], whole_words=True),
                show.Column("first", first, True),
                show.Column("last", last, True),
                *_average([means.get((name, party)) for name, _ in rows]),
                *_worst([frame for _, frame in rows], "value", "central"),
                *_worst([frame for _, frame in rows], "high", "high"),
            ],
            indent=4,
        )


def _means(impacts: "pl.DataFrame") -> dict[tuple[str, str], Row]:
    """By phase and party, the dynamic model's loss over a whole phase: summed in each case before they are compared."""
    import polars as pl

    whole = impacts.filter(
        (pl.col("model") == "dynamic")
        & (pl.col("metric") == Metric.LOSS_GDP.value)
        & (pl.col("item") == "ALL")
        & (pl.col("channel") == Channel.ALL.value)
    )
    return {(r["phase"], r["party"]): r for r in whole.to_dicts()}


def _average(rows: Sequence[Row | None]) -> list[show.Column]:
    """The loss over whole phases, central and high; the low one stands with them in the panels."""
    return [c for c in _band(rows, "average", 0.01) if c.name != "low"]


def _worst(frames: Sequence["pl.DataFrame"], case: str, head: str) -> list[show.Column]:
    """The largest loss of one case in each phase, and its day."""
    rows = [frame.sort(case, descending=True, nulls_last=True).row(0, named=True) for frame in frames]
    figures = show.numbers([r[case] for r in rows], 0.01)
    return [
        show.Column(head, figures, True, group="worst step"),
        show.Column("day", [str(r["step"]) for r in rows], True, group="worst step"),
    ]


def in_words(model: str, channel: str, horizon: str = Horizon.NONE) -> str:
    """A model with its horizon and channel, as a label."""
    parts = [model.replace("_", "-")]
    parts += [horizon] if horizon != Horizon.NONE else []
    parts += [channel] if channel != Channel.ALL else []
    return ", ".join(parts)


def _titled(party: str) -> str:
    from weaponized_interdependence.harmonize.economies import name_of

    if party in _SUMS:
        return _SUMS[party].capitalize()
    name = name_of(party)
    return party if name == party else f"{party}, {name}"

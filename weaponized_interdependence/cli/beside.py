"""The screen of models and horizons side by side, of the sectors that lose most, and of the path over time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weaponized_interdependence.cli import show
from weaponized_interdependence.terms import Channel, Horizon, Metric

if TYPE_CHECKING:
    import polars as pl

    from weaponized_interdependence.scenario import Scenario

Row = dict[str, Any]

_TIMES = (Horizon.SHORT, Horizon.MEDIUM, Horizon.LONG, Horizon.NONE)
_HEADS = {Horizon.NONE: "without time"}
_SUMS = {"TARGETS": "all targets", "COALITION": "the coalition", "THIRD_PARTIES": "third parties"}
_CASES = ("low", "value", "high")


def side_by_side(impacts: "pl.DataFrame", scenario: "Scenario", phase: str, gone: set[tuple[str, str]]) -> None:
    """Loss of target, coalition and third parties by model and horizon, with what each model assumes."""
    from weaponized_interdependence.assessment import side_by_side as compare

    frame = compare.side_by_side(impacts, scenario)
    frame = frame.filter(frame["phase"] == phase)
    rows = [r for r in frame.to_dicts() if (r["model"], r["party"]) not in gone and r["value"] is not None]
    views = list(dict.fromkeys((r["model"], r["channel"]) for r in rows))
    if len({model for model, _ in views}) < 2:
        return  # one model alone has nobody beside it
    show.heading("SIDE BY SIDE: loss in per cent of GDP, central answers; never to be averaged")
    for party in dict.fromkeys(r["party"] for r in rows):
        show.say(_titled(party), indent=2)
        _grid([r for r in rows if r["party"] == party], views)
        _apart(compare.disagreement(frame).to_dicts(), party)
    show.say("What each assumes", indent=2)
    assumed = {r["model"]: r["assumes"] for r in rows}
    show.pairs(((name.replace("_", "-"), words) for name, words in assumed.items()), indent=4)


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
    """One line a horizon: from which model to which the central answers go."""
    mine = [r for r in rows if r["party"] == party]
    for row in mine:
        low, least, most, high = show.numbers([row[k] for k in ("low", "least", "most", "high")], 0.01)
        time = f"{row['horizon']}: " if row["horizon"] != Horizon.NONE else ""
        names = (row["least_model"].replace("_", "-"), row["most_model"].replace("_", "-"))
        ends = f"{least} ({names[0]}) to {most} ({names[1]})"
        show.say(f"{time}models disagree, {ends}; with their bands {low} to {high}", indent=4)


def top_sectors(impacts: "pl.DataFrame", scenario: "Scenario", phase: str, most: int) -> None:
    """The sectors of target and coalition that lose most output, by the model that knows sectors best."""
    from weaponized_interdependence.assessment import side_by_side as compare
    from weaponized_interdependence.harmonize.item_names import item_name

    frame = compare.top_sectors(impacts, scenario, most=most)
    rows = frame.filter(frame["phase"] == phase).to_dicts()
    if not rows:
        return
    view = _reference(rows)
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


def _reference(rows: Sequence[Row]) -> tuple[str, str, str]:
    """Equilibrium at its longest horizon where it ran, else the first view there is."""
    views = list(dict.fromkeys((r["model"], r["horizon"], r["channel"]) for r in rows))
    return next((v for v in reversed(views) if v[0] == "equilibrium"), views[0])


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


def over_time(paths: "pl.DataFrame", scenario: "Scenario") -> None:
    """What the dynamic model says of each phase: loss a day at its start, at its worst and at its end."""
    if paths.is_empty():
        return
    import polars as pl

    lost = paths.filter(pl.col("metric") == Metric.LOSS_GDP.value).sort("step")
    parties = [p for p in (*scenario.targets(), "TARGETS", "COALITION", "THIRD_PARTIES") if p in lost["party"]]
    days = {phase.name: (first, first + length - 1) for phase, first, length in scenario.timeline()}
    change = {phase.name: str(scenario.change_of(phase)).replace("_", " ") for phase in scenario.phase_list()}
    show.heading("OVER TIME: value added lost, per cent of GDP of as many days (dynamic)")
    for party in parties:
        show.say(_titled(party), indent=2)
        mine = lost.filter(pl.col("party") == party)
        rows = [(name, mine.filter(pl.col("phase") == name)) for name in days]
        rows = [(name, frame) for name, frame in rows if frame.height]
        worst = [frame.sort("value", descending=True, nulls_last=True).row(0, named=True) for _, frame in rows]
        first = show.numbers([frame["value"][0] for _, frame in rows], 0.01)
        last = show.numbers([frame["value"][-1] for _, frame in rows], 0.01)
        show.table(
            [
                show.Column("phase", [f"{name} ({change[name]})" for name, _ in rows], whole_words=True),
                show.Column("days", ["{}-{}".format(*days[name]) for name, _ in rows], keep=True),
                show.Column("first", first, True),
                show.Column("last", last, True),
                *_band(worst, "worst step", 0.01),
                show.Column("day", [str(w["step"]) for w in worst], True, group="worst step"),
            ],
            indent=4,
        )


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

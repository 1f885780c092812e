"""The screen of a simulation: pressure, collateral, third parties, in the same units; then what it rests on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weaponized_interdependence.cli import beside, show, standing
from weaponized_interdependence.cli.folding import fold
from weaponized_interdependence.cli.headline import headline
from weaponized_interdependence.terms import Channel, Metric, Panel

if TYPE_CHECKING:
    import polars as pl

    from weaponized_interdependence.scenario import Phase, Scenario

Row = dict[str, Any]
View = tuple[str, str, str]  # model, horizon, channel
Scale = tuple[float, str]

_CASES, _HEADS = ("low", "value", "high"), ("low", "central", "high")
_LOSSES = (Metric.LOSS, Metric.LOSS_GDP)
_SUMS = {
    "COALITION": "The coalition together",
    "TARGETS": "All targets together",
    "THIRD_PARTIES": "All third parties together",
    "WORLD": "All parties together",
}


_NO_LOSSES = "The models that were asked for account for losses, and give none of their own; no panel is shown."
_NO_MATCH = "In this phase no measure matches anything in the data; the notes say why."


def screen(
    scenario: "Scenario",
    impacts: "pl.DataFrame",
    shock: "pl.DataFrame",
    about: Mapping[str, Any],
    *,
    phase: str,
    most: int,
    paths: "pl.DataFrame | None" = None,
    sensitivity: "pl.DataFrame | None" = None,
    brief: bool = False,
) -> None:
    """The three panels of one phase, models side by side, the path over all phases.

    Then assumptions, inputs, notes and limits (left out where `brief`).
    """
    from weaponized_interdependence.assessment.panels import limits, panels

    missing = standing.absent(about)
    shown = panels(impacts, scenario, most=most)
    gone = _not_in_the_data(scenario, missing, about["models"])
    rows = {
        panel: [r for r in frame.to_dicts() if r["phase"] == phase and (r["model"], r["party"]) not in gone]
        for panel, frame in shown.items()
    }
    every = [r for panel in rows.values() for r in panel]
    view = beside.reference([r for r in every if r["metric"] in _LOSSES])
    head(scenario, phase, missing, about, shock, row="ROW" in impacts["party"])
    headline(impacts, scenario, phase, gone, view)
    models_used(about["models"])
    for text in about["notes"]:
        if ": no answer: " in text or "percentile of" in text:
            show.say(text, "yellow", indent=2)
    if not every:
        show.say()
        lifted = not next(p for p in scenario.phase_list() if p.name == phase).measures
        answered = (impacts["phase"] == phase).any()
        why = _NO_LOSSES if answered else _NO_MATCH
        why = "In this phase nothing is in force." if lifted else why
        show.say(why, "yellow")
    else:
        # One scale of money for all three panels: they are there to be compared.
        money = show.scale((r["value"] for r in every if r["metric"] == Metric.LOSS), "USD")
        pressure(rows[Panel.PRESSURE], money)
        collateral(rows[Panel.COLLATERAL], money, most, about["notes"], view)
        third_parties(rows[Panel.THIRD_PARTIES], money, most, view)
        beside.side_by_side(impacts, scenario, phase, gone, about["periods"])
        beside.top_sectors(impacts, scenario, phase, most, view)
    beside.first_order(impacts, scenario, phase)
    if paths is not None:
        beside.over_time(paths, scenario, impacts)
    if sensitivity is not None:
        beside.moved_by(sensitivity, phase)
    if every:
        show.say()
        show.basis_lines(r["basis"] for r in every)
    if brief:
        return
    assumptions_table(about["assumptions"])
    inputs_table(about["inputs"])
    notes = fold(about["notes"], [m.id for m in scenario.measures])
    for title, texts in (("Notes", notes), ("What this cannot tell", limits(about["models"]))):
        if texts:
            show.heading(title)
            show.bullets(texts)


def head(
    scenario: "Scenario",
    phase: str,
    missing: standing.Absent,
    about: Mapping[str, Any],
    shock: "pl.DataFrame",
    *,
    row: bool,
) -> None:
    """Who coerces whom, which of them the data do not hold, which phase is shown, and what its numbers stand on."""
    phases = scenario.phase_list()
    chosen = next(p for p in phases if p.name == phase)
    show.say(f"{scenario.title} ({scenario.name})", "bold")
    senders = scenario.senders()
    unmet = standing.unmet(about, shock, phase, chosen.measures)
    nothing = "match" if len(unmet) != 1 else "matches"
    show.pairs(
        [
            ("coalition", f"{', '.join(scenario.coalition)} ({show.count(len(senders), 'economy', 'economies')})"),
            *(("", line) for line in _absent_lines(missing, "senders", row)),
            ("target", ", ".join(scenario.targets())),
            *(("", line) for line in _absent_lines(missing, "target", row)),
            ("phase", f"{phase}, from {chosen.start}, {_in_force(scenario, chosen)}"),
            ("", f"{', '.join(unmet)}: {nothing} nothing in these data" if unmet else ""),
            ("on", standing.standing(about, shock)),
        ]
    )
    if len(phases) > 1:
        show.note(f"other phases: {', '.join(p.name for p in phases if p.name != phase)} (--phase NAME shows one)")
    show.say("Losses are positive, gains negative; low and high span the assumptions.", indent=2)


def _in_force(scenario: "Scenario", phase: "Phase") -> str:
    """What a phase does to the one before it (where there is one), and what is in force in it."""
    change = str(scenario.change_of(phase)).replace("_", " ")
    said = f"{change}, " if len(scenario.phase_list()) > 1 else ""
    return f"{said}in force: {', '.join(phase.measures) or 'nothing'}"


def _absent_lines(missing: standing.Absent, role: str, row: bool) -> list[str]:
    """Members that no data hold, then those that only one kind of data lacks."""
    everywhere = standing.absent_everywhere(missing, role)
    lines = []
    if everywhere:
        where = "not in the data, counted inside ROW or not at all" if row else "not in the data"
        lines.append(f"{where}: {', '.join(everywhere)}")
    names = {standing.FLOWS: "the flows", standing.TABLE: "the input-output table"}
    for kind, sides in missing.items():
        if only := [code for code in sides[role] if code not in everywhere]:
            lines.append(f"not in {names[kind]}: {', '.join(only)}")
    return lines


def _not_in_the_data(scenario: "Scenario", missing: standing.Absent, models: Sequence[str]) -> set[tuple[str, str]]:
    """Each model with the parties its data do not hold: a zero there would read as `loses nothing`."""
    from weaponized_interdependence.simulation.simulate import MODELS

    gone = set()
    for model in (*models, "humanitarian"):
        kind = MODELS[model].needs if model in MODELS else standing.FLOWS
        sides = missing.get(kind, {"target": (), "senders": ()})
        gone |= {(model, code) for codes in sides.values() for code in codes}
        for role, everyone, total in (
            ("senders", scenario.senders(), "COALITION"),
            ("target", scenario.targets(), "TARGETS"),
        ):
            if everyone and set(everyone) <= set(sides[role]):
                gone.add((model, total))
    return gone


def models_used(names: Sequence[str]) -> None:
    """One line a model: what its loss is."""
    from weaponized_interdependence.simulation.simulate import MODELS

    show.pairs((name.replace("_", "-"), MODELS[name].meaning) for name in names if name in MODELS)


def pressure(rows: Sequence[Row], money: Scale) -> None:
    """Loss of the target, and the target's loss for each unit of the coalition's."""
    show.heading(f"PRESSURE: {Panel.PRESSURE.meaning}")
    if not rows:
        show.say("no target is in the data of these models", indent=2)
    for party in _order([r["party"] for r in rows]):
        show.say(_titled(party), indent=2)
        losses(_of(rows, party), money)
    _beyond_exposure(rows)
    if any(r["model"] == "dynamic" for r in rows):
        show.say("dynamic: money of the days of this phase, and GDP of as many days; all others: of a year", indent=4)
        show.say(
            "dynamic: every stored input stops the industries that buy it: an upper bound where inputs can replace one "
            "another",
            indent=4,
        )
    _ratios(rows)


def collateral(rows: Sequence[Row], money: Scale, most: int, notes: Sequence[str], view: View | None) -> None:
    """Loss of the coalition, of the members that lose most, and what reaches the target's civilians."""
    show.heading(f"COLLATERAL: {Panel.COLLATERAL.meaning}")
    show.say(_titled("COALITION"), indent=2)
    if together := _of(rows, "COALITION"):
        losses(together, money)
    else:
        show.say("no member is in the data of these models", indent=4)
    _beyond_exposure(together)
    members = [r for r in rows if r["party"] != "COALITION" and r["metric"] in _LOSSES]
    if members and view:
        _extremes(
            [r for r in members if _view(r) == view], money, f"Members that lose most of GDP, at most {most}", view
        )
    _humanitarian(rows, notes)


def third_parties(rows: Sequence[Row], money: Scale, most: int, view: View | None) -> None:
    """Everyone else together, the world, and who loses and who gains most."""
    show.heading(f"THIRD PARTIES: {Panel.THIRD_PARTIES.meaning}")
    for party in ("THIRD_PARTIES", "WORLD"):
        show.say(_titled(party), indent=2)
        losses(_of(rows, party), money)
    _beyond_exposure(_of(rows, "THIRD_PARTIES"))
    if any(r["model"] == "exposure" and r["party"] == "WORLD" for r in rows):
        show.say("exposure counts each stopped flow twice here, once at either end", indent=4)
    each = [r for r in rows if r["party"] not in ("THIRD_PARTIES", "WORLD")]
    if not each or view is None:
        return
    value = {r["party"]: r["value"] or 0.0 for r in each if r["metric"] == Metric.LOSS and _view(r) == view}
    for word, sign in (("lose", 1), ("gain", -1)):
        mine = [r for r in each if _view(r) == view and sign * value.get(r["party"], 0.0) > 0]
        _extremes(mine, money, f"Those that {word} most of GDP, at most {most}", view)


def losses(rows: Sequence[Row], money: Scale, *, by_party: bool = False) -> None:
    """One line a model (or a party): loss in money and of GDP, each with its band."""
    pairs: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        if row["metric"] in _LOSSES:
            pairs.setdefault((row["party"], *_view(row)), {})[row["metric"]] = row
    if not pairs:
        show.say("nothing reaches it", indent=4)
        return
    first = [p.get(Metric.LOSS) or p[Metric.LOSS_GDP] for p in pairs.values()]
    if by_party:
        columns = [
            show.Column("", [r["party"] for r in first], keep=True),
            show.Column("", [_name(r["party"]) for r in first]),
        ]
    else:
        columns = [show.Column("model", [_in_words(_view(r)) for r in first])]
    columns += _band([p.get(Metric.LOSS) for p in pairs.values()], money[1], money[0])
    columns += _band([p.get(Metric.LOSS_GDP) for p in pairs.values()], "per cent of GDP", 0.01)
    show.table(columns, indent=4)


def _beyond_exposure(rows: Sequence[Row]) -> None:
    """One line where someone loses more by substitution than the value that stops: it looks like a slip and is none."""
    loss = [r for r in rows if r["metric"] == Metric.LOSS and r["value"] is not None]
    stops = {r["party"]: r["value"] for r in loss if r["model"] == "exposure" and r["channel"] == Channel.ALL}
    if any(
        r["value"] > stops[r["party"]]
        for r in loss
        if r["model"] == "substitution" and r["channel"] == Channel.ALL and r["party"] in stops
    ):
        show.say("substitution may exceed exposure: what cannot be replaced can be worth more than it costs", indent=4)


def _band(rows: Sequence[Row | None], group: str, divisor: float) -> list[show.Column]:
    """Three columns, low, central and high, with one number of decimals."""
    cells = show.numbers([None if r is None else r[case] for case in _CASES for r in rows], divisor)
    n = len(rows)
    return [show.Column(name, cells[k * n : (k + 1) * n], True, group=group) for k, name in enumerate(_HEADS)]


def _ratios(rows: Sequence[Row]) -> None:
    found = [r for r in rows if r["metric"] in (Metric.LOSS_RATIO, Metric.LOSS_GDP_RATIO)]
    if not found:
        return
    show.say("Target's loss for each unit that the coalition loses", indent=2)
    views = list(dict.fromkeys(_view(r) for r in found))
    by = {(_view(r), r["metric"]): r for r in found}
    columns = [show.Column("model", [_in_words(v) for v in views])]
    for metric, group in ((Metric.LOSS_RATIO, "in USD"), (Metric.LOSS_GDP_RATIO, "in per cent of GDP")):
        columns += _band([by.get((v, str(metric))) for v in views], group, 1.0)
    show.table(columns, indent=4)
    undefined = any(r["value"] is None for r in found)
    unbounded = any(r["value"] is not None and None in (r["low"], r["high"]) for r in found)
    if why := " or ".join(["not defined"] * undefined + ["at an end without bound"] * unbounded):
        show.say(f"{show.NOT_DEFINED}: {why}, because the coalition does not lose there", indent=4)


def _humanitarian(rows: Sequence[Row], notes: Sequence[str]) -> None:
    from weaponized_interdependence.simulation.impact import NO_HUMANITARIAN

    words = {
        Metric.HUMANITARIAN_BANNED_SHARE: "banned by the text of the measures",
        Metric.HUMANITARIAN_EFFECTIVE_SHARE: "stops in fact, with payment denial and over-compliance",
    }
    found = [r for r in rows if r["metric"] in words]
    show.say("Humanitarian goods", indent=2)
    if not found:
        why = [n for n in notes if n.startswith("humanitarian")]
        for text in why or [NO_HUMANITARIAN]:
            show.say(text, indent=4)
        return
    columns = [
        show.Column("", [r["party"] for r in found], keep=True),
        show.Column("", [words[Metric(r["metric"])] for r in found]),
        *_band(found, "per cent of import value", 0.01),
    ]
    show.table(columns, indent=4)
    if dearer := [r for r in rows if r["metric"] == Metric.HUMANITARIAN_PRICE_CHANGE]:
        show.say("price of what the target imports of them, by sector, against world value added", indent=4)
        views = [show.Column("", [r["party"] for r in dearer], keep=True)]
        views.append(show.Column("model", [_in_words(_view(r)) for r in dearer]))
        show.table([*views, *_band(dearer, "change, per cent", 0.01)], indent=4)


def _extremes(rows: Sequence[Row], money: Scale, title: str, view: View) -> None:
    show.say(f"{title} ({_in_words(view)})", indent=2)
    if rows:
        losses(rows, money, by_party=True)
    else:
        show.say("none", indent=4)


def _view(row: Row) -> View:
    return row["model"], row["horizon"], row["channel"]


def _of(rows: Sequence[Row], party: str) -> list[Row]:
    return [r for r in rows if r["party"] == party]


def _order(parties: Sequence[str]) -> list[str]:
    return sorted(dict.fromkeys(parties), key=lambda p: (p not in _SUMS, p))


def _in_words(view: View) -> str:
    model, horizon, channel = view
    return beside.in_words(model, channel, horizon)


def _name(code: str) -> str:
    from weaponized_interdependence.harmonize.economies import name_of

    name = name_of(code)
    return "" if name == code else name


def _titled(party: str) -> str:
    if party in _SUMS:
        return _SUMS[party]
    return ", ".join(filter(None, (party, _name(party))))


def assumptions_table(assumptions: Sequence[Mapping[str, Any]]) -> None:
    """What was chosen or estimated, with bands; sources are numbered below, because they are long and often shared."""
    if not assumptions:
        return
    show.heading("Assumptions")
    bands = [show.numbers([a["low"], a["value"], a["high"]]) for a in assumptions]
    sources = list(dict.fromkeys(a["source"] for a in assumptions))
    show.table(
        [
            show.Column("what", [a["name"] for a in assumptions]),
            *(show.Column(name, [b[k] for b in bands], True) for k, name in enumerate(_HEADS)),
            show.Column("unit", [a["unit"] for a in assumptions]),
            show.Column("basis", [a["basis"] for a in assumptions], keep=True),
            show.Column("source", [f"[{sources.index(a['source']) + 1}]" for a in assumptions], keep=True),
        ]
    )
    show.pairs((f"[{number}]", source) for number, source in enumerate(sources, 1))


def inputs_table(inputs: Sequence[Mapping[str, Any]]) -> None:
    """What was read, with hashes."""
    show.heading("Inputs")
    show.table(
        [
            show.Column("what", [i["name"] for i in inputs], keep=True),
            show.Column("periods", [_span(i["periods"]) for i in inputs], keep=True),
            show.Column("rows", [f"{i['rows']:,}" for i in inputs], True),
            show.Column("sha256", [i["sha256"][:12] for i in inputs], keep=True),
            show.Column("file", [i["path"] or "(in memory)" for i in inputs], whole_words=True),
        ]
    )


def _span(periods: Sequence[str]) -> str:
    return periods[0] if len(periods) == 1 else f"{min(periods)} to {max(periods)}" if periods else ""

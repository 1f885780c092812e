"""`wi coalition`: what a coalition does to its target against what it could do, and what each member is worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson, option
from weaponized_interdependence.cli.completing import complete_flows, complete_scenario

if TYPE_CHECKING:
    import polars as pl

    from weaponized_interdependence.simulation.coalition_study import Study

_CASES = ("low", "value", "high")


def coalition(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO", help="a .toml file, a worked scenario, or -", autocompletion=complete_scenario
        ),
    ],
    table: Annotated[str, option(help="input-output table, a Parquet of `wi load`; or sample")],
    flows: Annotated[
        list[str] | None,
        option("--flows", help="HS flows that carry measures on products; repeat", autocompletion=complete_flows),
    ] = None,
    phase: Annotated[str | None, option("--phase", help="phase of the scenario; default the last")] = None,
    horizon: Annotated[str, option("--horizon", help="which trade elasticities: short, medium, long")] = "long",
    greedy: Annotated[
        bool, option("--greedy", help="also build a coalition one member at a time: greedy, not the best there is")
    ] = False,
    elasticities: Annotated[
        str | None, option(help="set of elasticities: a name or a file; default the scenario's")
    ] = None,
    changes: Annotated[
        list[str] | None, option("--set", help="change the scenario: measure.ID.share=0.5; repeat")
    ] = None,
    period: Annotated[str | None, option(help="period of the flows; default: the last before the scenario")] = None,
    out: Annotated[
        Path | None, option("-o", "--out", help="file to write (.parquet, .csv, .json ...), or - for stdout")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a coalition with wider and deeper ones, and say what each member adds, loses and should be paid.

    General equilibrium on an input-output table: full employment, so results are for the long run.
    """
    from weaponized_interdependence import exports
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.arguments import pairs_of, refuse_same, try_output
    from weaponized_interdependence.cli.simulate import changed
    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.scenario import load_scenario

    if as_json and str(out) == "-":
        raise UsageError("--json and -o - both want stdout", mend="choose one")
    if out is not None:
        out = try_output(out, stdout=True)
        refuse_same(out, (table, *(flows or ())))
    loaded = load_scenario(scenario)
    if settings := pairs_of(changes or (), "--set", keep_dashes=True):
        loaded = changed(loaded, settings)
    with show.working(f"solving coalitions of {loaded.name}"):
        study = _study(loaded, table, flows or [], phase, horizon, elasticities, period, greedy)
    if out is not None:
        exports.write(study.rows, out, metadata=_metadata(study))
    if as_json:
        show.json_document(document(study))
    elif str(out) != "-":
        screen(study)
        if out is not None:
            show.heading("Wrote")
            show.pairs([(str(out), f"{show.count(study.rows.height, 'row')}, {show.size(out.stat().st_size)}")])


def _study(
    loaded: Any,
    table: str,
    flows: list[str],
    phase: str | None,
    horizon: str,
    elasticities: str | None,
    period: str | None,
    greedy: bool,
) -> "Study":
    from weaponized_interdependence.cli.arguments import is_sample, open_flows, open_table
    from weaponized_interdependence.simulation.coalition_study import coalition_study

    given: list[Any] = [open_flows(n).frame.collect() if n == "-" or is_sample(n) else n for n in flows]
    return coalition_study(
        loaded,
        open_table(table)[0] if is_sample(table) else table,
        flows=given or None,
        phase=phase,
        horizon=horizon,
        elasticities=elasticities,
        period=period,
        greedy=greedy,
    )


def document(study: "Study") -> dict[str, Any]:
    """The study as one JSON document."""
    return {
        "scenario": {"name": study.scenario.name, "title": study.scenario.title, "date": study.scenario.date},
        "phase": study.phase,
        "horizon": study.horizon,
        "target": study.target,
        "coalition": study.coalition,
        "rows": study.rows,
        "without_equilibrium": {
            r[key]: r["why"]
            for key, frame in (("benchmark", study.benchmarks["value"]), ("member", study.members["value"]))
            for r in frame.to_dicts()
            if r["why"]
        },
        "greedy": None if study.greedy is None else {"goal": study.greedy.goal, "stopped": study.greedy.stopped},
        "basis": study.basis,
        "inputs": study.inputs,
        "notes": study.notes,
    }


def _metadata(study: "Study") -> dict[str, str]:
    import json

    from weaponized_interdependence import __version__

    return {
        "tool": f"weaponized_interdependence {__version__}",
        "scenario": study.scenario.name,
        "phase": study.phase,
        "horizon": study.horizon,
        "inputs": json.dumps([{"path": str(i.path), "sha256": i.sha256} for i in study.inputs]),
        "notes": json.dumps(list(study.notes), ensure_ascii=False),
    }


def screen(study: "Study") -> None:
    """Who, whom and when; then benchmarks, members, transfers and the greedy coalition; then what it rests on."""
    from weaponized_interdependence.cli import show

    show.say(f"{study.scenario.title} ({study.scenario.name})", "bold")
    show.pairs(
        [
            ("coalition", ", ".join(study.coalition)),
            ("target", ", ".join(study.target)),
            ("phase", study.phase),
            ("horizon", f"{study.horizon} (trade elasticities)"),
        ]
    )
    show.say("Losses are positive, gains negative; low and high are corners of elasticities and shares.", indent=2)
    _benchmarks(study)
    _members(study)
    _transfers(study)
    _greedy(study)
    show.say()
    show.basis_lines(study.rows["basis"])
    show.heading("Notes")
    show.bullets(study.notes)


def _band(study: "Study", part: str, names: list[str], metric: str, group: str, divisor: float) -> list[Any]:
    """Low, central and high of one metric, with one number of decimals."""
    from weaponized_interdependence.cli import show

    rows = {r["name"]: r for r in study.rows.filter(part=part, metric=metric).to_dicts()}
    cells = show.numbers([rows[name][case] for case in _CASES for name in names], divisor)
    heads = ("low", "central", "high")
    return [
        show.Column(head, cells[k * len(names) : (k + 1) * len(names)], True, group=group)
        for k, head in enumerate(heads)
    ]


def _benchmarks(study: "Study") -> None:
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.terms import Benchmark

    frame = study.benchmarks["value"]
    names = frame["benchmark"].to_list()
    divisor, unit = show.scale([*frame["target_loss"], *frame["coalition_loss"]], study.unit)
    show.heading("What the target loses, against what it could be made to lose")
    show.table(
        [
            show.Column("", names, keep=True),
            *_band(study, "benchmarks", names, "target_loss_share", "target, per cent of income", 0.01),
            show.Column(f"target {unit}", show.numbers(frame["target_loss"].to_list(), divisor), True),
            show.Column(f"coalition {unit}", show.numbers(frame["coalition_loss"].to_list(), divisor), True),
            show.Column(f"others {unit}", show.numbers(frame["others_loss"].to_list(), divisor), True),
            show.Column("payoff", show.numbers(frame["payoff"].to_list()), True),
            show.Column("realised, per cent", show.numbers(frame["realised"].to_list(), 0.01), True),
        ]
    )
    show.pairs((b.value, b.meaning) for b in Benchmark)
    show.say(f"payoff: {study.unit} the target loses for each {study.unit} lost by all who lay the measures", indent=2)
    show.say("realised: loss under actual, of the loss under the benchmark", indent=2)
    for row in frame.filter(frame["why"].is_not_null()).to_dicts():
        show.say(f"{row['benchmark']}: no equilibrium: {row['why']}", "yellow", indent=2)


def _members(study: "Study") -> None:
    from weaponized_interdependence.cli import show

    frame = study.members["value"].sort("multilateral", descending=True, nulls_last=True)
    names = frame["member"].to_list()
    show.heading("What each member adds to the target's loss, and loses itself")
    show.table(
        [
            show.Column("", names, keep=True),
            *_band(study, "members", names, "multilateral_share", "adds, per cent of target's income", 0.01),
            show.Column("alone, per cent", show.numbers(frame["unilateral_share"].to_list(), 0.01), True),
            show.Column("own loss, per cent", show.numbers(frame["own_loss_share"].to_list(), 0.01), True),
            show.Column("payoff alone", show.numbers(frame["payoff_alone"].to_list()), True),
        ]
    )
    show.say(f"payoff: {study.unit} the target loses for each {study.unit} the member loses, acting alone", indent=2)
    for row in frame.filter(frame["why"].is_not_null()).to_dicts():
        show.say(f"{row['member']}: no equilibrium {row['why']}", "yellow", indent=2)
    if (frame["alone_loss"] <= 0).any():
        show.say(f"{show.NOT_DEFINED}: not defined, because the member does not lose", indent=2)
    burden = "not defined, because a member gains" if study.gini is None else f"{study.gini:.2f}"
    show.say(f"inequality of the burden (Gini of the members' losses, per cent of income): {burden}", indent=2)


def _transfers(study: "Study") -> None:
    from weaponized_interdependence.cli import show

    if study.transfers is None:
        return
    found = study.transfers
    frame: pl.DataFrame = found.rows.sort("transfer", descending=True)
    divisor, unit = show.scale(frame["transfer"].to_list(), study.unit)
    show.heading("Transfers after which every member loses the same share of income")
    show.table(
        [
            show.Column("", frame["member"].to_list(), keep=True),
            show.Column(f"receives {unit}", show.numbers(frame["transfer"].to_list(), divisor), True),
            show.Column("loss before, per cent", show.numbers(frame["loss_share_before"].to_list(), 0.01), True),
            show.Column("loss after, per cent", show.numbers(frame["loss_share_after"].to_list(), 0.01), True),
        ]
    )


def _greedy(study: "Study") -> None:
    from weaponized_interdependence.cli import show

    if study.greedy is None:
        return
    frame = study.greedy.steps
    divisor, unit = show.scale(frame["target_loss"].to_list(), study.unit)
    show.heading("A coalition built greedily, one member at a time: not the best there is")
    show.table(
        [
            show.Column("", [str(step) for step in frame["step"]], True),
            show.Column("joins", frame["member"].to_list(), keep=True),
            show.Column("target, per cent", show.numbers(frame["target_loss_share"].to_list(), 0.01), True),
            show.Column(f"target {unit}", show.numbers(frame["target_loss"].to_list(), divisor), True),
            show.Column(f"coalition {unit}", show.numbers(frame["coalition_loss"].to_list(), divisor), True),
            show.Column("payoff", show.numbers(frame["payoff"].to_list()), True),
        ]
    )
    if frame["payoff"].null_count():
        show.say(f"{show.NOT_DEFINED}: not defined, because the coalition does not lose", indent=2)
    show.say(f"goal {show.money(study.greedy.goal, study.unit)}; stopped: {study.greedy.stopped}", indent=2)

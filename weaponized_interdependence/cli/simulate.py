"""`wi simulate` and `wi runs`: pressure, collateral and third-party cost of a scenario, and the runs kept of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson, option
from weaponized_interdependence.cli.completing import (
    complete_flows,
    complete_horizon,
    complete_model,
    complete_scenario,
)

if TYPE_CHECKING:
    import polars as pl

    from weaponized_interdependence.scenario import Scenario
    from weaponized_interdependence.simulation.simulate import Result

runs = typer.Typer(help="Runs that `wi simulate -o` kept.", no_args_is_help=True, rich_markup_mode=None)

Most = Annotated[int, option("--most", min=1, help="how many members, losers and gainers to list")]
PhaseName = Annotated[str | None, option("--phase", help="phase to show; default the last with measures in force")]


def simulate(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO", help="a .toml file, a worked scenario, or -", autocompletion=complete_scenario
        ),
    ],
    flows: Annotated[
        list[str] | None,
        option(
            "--flows",
            help="FLOWS file, sample:PART, or - (CSV); repeat for several layers",
            autocompletion=complete_flows,
        ),
    ] = None,
    table: Annotated[str | None, option(help="input-output table, a Parquet of `wi load`; or sample")] = None,
    macro: Annotated[
        Path | None, option(help="MACRO file with gdp; default: the published figures that come along")
    ] = None,
    elasticities: Annotated[
        str | None, option(help="set of elasticities: a name or a file; default the scenario's")
    ] = None,
    model: Annotated[
        list[str] | None,
        option("--model", help="model to run; repeat; default all whose input is there", autocompletion=complete_model),
    ] = None,
    horizon: Annotated[
        list[str] | None,
        option("--horizon", help="short, medium or long; repeat; default all", autocompletion=complete_horizon),
    ] = None,
    changes: Annotated[
        list[str] | None,
        option("--set", help="change the scenario: assumptions.over_compliance=0.1, measure.ID.share=0.5; repeat"),
    ] = None,
    period: Annotated[
        str | None, option(help="period of the flows; default: the last before the scenario's date")
    ] = None,
    step: Annotated[
        int | None, option("--step", min=1, help="days of a step of models that follow time; default 7")
    ] = None,
    draws: Annotated[
        int | None,
        option("--draws", min=0, help="draws of what equilibrium assumes; default 64, at most 65,536; 0: corners"),
    ] = None,
    seed: Annotated[int, option("--seed", min=0, help="of the draws")] = 0,
    sensitivity: Annotated[bool, option("--sensitivity", help="which assumption moves the answer (slow)")] = False,
    out: Annotated[Path | None, option("-o", "--out", help="run folder to write")] = None,
    overwrite: Annotated[bool, option("--overwrite", help="replace the run that is there")] = False,
    phase: PhaseName = None,
    most: Most = 5,
    as_json: AsJson = False,
) -> None:
    """Simulate a scenario: what the target, the senders and everyone else lose or gain.

    Without --flows and --table the embedded default is used, most of which is estimated: for trying, not for citing.
    """
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.arguments import pairs_of
    from weaponized_interdependence.cli.panels import screen
    from weaponized_interdependence.errors import Checks
    from weaponized_interdependence.scenario import load_scenario
    from weaponized_interdependence.simulation.request import requested

    loaded = load_scenario(scenario)
    request: dict[str, Any] = {
        "models": model or None,
        "horizons": horizon or None,
        "elasticities": elasticities,
        "step": step,
        "draws": draws,
        "seed": seed,
        "sensitivity": sensitivity,
    }
    checks = Checks("this cannot be simulated as asked")
    with checks:
        if settings := pairs_of(changes or (), "--set", keep_dashes=True):
            loaded = changed(loaded, settings)
    with checks:
        has_flows, has_table = what_is_given(loaded, flows, table)
        requested(loaded, flows=has_flows, table=has_table, **request)
    with checks:
        shown_phase = the_phase(loaded, phase)
    with checks:
        out = run_folder(out, overwrite)
    checks.done()
    with show.working(f"simulating {loaded.name}"):
        result = run(loaded, flows, table, macro=macro, period=period, **request)
        written = keep(result, out, overwrite) if out is not None else None
    if as_json:
        show.json_document(document(result, written))
        return
    screen(
        loaded,
        result.impacts,
        result.shock,
        about(result),
        phase=shown_phase,
        most=most,
        paths=result.paths,
        sensitivity=result.sensitivity,
    )
    if written is None:
        show.note("nothing was kept: add -o RUN/ to write the run")
    else:
        show.heading("Wrote")
        show.pairs((str(out / f.name), show.size(f.stat().st_size)) for f in sorted(written.iterdir()) if out)


def changed(loaded: "Scenario", settings: Mapping[str, str]) -> "Scenario":
    """The scenario with --set applied. It was good before, so whatever is wrong now is wrong on the command line."""
    from weaponized_interdependence.errors import ScenarioError, UsageError
    from weaponized_interdependence.scenario import scenario_overrides

    try:
        return scenario_overrides(loaded, settings)
    except ScenarioError as error:
        raise UsageError(error.message, where=error.where, mend=error.mend, faults=error.faults) from error


def what_is_given(loaded: "Scenario", flows: Sequence[str] | None, table: str | None) -> tuple[bool, bool]:
    """Whether there are flows, and whether there is a table; without either the embedded default gives them."""
    from weaponized_interdependence.sample import load_sample

    if flows or table is not None:
        return bool(flows), table is not None
    return True, not only_crude_oil(loaded, load_sample().crude_oil)


def run(loaded: "Scenario", flows: Sequence[str] | None, table: str | None, **rest: Any) -> "Result":
    """Give the simulation what the command line names: files by path (it stamps them), the rest as frames."""
    from weaponized_interdependence.cli.arguments import is_sample, open_flows, open_table
    from weaponized_interdependence.simulation.simulate import simulate as simulate_scenario

    if not flows and table is None:
        return on_sample(loaded, **rest)
    read = {n: open_flows(n).frame.collect() for n in flows or () if n == "-" or is_sample(n)}
    frames: list[Any] = [read.get(n, n) for n in flows or ()]
    chosen: Any = open_table(table)[0] if table is not None and is_sample(table) else table
    result = simulate_scenario(loaded, flows=frames or None, table=chosen, **rest)
    warn_of_idle_flows({n: read[n].lazy() if n in read else open_flows(n).frame for n in flows or ()}, result)
    names = ["stdin" if n == "-" else n for n in flows or () if n in read]
    return named(result, [*names, *(["sample table"] if chosen is not table else [])])


def warn_of_idle_flows(frames: Mapping[str, "pl.LazyFrame"], result: "Result") -> None:
    """Say which --flows gave nothing: their layer is of another period than the one used, or no measure touches it."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.standing import TABLE

    touched = set(result.shock["layer"])
    used = {layer: period for layer, period in result.periods.items() if layer != TABLE}
    for name, frame in frames.items():
        held = frame.select("layer", "period").unique().sort("layer", "period").collect(engine="streaming").rows()
        layers = dict.fromkeys(layer for layer, period in held if used.get(layer) == period)
        if not layers:
            there = ", ".join(f"{layer} {period}" for layer, period in held) or "nothing"
            taken = ", ".join(f"{layer} {period}" for layer, period in used.items())
            show.warn(f"--flows {name} gives no row: it holds {there}; used are {taken}")
        elif not touched & set(layers):
            show.warn(f"--flows {name}: no measure touches any of its flows ({', '.join(layers)})")


def named(result: "Result", names: Sequence[str]) -> "Result":
    """The result with names for the inputs that had no path: those given as frames, in the order given."""
    left = list(names)
    inputs = (i if i.path or not left else replace(i, path=left.pop(0)) for i in result.inputs)
    return replace(result, inputs=tuple(inputs))


def on_sample(loaded: "Scenario", *, warn: bool = True, **rest: Any) -> "Result":
    """The scenario on the part of the embedded default that fits it, and a warning that says which."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.sample import load_sample
    from weaponized_interdependence.simulation.simulate import simulate as simulate_scenario

    sample = load_sample()
    if only_crude_oil(loaded, sample.crude_oil):
        given: dict[str, Any] = {"flows": [sample.crude_oil, sample.claims]}
        names = ["sample:crude_oil", "sample:claims"]
        said = "crude-oil trade of 2021 and claims of end-2022 (observed); other goods are not in it"
    else:
        given = {"flows": [sample.flows, sample.claims], "table": sample.table}
        names = ["sample:world", "sample:claims", "sample table"]
        said = (
            "world of 2015, whose trade and input-output cells are ESTIMATED, not observed: for trying, not for citing"
        )
    if warn:
        show.warn(f"no --flows given: using the embedded {said}. Your own data: wi load")
    if rest.get("macro") is None:
        rest["macro"] = sample.macro
        names.append("sample macro")
    return named(simulate_scenario(loaded, **given, **rest), names)


def only_crude_oil(loaded: "Scenario", crude_oil: "pl.DataFrame") -> bool:
    """Whether every measure of the scenario names items, and each meets the embedded crude-oil trade."""
    from weaponized_interdependence.harmonize.products import item_matches

    items = crude_oil["item"].unique()
    return all(m.items and item_matches(items, m.items).any() for m in loaded.measures)


def the_phase(loaded: "Scenario", name: str | None) -> str:
    """The phase to show: the one named, else the last in which something is in force."""
    from weaponized_interdependence.errors import UsageError

    names = [p.name for p in loaded.phase_list()]
    if name is None:
        return max((p for p in loaded.phase_list() if p.measures), key=lambda p: p.start).name
    if name not in names:
        raise UsageError(f"scenario {loaded.name} has no phase {name!r}", mend=f"choose one of {', '.join(names)}")
    return name


def run_folder(out: Path | None, overwrite: bool) -> Path | None:
    """The folder to write to, a link resolved; raises now what writing the run would raise after the work."""
    from weaponized_interdependence.cli.arguments import try_folder
    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.runs import MANIFEST

    if out is None:
        return None
    out = out.resolve() if out.is_symlink() else out
    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already", mend="choose another folder, or say --overwrite")
    if out.exists() and not (out / MANIFEST).is_file():
        raise UsageError(f"{out} is not a run and will not be replaced", mend="choose another folder")
    try_folder(next(p for p in out.absolute().parents if p.exists()), out.name)
    return out


def keep(result: "Result", out: Path, overwrite: bool) -> Path:
    """Write the run; the folders above it are made."""
    from weaponized_interdependence.runs import write_run

    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    return write_run(result, out, overwrite=overwrite)


def about(result: "Result") -> dict[str, Any]:
    """What a result rests on, in the words of a run's manifest."""
    return {
        "models": list(result.models),
        "inputs": [asdict(i) for i in result.inputs],
        "periods": dict(result.periods),
        "assumptions": [asdict(a) for a in result.assumptions],
        "notes": list(result.notes),
    }


def document(result: "Result", written: Path | None) -> dict[str, Any]:
    """The result as one JSON document."""
    from weaponized_interdependence.assessment import side_by_side
    from weaponized_interdependence.assessment.panels import panels, panels_as_json
    from weaponized_interdependence.cli.standing import absent

    return {
        "scenario": {"name": result.scenario.name, "title": result.scenario.title, "date": result.scenario.date},
        **panels_as_json(panels(result.impacts, result.scenario)),
        **side_by_side.as_json(result.impacts, result.scenario),
        "paths": headline_paths(result.paths, result.scenario),
        "sensitivity": result.sensitivity,
        **about(result),
        "not_in_the_data": absent(about(result)),
        "run": written,
    }


def headline_paths(paths: "pl.DataFrame", scenario: "Scenario") -> "pl.DataFrame":
    """The paths of targets and of sums over parties; all others are in paths.parquet of a run."""
    import polars as pl

    kept = [*scenario.targets(), "TARGETS", "COALITION", "THIRD_PARTIES", "WORLD"]
    return paths.filter(pl.col("party").is_in(kept))


@runs.command("list")
def list_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="where runs were written")] = Path("."),
    as_json: AsJson = False,
) -> None:
    """List the complete runs in a folder, newest first."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.errors import InputError
    from weaponized_interdependence.runs import list_runs

    if not folder.is_dir():
        raise InputError("is not a folder", where=str(folder), mend="name the folder that holds the runs")
    rows = list_runs(folder).to_dicts()
    if as_json:
        show.json_document({"folder": folder, "runs": rows})
        return
    if not rows:
        show.note(f"no complete run in {folder}")
        return
    show.table(
        [
            show.Column("run", [r["run"] for r in rows], keep=True),
            show.Column("scenario", [r["scenario"] for r in rows], keep=True),
            show.Column("finished (UTC)", [r["finished"][:19].replace("T", " ") for r in rows], keep=True),
            show.Column("models", [r["models"] for r in rows]),
            show.Column("size", [show.size(r["bytes"]) for r in rows], True),
        ],
        indent=0,
    )


@runs.command("show")
def show_command(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run")],
    phase: PhaseName = None,
    most: Most = 5,
    as_json: AsJson = False,
) -> None:
    """Show a run again, after checking that none of its files changed since it was written."""
    from weaponized_interdependence.assessment import side_by_side
    from weaponized_interdependence.assessment.panels import panels, panels_as_json
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.panels import screen
    from weaponized_interdependence.cli.standing import absent
    from weaponized_interdependence.runs import read_run

    kept = read_run(folder)
    if as_json:
        shown: Mapping[str, Any] = panels_as_json(panels(kept.impacts, kept.scenario))
        missing = absent(kept.manifest)
        more = {
            **side_by_side.as_json(kept.impacts, kept.scenario),
            "paths": headline_paths(kept.paths, kept.scenario),
            "sensitivity": kept.sensitivity,
        }
        show.json_document({"run": folder, "manifest": kept.manifest, "not_in_the_data": missing, **shown, **more})
        return
    show.note(f"run of {kept.manifest['finished'][:19].replace('T', ' ')} UTC, every file as it was written")
    screen(
        kept.scenario,
        kept.impacts,
        kept.shock,
        dict(kept.manifest),
        phase=the_phase(kept.scenario, phase),
        most=most,
        paths=kept.paths,
        sensitivity=kept.sensitivity,
    )

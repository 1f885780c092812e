"""`wi demo`: the whole road on the embedded default, in seconds once the loops are compiled."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from weaponized_interdependence.cli.arguments import AsJson, option
from weaponized_interdependence.cli.completing import complete_scenario

if TYPE_CHECKING:
    import polars as pl

    from weaponized_interdependence.sample import Sample
    from weaponized_interdependence.scenario import Scenario
    from weaponized_interdependence.simulation.simulate import Result

Rankings = dict[Path, tuple["pl.DataFrame", tuple[str, ...]]]  # file -> its scores and indicators

SCENARIO = "oil_embargo_russia"
TOP = 8


def demo(
    out: Annotated[
        Path, option("--out", "-o", help="folder to write to; what an earlier demo left there is replaced")
    ] = Path("wi-demo"),
    scenario: Annotated[str, option(help="worked scenario to simulate", autocompletion=complete_scenario)] = SCENARIO,
    as_json: AsJson = False,
) -> None:
    """Run the main job on the embedded default: rank, simulate, write Parquet."""
    import shlex
    import time

    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.simulate import document
    from weaponized_interdependence.scenario import load_scenario

    began = time.monotonic()
    loaded = load_scenario(scenario)
    make_folder(out)
    with show.working("loading the embedded default"):
        from weaponized_interdependence.sample import load_sample

        sample = load_sample()
    with show.working("ranking"):
        rankings = rank_sample(sample, out)
    with show.working("simulating"):
        result, written = simulate_sample(loaded, out)
    if as_json:
        scores = {str(path): ranking for path, (ranking, _) in rankings.items()}
        show.json_document({"rankings": scores, **document(result, written)})
        return
    screen(rankings, result)
    show.heading("Wrote")
    show.bullets(str(path) for path in [*rankings, written])
    show.note(f"{time.monotonic() - began:.1f} s. Assumptions, notes and limits:")
    show.command(f"wi runs show {shlex.quote(str(written))}")


def screen(rankings: Rankings, result: "Result") -> None:
    """What the embedded default is, the two rankings, the three panels."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.panels import screen as panels_screen
    from weaponized_interdependence.cli.ranking import screen as ranking_screen
    from weaponized_interdependence.cli.simulate import about, the_phase

    opening()
    for scores, names in rankings.values():
        ranking_screen(scores, names, TOP, brief=True)
        show.say()
    phase = the_phase(result.scenario, None)
    panels_screen(
        result.scenario,
        result.impacts,
        result.shock,
        about(result),
        phase=phase,
        most=5,
        paths=result.paths,
        brief=True,
    )


def make_folder(out: Path) -> None:
    """Make the demo's folder, or say why it cannot be."""
    from weaponized_interdependence.cli.arguments import try_folder
    from weaponized_interdependence.errors import OutputError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {out}: {error.strerror}", mend="choose another folder with --out") from error
    try_folder(out)


# file -> part of the sample, indicators, targets
RANKINGS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "crude_oil_chokepoints.parquet": ("crude_oil", ("chokepoint",), ("EU", "CHN", "IND", "JPN")),
    "claims_panopticon.parquet": ("claims", ("panopticon", "panopticon_extraterritorial"), ()),
}


def rank_sample(sample: "Sample", out: Path) -> Rankings:
    """Rank the two observed networks and write the scores."""
    from weaponized_interdependence.exports import write
    from weaponized_interdependence.indicators.rank import rank, ranking_metadata
    from weaponized_interdependence.schemas import SCORES

    made = {}
    for file, (part, names, target) in RANKINGS.items():
        flows = getattr(sample, part)
        scores = rank(flows, names, target=target)
        options = {"names": f"sample:{part} (embedded default)", "target": target}
        about = ranking_metadata(names, flows=flows, options=options, scores=scores)
        write(scores, out / file, table=SCORES, metadata=about)
        made[out / file] = (scores, names)
    return made


def simulate_sample(loaded: "Scenario", out: Path) -> tuple["Result", Path]:
    """Simulate one worked scenario on the embedded default and keep the run."""
    from weaponized_interdependence.cli.simulate import on_sample
    from weaponized_interdependence.runs import write_run

    result = on_sample(loaded, warn=False)
    folder = out / f"run-{loaded.name}"
    write_run(result, folder, overwrite=True)
    return result, folder


def opening() -> None:
    """What the embedded default is, before any number of it."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.sample import ESTIMATE_NOTE, sources

    told = sources()
    show.say("The embedded default (licences: data/sample/SOURCES.toml)", "bold")
    for name in ("crude_oil_2021", "claims_2022q4"):
        file = told["file"][name]
        publisher = told["source"][file["source"]]["publisher"].partition(";")[0]
        show.say(f"{file['title']} ({file['basis']}): {publisher}", indent=2)
    show.say(f"World of 52 regions, 2015: {ESTIMATE_NOTE}", "yellow", indent=2)
    show.say()

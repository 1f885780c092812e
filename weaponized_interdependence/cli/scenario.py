"""`wi scenario`: write, check, list and show the files that say who coerces whom, with what, when."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson, option
from weaponized_interdependence.cli.completing import complete_kind, complete_scenario

if TYPE_CHECKING:
    from weaponized_interdependence.scenario import Phase, Scenario

scenario = typer.Typer(
    help="Scenario files: who coerces whom, with what, when.", no_args_is_help=True, rich_markup_mode=None
)

ScenarioName = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="a .toml file, the name of a worked scenario, or - for stdin",
        autocompletion=complete_scenario,
    ),
]


@scenario.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="small letters, digits, underscores")],
    coalition: Annotated[
        list[str] | None, option("--coalition", "-c", help="sender: ISO3, name or group; repeat")
    ] = None,
    target: Annotated[list[str] | None, option("--target", "-t", help="target: ISO3, name or group; repeat")] = None,
    kind: Annotated[
        str, option(help="kind of the first measure; `wi scenario kinds` lists them", autocompletion=complete_kind)
    ] = "import_ban",
    title: Annotated[str, option(help="one line that a reader sees")] = "",
    out: Annotated[Path | None, option("-o", "--out", help="file to write; default stdout")] = None,
    overwrite: Annotated[bool, option("--overwrite", help="replace the file if it is there")] = False,
) -> None:
    """Write a commented scenario file to start from."""
    import shlex
    import sys

    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.arguments import try_output
    from weaponized_interdependence.errors import OutputError
    from weaponized_interdependence.exports import atomic
    from weaponized_interdependence.scenario import new_scenario

    try_name(name)
    to_file = out is not None and str(out) != "-"
    if out is not None and to_file:
        out = try_output(out, (".toml",))
        if out.exists() and not overwrite:
            raise OutputError(f"{out} is there already", mend="choose another name, or add --overwrite")
    parties: dict[str, Any] = {k: tuple(v) for k, v in (("coalition", coalition), ("target", target)) if v}
    text = new_scenario(name, title=title, kind=kind, **parties)
    if out is None or not to_file:
        sys.stdout.write(text)
        return
    with atomic(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    show.say(f"wrote {out}")
    show.note("edit it, then:")
    for line in (f"wi scenario check {shlex.quote(str(out))}", f"wi simulate {shlex.quote(str(out))} -o run/"):
        show.command(line)


def try_name(name: str) -> None:
    """Raise UsageError where NAME cannot be the name of a scenario: there is no file yet that the fault could be in."""
    import re

    from pydantic import TypeAdapter, ValidationError

    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.scenario.parts import Name

    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        better = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")
        say = f"for example {better}" if better and len(better) <= 60 else "at most 80 of them"
        raise UsageError(
            f"NAME {name!r} is not a short name", mend=f"use small letters, digits and underscores, {say}"
        ) from error


@scenario.command()
def check(
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO...", help="files or names", autocompletion=complete_scenario)
    ],
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong with scenario files, each fault with its line. Exit code 1 if anything is."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.failing import complain
    from weaponized_interdependence.scenario import check_scenario

    found = {name: check_scenario(name) for name in scenarios}
    wrong = sum(1 for faults in found.values() if faults)
    if as_json:
        show.json_document({"scenarios": [{"scenario": n, "ok": not f, "faults": f} for n, f in found.items()]})
    else:
        for name, faults in found.items():
            if not faults:
                show.say(f"{name}: good")
                continue
            said = "\n".join(f"  - {fault}" for fault in faults)
            complain(f"{name}: {show.count(len(faults), 'fault')}\n{said}")
    if wrong:
        raise typer.Exit(1)


@scenario.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List the worked scenarios."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.scenario import list_scenarios

    rows = list_scenarios().to_dicts()
    held = embedded()
    for row in rows:
        row["needs"], row["on_embedded_default"] = needs_of(row["file"], held)
    if as_json:
        show.json_document({"scenarios": rows})
        return
    show.table(
        [
            show.Column("name", [r["name"] for r in rows], keep=True),
            show.Column("date", [str(r["date"]) for r in rows], keep=True),
            show.Column("senders", [str(r["senders"]) for r in rows], True),
            show.Column("target", [r["target"] for r in rows]),
            show.Column("needs", [r["needs"] + ("" if r["on_embedded_default"] else " *") for r in rows], keep=True),
            show.Column("title", [r["title"] for r in rows]),
        ],
        indent=0,
    )
    if not all(r["on_embedded_default"] for r in rows):
        show.note("* the embedded default has no such data as early as the scenario: give your own with --flows")
    show.note("one of them: wi scenario show NAME; run it: wi simulate NAME -o run/")


Held = dict[str, date]  # layer -> first day of its earliest period


def embedded() -> Held:
    """The layers of the embedded default, and how early each begins."""
    from weaponized_interdependence.periods import first_day
    from weaponized_interdependence.sample import load_sample

    sample = load_sample()
    held: Held = {}
    for flows in (sample.flows, sample.claims):
        for layer, period in flows.select("layer", "period").unique().iter_rows():
            held[layer] = min(first_day(period), held.get(layer, first_day(period)))
    return held


def needs_of(file: str, held: Held) -> tuple[str, bool]:
    """What kind of data the measures of a scenario act on, and whether the embedded default has any of it in time."""
    from weaponized_interdependence.scenario import load_scenario
    from weaponized_interdependence.terms import Layer

    loaded = load_scenario(file)
    layers = {layer for measure in loaded.measures for layer in measure.affected_layers}
    if any(measure.trade_share is not None for measure in loaded.measures):
        layers |= {Layer.GOODS, Layer.SERVICES}  # what is sold and cannot be paid for stops too
    # Payments travel between banks as claims stand between them: where a measure acts on both, either will do.
    kinds = {
        "trade": {Layer.GOODS, Layer.SERVICES, Layer.INPUTS},
        "claims": {Layer.CLAIMS},
        "payments": {Layer.PAYMENTS} if Layer.CLAIMS not in layers else set(),
    }
    in_time = any(layer in held and held[layer] <= loaded.date for layer in layers)
    return " or ".join(kind for kind, mine in kinds.items() if mine & layers), in_time


@scenario.command("show")
def show_command(
    name: ScenarioName,
    toml: Annotated[bool, option("--toml", help="as a scenario file, to copy and edit")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a scenario: parties, measures, phases, exemptions, assumptions, sources."""
    import sys

    from weaponized_interdependence.cli import show
    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.scenario import load_scenario, scenario_text

    if toml and as_json:
        raise UsageError("--toml and --json exclude each other", mend="choose one")
    loaded = load_scenario(name)
    if as_json:
        show.json_document(loaded.model_dump(mode="json"))
    elif toml:
        sys.stdout.write(_text_of(name) or scenario_text(loaded))
    else:
        screen(loaded)


def _text_of(name: str) -> str:
    """The file itself, so that its comments are not lost."""
    from weaponized_interdependence.scenario import scenario_path

    return "" if name == "-" else scenario_path(name).read_text(encoding="utf-8")


@scenario.command()
def schema(
    out: Annotated[Path | None, option("-o", "--out", help="file to write; default stdout")] = None,
) -> None:
    """Print the JSON Schema of scenario files, for editors that check while you write."""
    import json
    import sys

    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.arguments import try_output
    from weaponized_interdependence.exports import atomic
    from weaponized_interdependence.scenario import scenario_schema

    if out is not None and str(out) != "-":
        out = try_output(out, (".json",))
    text = json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"
    if out is None or str(out) == "-":
        sys.stdout.write(text)
        return
    with atomic(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    show.say(f"wrote {out}")


@scenario.command()
def kinds(as_json: AsJson = False) -> None:
    """List the kinds of measure, and the keys each takes."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.scenario import KINDS

    common = ("id", "kind", "title", "layers", "overlaps", "note", "source")
    rows: list[dict[str, Any]] = [
        {"kind": str(k), "meaning": k.meaning, "required": list(r.required), "optional": list(r.optional)}
        for k, r in KINDS.items()
    ]
    if as_json:
        show.json_document({"kinds": rows, "keys_of_every_kind": list(common)})
        return
    for row in rows:
        show.say(row["kind"], "bold")
        show.say(row["meaning"], indent=2)
        needed = ", ".join(row["required"])
        show.pairs([("must have", needed), ("may have", ", ".join(row["optional"]))])
    show.note(f"every kind also takes {', '.join(common)}")


def screen(loaded: "Scenario") -> None:
    """A scenario as a page."""
    from weaponized_interdependence.cli import show

    show.say(f"{loaded.title} ({loaded.name})", "bold")
    if loaded.description.strip():
        show.say(" ".join(loaded.description.split()), indent=2)
    senders, targets = loaded.senders(), loaded.targets()
    show.heading("Parties")
    show.pairs(
        [
            ("coalition", ", ".join(loaded.coalition)),
            (f"  on {loaded.date}", f"{show.count(len(senders), 'economy', 'economies')}: {', '.join(senders)}"),
            ("target", ", ".join(loaded.target)),
            ("", ", ".join(targets) if targets != loaded.target else ""),
        ]
    )
    show.heading("Measures")
    for measure in loaded.measures:
        title = f": {measure.title}" if measure.title else ""
        show.say(f"{measure.id} ({measure.kind}){title}", indent=2)
        skip = ("id", "kind", "title")
        said = measure.model_dump(mode="json", exclude_unset=True).items()
        show.pairs([(key, _said(value)) for key, value in said if key not in skip], indent=4)
    show.heading("Phases")
    phases = loaded.phase_list()
    show.table(
        [
            show.Column("from", [str(p.start) for p in phases], keep=True),
            show.Column("phase", [p.name for p in phases], keep=True),
            show.Column("in force", [_in_force(loaded, p) for p in phases]),
            show.Column("note", [p.note for p in phases]),
        ]
    )
    show.heading("Exemptions")
    exempt = ["goods on the humanitarian list"] if loaded.humanitarian_exemption else []
    named = [e.model_dump(mode="json", exclude_unset=True) for e in loaded.exemptions]
    exempt += ["; ".join(f"{key} {_said(value)}" for key, value in e.items()) for e in named]
    show.bullets(exempt or ["none: the humanitarian exemption is switched off"])
    show.heading("Assumptions (chosen, not known)")
    show.pairs((k.replace("_", " "), _said(v)) for k, v in loaded.assumptions.model_dump(mode="json").items())
    context = [(k.replace("_", " "), getattr(loaded, k)) for k in ("objective", "legal_basis", "mandate", "off_ramp")]
    if any(text for _, text in context):
        show.heading("Context (given by the author, not computed)")
        show.pairs(context)
    if loaded.sources:
        show.heading("Sources")
        show.bullets(loaded.sources)


def _in_force(loaded: "Scenario", phase: "Phase") -> str:
    """The measures of a phase, and from the second phase on what becomes of those before."""
    change = str(loaded.change_of(phase)).replace("_", " ")
    first = phase.name == loaded.phase_list()[0].name
    return ("" if first else f"{change}: ") + (", ".join(phase.measures) or "nothing")


def _said(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"low", "value", "high"}:
        return f"{value['low']:g} low, {value['value']:g} central, {value['high']:g} high"
    if isinstance(value, list | tuple):
        return ", ".join(_said(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)

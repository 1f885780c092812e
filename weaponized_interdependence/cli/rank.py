"""`wi rank`: flows in, scores and ranks out."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson, option
from weaponized_interdependence.cli.completing import complete_flows, complete_indicator, complete_layer
from weaponized_interdependence.cli.ranking import ON_SCREEN

if TYPE_CHECKING:
    import polars as pl

CONFIDENCE = 0.95

# Where nothing is asked for: both halves of the idea, who sees and who can deny, beside plain size.
DEFAULT = ("panopticon", "chokepoint_all", "panopticon_extraterritorial", "export_share", "import_share")
DEFAULT_AGAINST_TARGET = ("chokepoint", "chokepoint_rerouted")


def rank(
    flows: Annotated[
        str | None,
        typer.Argument(
            metavar="FLOWS",
            help="FLOWS file, input-output table, - for CSV on stdin, or sample:crude_oil, sample:claims, sample:world",
            autocompletion=complete_flows,
        ),
    ] = None,
    indicator: Annotated[
        list[str] | None,
        option(
            "--indicator", "-i", help="indicator; repeat; `wi explain` lists them", autocompletion=complete_indicator
        ),
    ] = None,
    by: Annotated[str | None, option(help="item: rank every item by itself; default: items are summed")] = None,
    period: Annotated[list[str] | None, option("--period", help="only this period; repeat; default all")] = None,
    layer: Annotated[
        list[str] | None, option("--layer", help="only this layer; repeat", autocompletion=complete_layer)
    ] = None,
    item: Annotated[list[str] | None, option("--item", help="only these items, as HS:2709 or SITC:3; repeat")] = None,
    jurisdiction: Annotated[
        list[str] | None,
        option("--jurisdiction", "-j", help="whom to score: economy, group (EU) or coalition (USA+EU); repeat"),
    ] = None,
    target: Annotated[
        list[str] | None, option("--target", "-t", help="against whom: economy, group or coalition; repeat")
    ] = None,
    controls: Annotated[Path | None, option(help="CONTROLS file: legal grip beyond territory")] = None,
    table: Annotated[
        str | None, option(help="input-output table for production paths: a Parquet of `wi load`, or sample")
    ] = None,
    ties: Annotated[
        str | None, option(help="FLOWS that payments are routed over, where not the flows themselves")
    ] = None,
    macro: Annotated[
        Path | None,
        option(help="MACRO file with gdp, for scores scaled by GDP; default: published figures that come along"),
    ] = None,
    elasticities: Annotated[
        Path | None, option(help="file with item, sigma and, if known, low and high, for cut-off power")
    ] = None,
    capacity: Annotated[
        list[str] | None,
        option("--capacity", help="institutional capacity, 0 to 1, as USA=0.9; repeat for everyone scored"),
    ] = None,
    knobs: Annotated[
        list[str] | None,
        option("--set", help="a number an indicator reads, as damping=0.5; `wi explain NAME` lists its own; repeat"),
    ] = None,
    draws: Annotated[
        int | None, option(min=2, help="rank intervals from this many draws of perturbed flows; needs --noise")
    ] = None,
    noise: Annotated[
        float | None, option(min=0.0, help="standard deviation of the log of every flow in a draw: your judgement")
    ] = None,
    missing: Annotated[float, option(min=0.0, max=0.99, help="part of the ties that a draw leaves out")] = 0.0,
    seed: Annotated[int, option(min=0, help="seed of the draws")] = 0,
    top: Annotated[
        int | None,
        option(min=1, help=f"keep ranks up to this; default all in the file, {ON_SCREEN} on the screen, fewer by item"),
    ] = None,
    out: Annotated[
        Path | None, option("-o", "--out", help=".parquet .csv .json .arrow .xlsx, or - for CSV on stdout")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rank who can see and who can deny, and who hangs on whom.

    Without --indicator: panopticon, chokepoint and shares; with --target: chokepoints over the target.
    The file given by -o holds SCORES with units, definitions, input hashes and the tool's version in its metadata.
    """
    from weaponized_interdependence import exports
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.arguments import refuse_same, try_output
    from weaponized_interdependence.cli.ranking import said_of_capacity, screen
    from weaponized_interdependence.errors import Checks, UsageError
    from weaponized_interdependence.indicators.rank import ranking_metadata
    from weaponized_interdependence.indicators.registry import find
    from weaponized_interdependence.schemas import SCORES

    checks = Checks("these options cannot be used")
    with checks:
        if as_json and str(out) == "-":
            raise UsageError("--json and -o - both want stdout", mend="choose one")
        if out is not None:
            out = try_output(out, stdout=True)
            refuse_same(out, (flows, controls, table, ties, macro, elasticities))
    chosen = tuple(indicator or (DEFAULT_AGAINST_TARGET if target else DEFAULT))
    for name in chosen:
        with checks:
            find(name)
    given: dict[str, Any] = {
        "by": (by,) if by else (),
        "periods": tuple(period) if period else None,
        "jurisdiction": tuple(jurisdiction or ()),
        "target": tuple(target or ()),
    }
    able: dict[str, float] = {}
    with checks:
        if able := weights_of(capacity or (), "--capacity"):
            given["capacity"] = able
    with checks:
        given |= weights_of(knobs or (), "--set")
    with checks:
        drawn = drawing(draws, noise, missing, seed)
    checks.done()
    flows, table = with_table(flows, table, chosen)
    with show.working("ranking"):
        inputs = read_inputs(flows, controls, table, ties, layers=layer or (), items=item or ())
        read_beside(inputs, chosen, macro, elasticities)
        scored = score(inputs, chosen, given, drawn)
        scores = scored if top is None else scored.filter(scored["rank"] <= top)
    beside = {"controls": controls, "ties": ties, "macro": macro, "elasticities": elasticities}
    stated = {**given, **drawn, **named(beside, inputs), "layers": layer or [], "items": item or [], "top": top}
    options = {**stated, "names": inputs.names}
    told = published(inputs.stamps)
    metadata = ranking_metadata(chosen, inputs=inputs.stamps, options=options, sources=told, scores=scores)
    if out is not None:
        exports.write(scores, out, table=SCORES, metadata=metadata)
    if as_json:
        show.json_document({"metadata": metadata, "scores": scores})
    elif str(out) != "-":
        screen(scored, chosen, top, by_item=bool(by), drawn=drawn)  # counts what the file leaves out
        if able:
            show.warn(said_of_capacity(able))
        for said in unheard(inputs, chosen, given, scores):
            show.warn(said)
        if out is not None:
            show.heading("Wrote")
            show.pairs([(str(out), f"{show.count(scores.height, 'score')}, {show.size(out.stat().st_size)}")])


def with_table(flows: str | None, table: str | None, chosen: Sequence[str]) -> tuple[str | None, str | None]:
    """Flows and table to read: an input-output table given as FLOWS is also the table that indicators ask for, and is
    no flows where none of them reads any.
    """
    from weaponized_interdependence.cli.arguments import is_table
    from weaponized_interdependence.indicators.registry import find

    reading_it = [find(name).reads == "table" for name in chosen]
    if flows is None or table is not None or not any(reading_it) or not is_table(flows):
        return flows, table
    return (None if all(reading_it) else flows), flows


class Inputs:
    """What a ranking reads: flows, controls, table and ties, with the stamps of the files and the names of the rest."""

    def __init__(self) -> None:
        self.flows: pl.LazyFrame | None = None
        self.tables: dict[str, Any] = {}
        self.stamps: list[Any] = []
        self.names: list[str] = []


def read_inputs(
    flows: str | None,
    controls: Path | None,
    table: str | None,
    ties: str | None,
    *,
    layers: Sequence[str] = (),
    items: Sequence[str] = (),
) -> Inputs:
    """Read what the options name, and narrow the flows to the layers and items asked for."""
    from weaponized_interdependence import exports
    from weaponized_interdependence.cli.arguments import open_flows, open_table
    from weaponized_interdependence.schemas import CONTROLS
    from weaponized_interdependence.sources.reading import stamp

    found = Inputs()
    if flows is not None:
        opened = open_flows(flows)
        found.flows = narrowed(opened.frame, layers, items)
        found.stamps += opened.stamps
        found.names += opened.names
    if ties is not None:
        opened = open_flows(ties)
        found.tables["ties"] = opened.frame
        found.stamps += opened.stamps
        found.names += opened.names
    if controls is not None:
        found.tables["controls"] = exports.read_frame(controls, CONTROLS)
        found.stamps.append(stamp(controls))
    if table is not None:
        found.tables["table"], stamps, names = open_table(table)
        found.stamps += stamps
        found.names += names
    return found


def narrowed(flows: "pl.LazyFrame", layers: Sequence[str], items: Sequence[str]) -> "pl.LazyFrame":
    """The flows of these layers and items; UsageError where nothing is left, with what there is."""
    import polars as pl

    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.harmonize.products import item_matches

    for column, wanted in (("layer", layers), ("item", items)):
        if not wanted:
            continue
        there = flows.select(pl.col(column).unique().sort()).collect(engine="streaming")[column]
        kept = there.filter(item_matches(there, wanted) if column == "item" else there.is_in(list(wanted)))
        if kept.is_empty():
            some = ", ".join(there.head(12)) + (f" ... ({len(there):,} in all)" if len(there) > 12 else "")
            raise UsageError(
                f"no {column} of the flows fits {', '.join(wanted)}", mend=f"they hold {some or 'nothing'}"
            )
        flows = flows.filter(pl.col(column).is_in(kept.to_list()))
    return flows


def read_beside(inputs: Inputs, chosen: Sequence[str], macro: Path | None, elasticities: Path | None) -> None:
    """Read what is neither flows nor ties; GDP comes along with the tool where an indicator asks for it."""
    from weaponized_interdependence import exports
    from weaponized_interdependence.indicators.registry import find
    from weaponized_interdependence.macro import gdp_reference
    from weaponized_interdependence.schemas import ELASTICITIES, MACRO
    from weaponized_interdependence.sources.reading import stamp

    if macro is not None:
        inputs.tables["macro"] = exports.read_frame(macro, MACRO)
        inputs.stamps.append(stamp(macro))
    elif any("macro" in find(name).needs for name in chosen):
        inputs.tables["macro"] = gdp_reference()
        inputs.names.append("GDP: World Bank NY.GDP.MKTP.CD, vintage of 24 March 2025 (comes with the tool)")
    if elasticities is not None:
        inputs.tables["elasticities"] = exports.read_frame(elasticities, ELASTICITIES)
        inputs.stamps.append(stamp(elasticities))


def unheard(inputs: Inputs, chosen: Sequence[str], given: dict[str, Any], scores: "pl.DataFrame") -> Iterator[str]:
    """What was asked and not, or only partly, heard: members of groups without flows, options some do not read."""

    from weaponized_interdependence.indicators.asked import absent_members
    from weaponized_interdependence.indicators.registry import find

    if (grips := inputs.tables.get("controls")) is not None:
        yield from said_of_controls(grips, nodes_of(inputs))
    for asked in ("jurisdiction", "target"):
        names = given[asked]
        if deaf := [name for name in chosen if names and asked not in find(name).needs]:
            yield f"{', '.join(deaf)}: every node is scored, for {asked} is not read there"
        if any(len(name) != 3 for name in names) and scores.height:
            for label, lacking in absent_members(nodes_of(inputs), names, str(scores["period"].max())).items():
                yield f"{label} without {', '.join(lacking)}: they have no flows here"


def named(beside: Mapping[str, Path | str | None], inputs: Inputs) -> dict[str, str]:
    """What was given beside the flows, by name and hash: two rankings that differ in it are not made alike."""
    hashes = {Path(stamp.path): f", sha256 {stamp.sha256[:12]}" for stamp in inputs.stamps}
    files = {what: Path(file) for what, file in beside.items() if file is not None}
    return {what: file.name + hashes.get(file, "") for what, file in files.items()}


def nodes_of(inputs: Inputs) -> set[str]:
    """Everyone who has a flow or is in the table."""
    import polars as pl

    nodes: set[str] = set()
    if inputs.flows is not None:
        ends = pl.concat([inputs.flows.select(node=pl.col(end).unique()) for end in ("origin", "destination")])
        nodes |= {*ends.collect()["node"]}
    if "table" in inputs.tables:
        nodes |= {*inputs.tables["table"].economies}
    return nodes


def said_of_controls(grips: "pl.DataFrame", nodes: set[str]) -> Iterator[str]:
    """How much legal reach was used, and what of it names nobody here."""
    import polars as pl

    from weaponized_interdependence.cli.show import count

    used = grips.filter(pl.col("node").is_in(sorted(nodes)))
    channels = ", ".join(used["channel"].unique().sort())
    reached = f" on {count(used['node'].n_unique(), 'node')}, by {channels}" if used.height else ""
    yield f"legal reach beyond territory is counted: {count(used.height, 'grip')}{reached}"
    if lost := sorted({*grips["node"]} - nodes):
        some = ", ".join(lost[:5]) + (" ..." if len(lost) > 5 else "")
        yield f"{count(len(lost), 'node')} of the controls are not in the data, and count for nothing: {some}"


def weights_of(given: Sequence[str], name: str) -> dict[str, float]:
    """`key=number` texts of an option; UsageError with every one that is none."""
    from weaponized_interdependence.cli.arguments import pairs_of
    from weaponized_interdependence.errors import Fault, UsageError

    found: dict[str, float] = {}
    faults = []
    for key, text in pairs_of(given, name, keep_dashes=True).items():
        try:
            found[key] = float(text)
        except ValueError:
            faults.append(Fault(f"{key} is {text!r}", mend="write a number"))
    if faults:
        raise UsageError(f"cannot use {name}", faults=faults)
    return found


def published(stamps: Sequence[Any]) -> dict[str, dict[str, str]]:
    """Publisher, licence and citation of every input that says them, by its path."""
    from weaponized_interdependence.exports import read_metadata

    found: dict[str, dict[str, str]] = {}
    for stamp in stamps:
        if Path(stamp.path).suffix == ".parquet":
            told = read_metadata(stamp.path)
            found[stamp.path] = {key: told[key] for key in ("publisher", "licence", "citation") if key in told}
    return {path: told for path, told in found.items() if told}


def drawing(draws: int | None, noise: float | None, missing: float, seed: int) -> dict[str, Any]:
    """How flows are perturbed, empty where they are not. How noisy flows are has no default."""
    from weaponized_interdependence.errors import UsageError

    if draws is None:
        if noise is not None or missing or seed:
            raise UsageError("--noise, --missing and --seed belong to --draws", mend="add --draws 200")
        return {}
    if noise is None:
        raise UsageError(
            "--draws needs --noise",
            mend="say how far flows may be off, as the standard deviation of their log: 0.1 is about 10 per cent",
        )
    return {"draws": draws, "noise": noise, "missing": missing, "seed": seed, "confidence": CONFIDENCE}


def score(
    inputs: Inputs, chosen: Sequence[str], options: dict[str, Any], drawn: dict[str, Any] | None = None
) -> "pl.DataFrame":
    """The one library call of this command."""
    if drawn:
        from weaponized_interdependence.errors import UsageError
        from weaponized_interdependence.indicators.stability import bootstrap

        if inputs.flows is None:
            raise UsageError("only flows can be perturbed, not a table", mend="leave --draws out, or give flows")
        return bootstrap(inputs.flows, chosen, **drawn, **inputs.tables, **options)
    from weaponized_interdependence.indicators.rank import rank as rank_flows

    return rank_flows(inputs.flows, chosen, **inputs.tables, **options)

"""`wi rank`: flows in, scores and ranks out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson, option
from weaponized_interdependence.cli.completing import complete_flows, complete_indicator, complete_layer

if TYPE_CHECKING:
    import polars as pl

ON_SCREEN = 10
MOST_GROUPS = 6

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
    max_detour: Annotated[
        float | None, option(help="how much longer another chain may be: 1 is twice as long; default any")
    ] = None,
    top: Annotated[
        int | None, option(min=1, help=f"keep ranks up to this; default all in the file, {ON_SCREEN} on the screen")
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
    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.indicators.rank import ranking_metadata
    from weaponized_interdependence.schemas import SCORES

    if as_json and str(out) == "-":
        raise UsageError("--json and -o - both want stdout", mend="choose one")
    if out is not None:
        out = try_output(out, stdout=True)
        refuse_same(out, (flows, controls, table, ties))
    chosen = tuple(indicator or (DEFAULT_AGAINST_TARGET if target else DEFAULT))
    given: dict[str, Any] = {
        "by": (by,) if by else (),
        "periods": tuple(period) if period else None,
        "jurisdiction": tuple(jurisdiction or ()),
        "target": tuple(target or ()),
    }
    if max_detour is not None:
        given["max_detour"] = max_detour
    with show.working("ranking"):
        inputs = read_inputs(flows, controls, table, ties, layers=layer or (), items=item or ())
        scores = score(inputs, chosen, {**given, "top": top})
    stated = {**given, "layers": layer or [], "items": item or [], "top": top}
    metadata = ranking_metadata(chosen, inputs=inputs.stamps, options={**stated, "names": inputs.names})
    if out is not None:
        exports.write(scores, out, table=SCORES, metadata=metadata)
    if as_json:
        show.json_document({"metadata": metadata, "scores": scores})
    elif str(out) != "-":
        screen(scores, chosen, top or ON_SCREEN, by_item=bool(by))
        if out is not None:
            show.heading("Wrote")
            show.pairs([(str(out), f"{show.count(scores.height, 'score')}, {show.size(out.stat().st_size)}")])


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


def score(inputs: Inputs, chosen: Sequence[str], options: dict[str, Any]) -> "pl.DataFrame":
    """The one library call of this command."""
    from weaponized_interdependence.indicators.rank import rank as rank_flows

    return rank_flows(inputs.flows, chosen, **inputs.tables, **options)


def screen(
    scores: "pl.DataFrame", chosen: Sequence[str], top: int, *, by_item: bool = False, brief: bool = False
) -> None:
    """The largest scores of every indicator, with what the number means, its unit and its basis.

    Lists that are the same as one above are not printed again: on direct routes, what can be seen can be stopped.
    """
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.indicators.registry import find

    if scores.is_empty():
        show.say("no scores: the flows hold nothing to rank")
        return
    said = ""
    shown: dict[str, list[tuple[str, pl.DataFrame]]] = {}  # list -> who it was printed for, and its numbers
    for number, name in enumerate(dict.fromkeys(chosen)):
        indicator = find(name)
        mine = scores.filter(scores["indicator"] == name)
        if number:
            show.say()
        show.say(f"{indicator.title} ({name})", "bold")
        show.say(indicator.summary, indent=2)
        weights = [] if brief else [f"Weights: {indicator.weight_meaning}."]
        meaning = "\n".join([*weights, *_routes(mine["layer"], indicator.routed)])
        if meaning != said:
            for line in meaning.splitlines():
                show.say(line, indent=2)
        said = meaning
        if indicator.pair and indicator.routed:
            show.say("Over a target, the flows with the target at either end count: its imports and exports.", indent=2)
        groups = list(_groups(mine, by_item))
        for label, group in groups[:MOST_GROUPS]:
            numbers = _numbers_of(group)
            same = next((other for other, told in shown.get(label, ()) if told.equals(numbers)), None)
            shown.setdefault(label, []).append((name, numbers))
            if same is None:
                ranking_table(label, group, top, pair=indicator.pair, with_item=by_item)
            else:
                show.say()
                show.say(f"{label}: the same numbers as {same}, above", indent=2)
        if len(groups) > MOST_GROUPS:
            show.note(f"{len(groups) - MOST_GROUPS} more groups of period and layer are not shown; -o FILE holds all")
    show.say()
    show.basis_lines(scores["basis"])
    if not brief:
        show.note("formula and source of an indicator: wi explain NAME")


def _numbers_of(group: "pl.DataFrame") -> "pl.DataFrame":
    """What is compared to see whether two lists are the same; sums in another order differ in the last digits."""
    columns = ["unit", "item", "node", "counterpart"]
    return group.select(*columns, group["score"].round_sig_figs(9)).sort(columns)


def _routes(layers: "pl.Series", routed: bool) -> list[str]:
    """What a route is on the layers ranked, for indicators that hang on it."""
    from weaponized_interdependence.indicators.routes import ROUTES
    from weaponized_interdependence.terms import Layer

    there = [Layer(layer) for layer in layers.unique().sort()] if routed else []
    return [f"Route on {layer}: {ROUTES[layer].meaning}." for layer in there if layer in ROUTES]


def _groups(scores: "pl.DataFrame", by_item: bool) -> Iterator[tuple[str, "pl.DataFrame"]]:
    from weaponized_interdependence.cli.show import count

    keys = ["period", "layer", "unit"] if by_item else ["period", "layer", "item", "unit"]
    for key, group in scores.group_by(keys, maintain_order=True):
        period, layer, *rest = map(str, key)
        what = f"largest over {count(group['item'].n_unique(), 'item')}" if by_item else f"item {rest[0]}"
        yield f"{period}, {layer}, {what}".replace("item ALL", "all items together"), group


def ranking_table(label: str, group: "pl.DataFrame", top: int, *, pair: bool, with_item: bool) -> None:
    """One ranked list."""
    import polars as pl

    from weaponized_interdependence.cli import show

    unit, basis = group["unit"][0], ", ".join(sorted(group["basis"].unique()))
    rows = group.drop_nulls("score").sort("score", descending=True, maintain_order=True).head(top)
    divisor, shown_in = show.scale(rows["score"], unit)
    in_words = "" if shown_in == "per cent" else f"; unit {unit}"
    show.say()
    show.say(f"{label}{in_words}; basis {basis}", "" if basis == "observed" else "yellow", indent=2)
    columns = [show.Column("rank", [str(r) for r in rows["rank"]], True)]
    if with_item:
        columns.append(show.Column("item", rows["item"].to_list(), keep=True))
    columns += _who("node", rows["node"].to_list())
    if pair:
        columns += _who("over", [p or "" for p in rows["counterpart"]])
    in_scale = divisor != 1.0 or shown_in == "USD"
    values = show.numbers(rows["score"].to_list(), divisor)
    show.table([*columns, show.Column(shown_in if in_scale else "score", values, True)], indent=4)
    undefined = group.filter(pl.col("score").is_null()).height
    if group.height > rows.height:
        beside = f", {undefined:,} of them not defined" if undefined else ""
        show.say(f"{rows.height} of {group.height:,}{beside}", indent=4)


def _who(title: str, codes: Sequence[str]) -> list[Any]:
    """A column of codes and one of their names, where any has a name."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.harmonize.economies import name_of

    names = [_name(code, name_of(code)) for code in codes]
    return [show.Column(title, codes, keep=True), *([show.Column("", names)] if any(names) else [])]


def _name(node: str, name: str) -> str:
    return "" if name == node else name

"""`wi compare`: two rankings in, who rose and who fell out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson, option
from weaponized_interdependence.cli.completing import complete_indicator, complete_layer

if TYPE_CHECKING:
    import polars as pl

    from weaponized_interdependence.comparison import Ranking

ON_SCREEN = 10
FURTHER = 5
MOST_GROUPS = 6
MOST_NAMES = 12


def compare(
    before: Annotated[Path, typer.Argument(metavar="RANKING", help="file of `wi rank -o` (or --json): before")],
    after: Annotated[
        Path | None, typer.Argument(metavar="RANKING", help="after; left out: two periods of the first")
    ] = None,
    periods: Annotated[
        tuple[str, str] | None,
        option("--periods", metavar="BEFORE AFTER", help="which period of the first, and which of the second"),
    ] = None,
    indicator: Annotated[
        list[str] | None,
        option("--indicator", "-i", help="only this indicator; repeat", autocompletion=complete_indicator),
    ] = None,
    layer: Annotated[
        list[str] | None, option("--layer", help="only this layer; repeat", autocompletion=complete_layer)
    ] = None,
    item: Annotated[list[str] | None, option("--item", help="only these items, as HS:2709 or ALL; repeat")] = None,
    top: Annotated[int, option(min=1, help="how many ranks are shown, and are the top that is compared")] = ON_SCREEN,
    out: Annotated[
        Path | None, option("-o", "--out", help=".parquet .csv .json .arrow .xlsx, or - for CSV on stdout")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two rankings, or two periods of one: who rose, who fell, who is new.

    Both must rank the same indicators in the same units; options that differ are named. The file given by -o holds
    MOVES, one row for each node, with how alike the rankings are in its metadata.
    """
    import json

    from weaponized_interdependence import exports
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.arguments import refuse_same, try_output
    from weaponized_interdependence.comparison import alike
    from weaponized_interdependence.comparison import compare as compare_rankings
    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.schemas import MOVES

    if as_json and str(out) == "-":
        raise UsageError("--json and -o - both want stdout", mend="choose one")
    if out is not None:
        out = try_output(out, stdout=True)
        refuse_same(out, (before, after))
    with show.working("comparing"):
        first, second = (
            read(path, indicator or (), layer or (), item or ()) if path is not None else None
            for path in (before, after)
        )
        assert first is not None  # an argument that must be given
        moves, warnings = compare_rankings(first, second, periods)
        summary = alike(moves, top)
    for warning in warnings:
        show.warn(warning)
    metadata = about(
        [p for p in (before, after) if p is not None],
        {"periods": periods, "indicators": indicator, "layers": layer, "items": item, "top": top},
    )
    if out is not None:
        told = json.dumps(summary.to_dicts(), ensure_ascii=False)
        exports.write(moves, out, table=MOVES, metadata={**metadata, "agreement": told})
    if as_json:
        show.json_document({"metadata": metadata, "agreement": summary, "moves": moves})
    elif str(out) != "-":
        screen(moves, summary, top)
        if out is not None:
            show.heading("Wrote")
            show.pairs([(str(out), f"{show.count(moves.height, 'move')}, {show.size(out.stat().st_size)}")])


def read(path: Path, indicators: Sequence[str], layers: Sequence[str], items: Sequence[str]) -> "Ranking":
    """A ranking, narrowed to what is asked for; UsageError with everything it does not have."""
    from dataclasses import replace

    from weaponized_interdependence.comparison import read_ranking
    from weaponized_interdependence.errors import Fault, UsageError
    from weaponized_interdependence.harmonize.products import item_matches

    ranking = read_ranking(path)
    scores, faults = ranking.scores, []
    for column, wanted in (("indicator", indicators), ("layer", layers), ("item", items)):
        if not wanted:
            continue
        there = ranking.scores[column].unique().sort()
        named = there.is_in(list(wanted))
        kept = there.filter(named | item_matches(there, wanted) if column == "item" else named)
        if kept.is_empty():
            some = ", ".join(there.head(12)) + (f" and {len(there) - 12:,} more" if len(there) > 12 else "")
            faults.append(Fault(f"no {column} fits {', '.join(wanted)}", mend=f"it has {some}"))
        scores = scores.filter(scores[column].is_in(kept.to_list()))
    if not faults and scores.is_empty():
        faults.append(Fault("nothing fits all that was asked for together"))
    if faults:
        raise UsageError("the ranking does not hold what is asked for", where=str(path), faults=faults)
    return replace(ranking, scores=scores)


def about(files: Sequence[Path], options: dict[str, Any]) -> dict[str, str]:
    """What a file of MOVES says about itself: tool, inputs with hashes, options."""
    import json

    from weaponized_interdependence import __version__
    from weaponized_interdependence.sources.reading import stamp

    stamps = [stamp(file) for file in files]
    return {
        "tool": f"weaponized_interdependence {__version__}",
        "inputs": json.dumps([{"path": s.path, "sha256": s.sha256, "bytes": s.bytes} for s in stamps]),
        "options": json.dumps({k: v for k, v in options.items() if v}, ensure_ascii=False),
    }


def screen(moves: "pl.DataFrame", summary: "pl.DataFrame", top: int) -> None:
    """Of every indicator: how alike the rankings are, the first ranks now with what they were, the largest moves."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.indicators.registry import INDICATORS

    if moves.is_empty():
        show.say("nothing to compare: no score is ranked in either")
        return
    for number, name in enumerate(moves["indicator"].unique(maintain_order=True)):
        if number:
            show.say()
        known = INDICATORS.get(name)  # a ranking may come from elsewhere
        show.say(f"{known.title} ({name})" if known else name, "bold")
        if known:
            show.say(known.summary, indent=2)
        groups = list(_groups(moves, summary, name))
        for facts, group in groups[:MOST_GROUPS]:
            _group(facts, group, top)
        if len(groups) > MOST_GROUPS:
            show.note(
                f"{len(groups) - MOST_GROUPS} more groups of period, layer and item are not shown; -o FILE has all"
            )
    show.say()
    show.basis_lines(moves["basis"], scores=True)


def _groups(
    moves: "pl.DataFrame", summary: "pl.DataFrame", name: str
) -> Iterator[tuple[dict[str, Any], "pl.DataFrame"]]:
    """The groups of one indicator; among many, those whose order changed most come first."""
    keys = ["period_before", "period_after", "layer", "item", "indicator"]
    mine = summary.filter(summary["indicator"] == name)
    if mine.height > MOST_GROUPS:
        mine = mine.sort("spearman", nulls_last=True, maintain_order=True)
    parts = moves.filter(moves["indicator"] == name).partition_by(keys, as_dict=True)
    yield from ((facts, parts[tuple(facts[k] for k in keys)]) for facts in mine.to_dicts())


def _group(facts: dict[str, Any], group: "pl.DataFrame", top: int) -> None:
    import polars as pl

    from weaponized_interdependence.cli import show
    from weaponized_interdependence.harmonize.products import item_name

    called = item_name(facts["item"])
    item = "all items together" if facts["item"] == "ALL" else f"item {facts['item']}{', ' if called else ''}{called}"
    basis = ", ".join(sorted(group["basis"].unique()))
    show.say()
    when = f"{facts['period_before']} -> {facts['period_after']}, {facts['layer']}, {item}"
    show.say(f"{when}; unit {group['unit'][0]}; basis {basis}", indent=2)
    if group.height > 1:
        show.say(_alike(facts, top), indent=2)
    first, rest = _leading(group, top)
    _table(first, indent=4)
    if tied := group.filter(pl.col("rank_after") <= top, ~_nothing()).height - first.height:
        show.say(f"and {tied:,} more of rank {top} or better, tied with these", indent=4)
    for sign, title in ((1, "climbed most"), (-1, "fell most")):
        moved = rest.filter(pl.col("rank_change").sign() == sign)
        largest = moved.sort([pl.col("rank_change").abs(), "rank_after"], descending=[True, False], maintain_order=True)
        if moved.height:
            show.say(f"{title} below rank {top}, of {moved.height:,} that did", indent=4)
            _table(largest.head(min(top, FURTHER)), indent=4)
    if nothing := group.filter(_nothing()).height:
        show.say(f"{nothing:,} with 0 in both are not listed: only their tie moved", indent=4)
    for word, title in (("left", "no longer ranked"), ("entered", "newly ranked")):
        names = group.filter(pl.col("move") == word)
        if names.height:
            who = [f"{n} over {c}" if c else n for n, c in names.select("node", "counterpart").rows()]
            more = f" and {len(who) - MOST_NAMES:,} more" if len(who) > MOST_NAMES else ""
            show.say(f"{title}: {', '.join(who[:MOST_NAMES])}{more}", indent=4)


def _leading(group: "pl.DataFrame", top: int) -> tuple["pl.DataFrame", "pl.DataFrame"]:
    """The first `top` now, and those of a later rank; none whose score is 0 in both.

    Of ties, those that moved most come first: hundreds that share a rank must not drown the list.
    """
    import polars as pl

    alive = group.filter(~_nothing())
    order = ["rank_after", pl.col("rank_change").abs(), "node", "counterpart"]
    sorted_ = alive.sort(order, descending=[False, True, False, False], nulls_last=True, maintain_order=True)
    first = sorted_.filter(pl.col("rank_after") <= top).head(top)
    return first, sorted_.filter(pl.col("rank_after") > top)


def _nothing() -> "pl.Expr":
    """Rows whose score is 0 before and after: their ranks move only because others come to or leave the tie."""
    import polars as pl

    return (pl.col("score_before") == 0).fill_null(False) & (pl.col("score_after") == 0).fill_null(False)


def _alike(facts: dict[str, Any], top: int) -> str:
    """How alike two rankings are, in one sentence."""
    from weaponized_interdependence.cli import show

    parts = [f"{facts['both']:,} ranked in both ({facts['up']:,} up, {facts['down']:,} down)"]
    parts += [f"{facts[word]:,} {word}" for word in ("entered", "left") if facts[word]]
    if facts["spearman"] is not None:
        parts.append(f"Spearman {facts['spearman']:.3f}, Kendall {facts['kendall']:.3f}")
    if facts["top_kept"] is not None and facts["both"] > top:
        parts.append(f"{show.per_cent(facts['top_kept'])} of the top {top} kept")
    if facts["apart"] is not None:
        parts.append(f"{facts['apart']:,} with intervals of ranks apart")
    return "; ".join(parts)


def _table(rows: "pl.DataFrame", indent: int) -> None:
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.harmonize.economies import name_of

    unit = rows["unit"][0] if rows.height else ""
    scores = [rows["score_before"].to_list(), rows["score_after"].to_list()]
    divisor, shown_in = show.scale([*scores[0], *scores[1]], unit)
    texts = show.numbers([*scores[0], *scores[1]], divisor)
    nodes = rows["node"].to_list()
    names = [name if (name := name_of(code)) != code else "" for code in nodes]
    intervals = ["" if apart is None else "yes" if apart else "no" for apart in rows["apart"]]
    heading = shown_in if divisor != 1.0 or shown_in == "USD" else "score"
    show.table(
        [
            show.Column("rank", [str(r) for r in rows["rank_after"]], True),
            show.Column("was", ["new" if r is None else str(r) for r in rows["rank_before"]], True),
            show.Column("move", ["" if c is None else f"{c:+,}" if c else "=" for c in rows["rank_change"]], True),
            show.Column("node", nodes, keep=True, fold=any("+" in node for node in nodes)),
            show.Column("", names),
            show.Column("over", [c or "" for c in rows["counterpart"]], keep=True),
            show.Column("before", texts[: len(nodes)], True, group=heading),
            show.Column("after", texts[len(nodes) :], True, group=heading),
            show.Column("beyond noise", intervals, keep=True),
        ],
        indent=indent,
    )

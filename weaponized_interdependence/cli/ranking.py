"""The ranked lists of `wi rank` and `wi demo` on the screen."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from weaponized_interdependence.indicators.base import Indicator

ON_SCREEN = 10  # ranks, where it is not said how many
ON_SCREEN_BY_ITEM = 3  # of each item
MOST_ITEMS = 12  # that are shown one by one
MOST_GROUPS = 6

# What the two directions of a flow with the target are, by layer.
_BOTH_WAYS = {
    "goods": "its imports and exports",
    "services": "its imports and exports",
    "inputs": "the inputs it buys and sells",
    "claims": "what it is owed and what it owes",
    "payments": "what it pays and what it is paid",
    "ownership": "what it owns and what is owned of it",
}


def screen(
    scores: "pl.DataFrame",
    chosen: Sequence[str],
    top: int | None = None,
    *,
    by_item: bool = False,
    brief: bool = False,
    drawn: Mapping[str, Any] | None = None,
) -> None:
    """The largest scores of every indicator, with what the number means, its unit and its basis.

    Lists that are the same as one above are not printed again: on direct routes, what can be seen can be stopped.
    `drawn` says how flows were perturbed, where they were: draws, noise, missing, seed, confidence.
    """
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.indicators.registry import find

    if scores.is_empty():
        show.say("no scores: the flows hold nothing to rank")
        return
    said, listed = "", [scores.clear()]
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
            ways = " or ".join(dict.fromkeys(_BOTH_WAYS[layer] for layer in mine["layer"].unique().sort()))
            show.say(f"Over a target, the flows with the target at either end count: {ways}.", indent=2)
        groups = list(_groups(mine, by_item))
        for label, group in groups[:MOST_GROUPS]:
            numbers = _numbers_of(group)
            same = next((other for other, told in shown.get(label, ()) if told.equals(numbers)), None)
            shown.setdefault(label, []).append((name, numbers))
            if same is None:
                listed.append(ranking_table(label, group, indicator, top, by_item=by_item))
            else:
                show.say()
                show.say(f"{label}: the same numbers as {same}, above", indent=2)
        if len(groups) > MOST_GROUPS:
            show.note(f"{len(groups) - MOST_GROUPS} more groups of period and layer are not shown; -o FILE holds all")
    show.say()
    if nobody := said_of_residuals(listed):
        show.say(nobody, "yellow")
    if drawn:
        show.say(said_of_draws(drawn), "yellow")
    show.basis_lines(scores["basis"], scores=True)
    if not brief:
        show.note("formula and source of an indicator: wi explain NAME")


def _numbers_of(group: "pl.DataFrame") -> "pl.DataFrame":
    """What is compared to see whether two lists are the same; sums in another order differ in the last digits."""
    columns = ["unit", "item", "node", "counterpart"]
    return group.select(*columns, group["score"].round_sig_figs(9)).sort(columns)


def _routes(layers: "pl.Series", routed: bool) -> list[str]:
    """What a route is on the layers ranked, for indicators that hang on it."""
    from weaponized_interdependence.indicators.routing.routes import ROUTES
    from weaponized_interdependence.terms import Layer

    there = [Layer(layer) for layer in layers.unique().sort()] if routed else []
    return [f"Route on {layer}: {ROUTES[layer].meaning}." for layer in there if layer in ROUTES]


def _groups(scores: "pl.DataFrame", by_item: bool) -> Iterator[tuple[str, "pl.DataFrame"]]:
    from weaponized_interdependence.cli.show import count

    keys = ["period", "layer", "unit"] if by_item else ["period", "layer", "item", "unit"]
    for key, group in scores.group_by(keys, maintain_order=True):
        period, layer = map(str, key[:2])
        items = group["item"].n_unique()
        if not by_item or items == 1:
            what = f"item {_item(group['item'][0])}"
        elif items <= MOST_ITEMS:
            what = f"each of {count(items, 'item')}"
        else:
            what = f"largest over {count(items, 'item')}"
        yield f"{period}, {layer}, {what}".replace("item ALL", "all items together"), group


def _item(code: str) -> str:
    """An item with its name, where it has one."""
    from weaponized_interdependence.harmonize.products import item_name

    return f"{code}, {name}" if (name := item_name(code)) else code


def ranking_table(
    label: str, group: "pl.DataFrame", indicator: "Indicator", top: int | None, *, by_item: bool
) -> "pl.DataFrame":
    """One ranked list: of all items it has, or the first of each where they are few. Returns the scores it shows."""
    from weaponized_interdependence.cli import show

    unit, basis = group["unit"][0], ", ".join(sorted(group["basis"].unique()))
    items = group["item"].n_unique()
    each = by_item and 1 < items <= MOST_ITEMS
    rows = _first(group, top or (ON_SCREEN_BY_ITEM if each else ON_SCREEN), each)
    divisor, shown_in = show.scale(rows["score"], unit)
    in_words = "" if shown_in == "per cent" else f"; unit {unit}"
    show.say()
    show.say(f"{label}{in_words}; basis {basis}", "" if basis == "observed" else "yellow", indent=2)
    if rows.height:
        show.table(_columns(rows, indicator, divisor, shown_in, with_item=by_item and items > 1), indent=4)
    if said := _counted(group, rows, indicator):
        show.say(said, indent=4)
    if by_item and items > MOST_ITEMS:
        show.say(f"Of one item: --item {group['item'][0]}; -o FILE holds all.", indent=4)
    return rows


def _first(group: "pl.DataFrame", top: int, each: bool) -> "pl.DataFrame":
    """The rows to show, largest first; none of zero where others are above, for a list of zeros says nothing."""
    kept = group.drop_nulls("score")
    if (kept["score"] > 0).any():
        kept = kept.filter(~_is_zero())
    ordered = kept.sort("score", descending=True, maintain_order=True)
    if not each:
        return ordered.head(top)
    return (
        ordered.sort("item", maintain_order=True).group_by("item", maintain_order=True).head(top).select(kept.columns)
    )


def _is_zero() -> "pl.Expr":
    """Scores of nothing, whatever was assumed or sampled."""
    import polars as pl

    return pl.all_horizontal(pl.col(c).fill_null(0.0) == 0 for c in ("score", "low", "high"))


def _columns(
    rows: "pl.DataFrame", indicator: "Indicator", divisor: float, shown_in: str, *, with_item: bool
) -> list[Any]:
    from weaponized_interdependence.cli import show

    columns = [show.Column("rank", [str(r) for r in rows["rank"]], True)]
    if with_item:
        codes = rows["item"].to_list()
        columns.append(show.Column("item", codes, keep=True))
        columns.append(show.Column("", _names_once(codes)))
    columns += _who("node", rows["node"].to_list())
    if indicator.pair:  # of a table, the partner need not be a target
        partner = "counterpart" if indicator.reads == "table" else "over"
        columns += _who(partner, [p or "" for p in rows["counterpart"]])
    in_scale = divisor != 1.0 or shown_in == "USD"
    columns.append(show.Column(shown_in if in_scale else "score", show.numbers(rows["score"].to_list(), divisor), True))
    for side in ("low", "high"):
        if rows[side].is_not_null().any():
            columns.append(show.Column(side, show.numbers(rows[side].to_list(), divisor), True))
    if rows["rank_low"].is_not_null().any():
        ends = rows.select("rank_low", "rank_high").rows()
        columns.append(show.Column("ranks", ["" if low is None else f"{low}-{high}" for low, high in ends], True))
    return columns


def _names_once(codes: Sequence[str]) -> list[str]:
    """The name of each item beside its first row."""
    from weaponized_interdependence.harmonize.products import item_name

    return [item_name(code) if not at or codes[at - 1] != code else "" for at, code in enumerate(codes)]


def _counted(group: "pl.DataFrame", rows: "pl.DataFrame", indicator: "Indicator") -> str:
    """How many of how many are shown, and what became of the rest; empty where all are."""
    undefined = group["score"].null_count()
    if undefined == group.height:
        return f"none of {undefined:,} is defined: `wi explain {indicator.name}` says when"
    zero = group.drop_nulls("score").filter(_is_zero()).height - rows.filter(_is_zero()).height
    parts = [f"{rows.height:,} of {group.height:,}"] if group.height > rows.height else []
    parts += [f"{zero:,} with 0"] if zero else []
    parts += [f"{undefined:,} not defined"] if undefined else []
    return "; ".join(parts)


def _who(title: str, codes: Sequence[str]) -> list[Any]:
    """A column of codes and one of their names, where any has a name."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.harmonize.economies import name_of

    names = [_name(code, name_of(code)) for code in codes]
    labels = show.Column(title, codes, keep=True, fold=any("+" in code for code in codes))
    return [labels, *([show.Column("", names)] if any(names) else [])]


def _name(node: str, name: str) -> str:
    return "" if name == node else name


def said_of_residuals(listed: Sequence["pl.DataFrame"]) -> str:
    """A warning where a sum of many economies is listed as if it could deny or observe; empty where none is."""
    import polars as pl

    from weaponized_interdependence.harmonize.economies import name_of
    from weaponized_interdependence.indicators.rank import no_jurisdiction

    codes = no_jurisdiction(pl.concat(listed))
    if not codes:
        return ""
    named = ", ".join(f"{code} ({name_of(code)})" for code in codes)
    verb, it = ("is", "it") if len(codes) == 1 else ("are each", "them")
    return (
        f"{named} {verb} a sum of many economies and no jurisdiction: nobody can deny or observe for all of {it}. Read "
        f"the ranks without {it}."
    )


def said_of_draws(drawn: Mapping[str, Any]) -> str:
    """What the intervals are, and that how noisy flows are was assumed.

    >>> print(said_of_draws({"draws": 200, "noise": 0.1, "missing": 0.0, "seed": 0, "confidence": 0.95}))
    low, high and ranks: 95 per cent of 200 draws (seed 0) lie between; in each, every tie is off by a factor of its \
own, noise 0.1 (standard deviation of its log), and 0 per cent of ties are missing. Noise and missing are your \
assumption: the intervals are assumed, whatever the basis of the score.
    """
    return (
        f"low, high and ranks: {100 * drawn['confidence']:g} per cent of {drawn['draws']:,} draws "
        f"(seed {drawn.get('seed', 0)}) lie between; in each, every tie is off by a factor of its own, noise "
        f"{drawn['noise']:g} (standard deviation of its log), and {100 * drawn.get('missing', 0.0):g} per cent of "
        "ties are missing. Noise and missing are your assumption: the intervals are assumed, whatever the basis of the "
        "score."
    )


def said_of_capacity(capacity: Mapping[str, float]) -> str:
    """The weights a user gave, for the screen: they are a judgement, and must not hide."""
    given = ", ".join(f"{code} {weight:g}" for code, weight in sorted(capacity.items()))
    return f"institutional capacity as given, which multiplies the scores: {given}"

"""The ranked lists of `wi rank` and `wi demo` on the screen."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

MOST_GROUPS = 6


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
    from weaponized_interdependence.indicators.routing.routes import ROUTES
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
    columns.append(show.Column(shown_in if in_scale else "score", show.numbers(rows["score"].to_list(), divisor), True))
    for side in ("low", "high"):
        if rows[side].is_not_null().any():
            columns.append(show.Column(side, show.numbers(rows[side].to_list(), divisor), True))
    if rows["rank_low"].is_not_null().any():
        ends = rows.select("rank_low", "rank_high").rows()
        columns.append(show.Column("ranks", ["" if low is None else f"{low}-{high}" for low, high in ends], True))
    show.table(columns, indent=4)
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


def said_of_capacity(capacity: Mapping[str, float]) -> str:
    """The weights a user gave, for the screen: they are a judgement, and must not hide."""
    given = ", ".join(f"{code} {weight:g}" for code, weight in sorted(capacity.items()))
    return f"institutional capacity as given, which multiplies every grip: {given}"

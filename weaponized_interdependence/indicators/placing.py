"""Scores of one period and layer put in order: item by item, indicator by indicator, the largest first.

There may be many millions of rows, so they are sorted and ranked as whole numbers, and texts are put in last. Rows are
counted in 32 bits: two thousand million of them would be hundreds of gigabytes.

The tie rule. Scores of an item that differ from the next by no more than a relative 1e-12 share the smallest of their
ranks and stand in the order of names: sums of the same numbers in another order differ by less, and no data says more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.network import Floats, Ints
from weaponized_interdependence.schemas import SCORES
from weaponized_interdependence.sums import Codes, ascending, positions
from weaponized_interdependence.terms import Basis

EQUAL = 1e-12

_WORDS = [str(basis) for basis in Basis]  # the strongest first
_KEY = ("item", "node", "counterpart")
_CELLS = 500_000  # scores sorted at a time: they stay in the cache


@dataclass(frozen=True, eq=False)
class Scored:
    """What one indicator found, and what its rows are labelled by.

    - `frame`: item, node, counterpart, score and, where there is a band, low and high
    - `labels`: item, unit, basis
    - `of_node`: basis of the rows of some nodes, where it is weaker than that of the item
    """

    indicator: str
    frame: pl.DataFrame
    labels: pl.DataFrame
    of_node: Mapping[str, Basis] = field(default_factory=dict)


def placed(period: str, layer: str, parts: Sequence[Scored], top: int | None) -> pl.DataFrame:
    """SCORES of one period and layer, sorted; with `top`, ranks up to this one.

    >>> frame = pl.DataFrame({"item": "X", "node": ["A", "B", "C"], "counterpart": None, "score": [1.0, None, 2.0]})
    >>> labels = pl.DataFrame({"item": "X", "unit": "USD", "basis": "observed"})
    >>> made = placed("2020", "goods", [Scored("out_strength", frame, labels)], None)
    >>> made.select("node", "score", "rank").rows()
    [('C', 2.0, 1), ('A', 1.0, 2), ('B', None, None)]
    """
    frames = [part.frame for part in parts]
    items = pl.concat([frame["item"].unique() for frame in frames]).unique().sort()
    found = [
        _ranked(frame["score"], order, first, top)
        for frame, (order, first) in zip(frames, _by_name(frames, items), strict=True)
    ]
    # A block is an item under an indicator: they stand indicator by indicator, and shall stand item by item.
    sizes = np.column_stack([size for _, _, size in found])
    turn = _item_first(sizes)
    begins = np.cumsum([0, *(frame.height for frame in frames)])
    rows = np.concatenate([rows + begin for (rows, _, _), begin in zip(found, begins.tolist(), strict=False)])[turn]
    ranks = np.concatenate([rank for _, rank, _ in found])[turn]
    block = np.repeat(np.arange(sizes.size, dtype=np.int32), sizes.ravel())
    item, indicator = (index.ravel() for index in np.indices(sizes.shape))
    labels = pl.concat(
        pl.DataFrame({"item": items}).join(part.labels, on="item", how="left", maintain_order="left") for part in parts
    )[indicator * len(items) + item]
    made = {
        "period": pl.lit(period),
        "layer": pl.lit(layer),
        "item": _word(labels["item"], block),
        "indicator": _word(pl.Series([part.indicator for part in parts]).gather(indicator), block),
        "unit": _word(labels["unit"], block),
        "basis": _basis(parts, labels["basis"], block, rows),
        "rank": pl.when(pl.col("rank") > 0).then("rank"),
        **{c: pl.lit(None, dtype=pl.Int64) for c in ("rank_low", "rank_high")},
        **{c: _cell(frames, c, rows) for c in ("node", "counterpart", "score", "low", "high")},
    }
    return pl.DataFrame({"rank": ranks}).select(made[c].alias(c) for c in SCORES.schema)


def _by_name(frames: Sequence[pl.DataFrame], items: pl.Series) -> Iterator[tuple[Codes, Ints]]:
    """For each frame the order that sorts it by item, node and counterpart, and where each of the items then begins.

    Indicators that score the same nodes mostly give the same texts, so these are not numbered again.
    """
    before: tuple[pl.DataFrame, Codes, Ints] | None = None
    for frame in frames:
        key = frame.select(pl.col(_KEY).cast(pl.String))
        if before is None or not key.equals(before[0]):
            own, codes = positions(key["item"])
            pair = [c for c in ("node", "counterpart") if key[c].null_count() < key.height]
            codes += [positions(key[c].fill_null(""))[1][0] for c in pair]
            order = (
                np.arange(key.height, dtype=np.int32) if ascending(codes) else np.lexsort(codes[::-1]).astype(np.int32)
            )
            place = items.search_sorted(own).to_numpy()
            many = np.zeros(len(items), dtype=np.int64)
            many[place] = np.bincount(codes[0], minlength=len(own))
            before = key, order, np.append(0, np.cumsum(many))
        yield before[1:]


def _ranked(scores: pl.Series, order: Codes, first: Ints, top: int | None) -> tuple[Codes, Ints, Ints]:
    """Rows from the largest score of an item to the smallest, their ranks, and how many there are of each item.

    A score that is not defined stands last and has rank 0; with `top` it is left out.
    """
    score = scores.cast(pl.Float64).to_numpy()[order]
    within = _descending(score, first)
    score = score[within]
    with np.errstate(invalid="ignore"):  # infinite less infinite
        tied = score[1:] >= score[:-1] - EQUAL * np.maximum(np.abs(score[1:]), np.abs(score[:-1]))
    tied[first[1:-1][(first[1:-1] > 0) & (first[1:-1] < len(score))] - 1] = False
    begins = np.flatnonzero(np.append(True, ~tied)) if len(score) else np.zeros(0, dtype=np.int64)
    run = np.repeat(np.arange(len(begins), dtype=np.int32), np.diff(begins, append=len(score)))
    near = np.zeros(len(begins), dtype=np.bool_)  # runs of scores that are tied but not the same: by name again
    near[run[1:][tied & (score[1:] != score[:-1])]] = True
    rows = np.flatnonzero(near[run])
    within[rows] = within[rows[np.lexsort((within[rows], run[rows]))]]
    item = np.repeat(np.arange(len(first) - 1, dtype=np.int32), np.diff(first))
    rank = np.where(np.isnan(score), 0, begins[run] - first[item] + 1)
    if top is None:
        return order[within], rank, np.diff(first)
    kept = (rank > 0) & (rank <= top)
    return order[within[kept]], rank[kept], np.bincount(item[kept], minlength=len(first) - 1)


def _descending(score: Floats, first: Ints) -> Codes:
    """The order that sorts every item's scores, the largest first and NaN last; equal ones stay in order.

    Items of about as many rows are sorted together, as rows of a table: many times as fast as sorting all at once.
    """
    order, first = np.arange(len(score), dtype=np.int32), first.astype(np.int32)
    many = np.diff(first)
    width = 1
    while width < many.max(initial=0):
        width *= 2
        alike = np.flatnonzero((many > width // 2) & (many <= width))
        step = max(1, _CELLS // width)
        for some in (alike[k : k + step] for k in range(0, len(alike), step)):
            column = np.arange(many[some].max(), dtype=np.int32)
            inside = column < many[some][:, None]
            cells = np.where(inside, first[some][:, None] + column, 0)
            # what fills a table up is NaN too, and comes after the item's own because the sort is stable
            turn = np.argsort(np.where(inside, -score[cells], np.nan), axis=1, kind="stable")
            order[cells[inside]] = np.take_along_axis(cells, turn, axis=1)[inside]
    return order


def _item_first(sizes: Ints) -> Codes:
    """Where the rows of each block (item, indicator), in that order, are when they stand indicator by indicator."""
    begins = np.cumsum(sizes.T.ravel()) - sizes.T.ravel()
    begins = begins.reshape(sizes.shape[::-1]).T.ravel()
    many = sizes.ravel()
    rows = np.arange(many.sum(), dtype=np.int32)
    rows += np.repeat((begins - (np.cumsum(many) - many)).astype(np.int32), many)
    return rows


def _word(by_block: pl.Series, block: Codes) -> pl.Series | pl.Expr:
    """The word of every row's block; where there is but one, it is not written out a million times."""
    if by_block.n_unique() == 1:
        return pl.lit(by_block.first(), dtype=pl.String)
    return by_block.gather(block)


def _cell(frames: Sequence[pl.DataFrame], name: str, rows: Codes) -> pl.Series | pl.Expr:
    """A column of the frames one below the other, in the order of `rows`; null where a frame does not have it."""
    dtype = SCORES.schema[name]
    there = [
        f[name].cast(dtype) if name in f.columns else pl.Series([None], dtype=dtype).new_from_index(0, f.height)
        for f in frames
    ]
    if all(column.null_count() == len(column) for column in there):
        return pl.lit(None, dtype=dtype)
    return pl.concat(there, rechunk=True).gather(rows)


def _basis(parts: Sequence[Scored], by_block: pl.Series, block: Codes, rows: Codes) -> pl.Series | pl.Expr:
    """The weaker of the item's basis and the node's."""
    if not any(part.of_node for part in parts):
        return _word(by_block, block)
    place = {word: k for k, word in enumerate(_WORDS)}
    of_item = by_block.replace_strict(place, return_dtype=pl.Int8).to_numpy()[block]
    of_node = np.concatenate([_places(part, place) for part in parts])[rows]
    return pl.Series(_WORDS, dtype=pl.String).gather(np.maximum(of_item, of_node).astype(np.int32))


def _places(part: Scored, place: Mapping[str, int]) -> npt.NDArray[np.int8]:
    known = {node: place[basis] for node, basis in part.of_node.items()}
    if not known:
        return np.zeros(part.frame.height, dtype=np.int8)
    return part.frame["node"].replace_strict(known, default=0, return_dtype=pl.Int8).to_numpy()

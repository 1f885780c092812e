"""What many rows are numbered and sorted by, against the plain way: the same texts, order and bytes."""

from collections.abc import Iterator
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence import sums, sums_kernels
from weaponized_interdependence.network import Network, build_network, to_sparse
from weaponized_interdependence.sums import collect_texts, positions, sum_by_key

TEXTS = st.text(st.sampled_from("aAb:0~ \0\x01é"), min_size=1, max_size=40)


@pytest.fixture(scope="module", autouse=True)
def few_are_many() -> Iterator[None]:
    """Compiled loops for every number of rows, and rows in pieces of a few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "_MANY", 0)
        patch.setattr(sums_kernels, "_CHUNK", 7)
        yield


def by_the_plain_way(flows: pl.DataFrame) -> Network:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "_MANY", 10**18)
        return build_network(flows)


def assert_the_same(one: Network, other: Network) -> None:
    assert (one.nodes, one.dropped, one.merged) == (other.nodes, other.dropped, other.merged)
    for name in ("origin", "destination", "strength"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=60))
def test_texts_of_any_letters_and_lengths_keep_apart_and_in_order(rows: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame(rows, schema={"one": pl.String, "two": pl.String}, orient="row")
    longest = max((len(text.encode()) for row in rows for text in row), default=0)
    read = collect_texts(frame.lazy(), ("one", "two"), (), rows=len(rows), longest=longest)
    plain = longest <= 32 and all(text.isascii() and text[-1] != "\0" for row in rows for text in row)
    assert {type(dtype) for dtype in read.dtypes} == {pl.Array if plain else pl.Categorical}
    names, codes = positions(read["one"], read["two"])
    assert names.to_list() == sorted({text for row in rows for text in row}, key=str.encode)
    assert [names.gather(code).to_list() for code in codes] == [frame["one"].to_list(), frame["two"].to_list()]


@pytest.mark.parametrize("width", [1, 2, 4])
def test_numbers_stay_apart_when_tables_grow(width: int) -> None:
    """Neighbouring numbers in all words, met many times: far more than a table begins with."""
    rng = np.random.default_rng(width)
    words = np.array(np.unravel_index(rng.permutation(120_000), (20, 10, 3, 200)), dtype=np.uint64).T[:, -width:]
    pieces = [np.ascontiguousarray(part) for part in np.array_split(np.concatenate((words, words[::3])), 3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums_kernels, "_CHUNK", 50_000)
        known, found, codes = sums_kernels.number([pieces, [words[:10].copy()]])
    distinct = np.unique(words, axis=0)
    assert len(known) == len(distinct)
    assert (np.unique(known, axis=0) == distinct).all()
    text_of = np.zeros((found.max() + 1, width), dtype=np.uint64)
    text_of[found] = known
    assert len(np.unique(found)) == len(found)
    assert (text_of[codes[0]] == np.concatenate(pieces)).all()
    assert (text_of[codes[1]] == words[:10]).all()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([1, 2, 300, 5_000, 2**20 - 3]), min_size=1, max_size=3),
    st.sampled_from([0, 1, 5, 33, 400, 3_000]),
    st.integers(0, 10_000),
    st.booleans(),
)
def test_rows_are_sorted_as_by_numpy(sizes: list[int], rows: int, seed: int, skewed: bool) -> None:
    """Equal rows stay in order, and a hub with nearly all rows is no trouble."""
    rng = np.random.default_rng(seed)
    keys = [rng.integers(0, size, rows).astype(np.int32) for size in sizes]
    if skewed:
        keys[0][rng.random(rows) < 0.9] = sizes[0] - 1
        keys[-1] //= 7
    value = rng.random(rows)
    found, moved = sums_kernels.sort_rows(keys, [max(size - 1, 0).bit_length() for size in sizes], value)
    order = np.lexsort(keys[::-1])
    assert [key.tolist() for key in found] == [key[order].tolist() for key in keys]
    assert moved.tolist() == value[order].tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_files_in_the_order_of_their_pairs_are_sorted_by_runs(seed: int, most: int) -> None:
    """Pairs that come twice, in no order, with items that come twice in a pair."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 200, (2, 40)).astype(np.int32)
    long = rng.integers(1, most + 1, 40)
    keys = [rng.integers(0, 4_000, long.sum()).astype(np.int32), *np.repeat(pairs, long, axis=1)]
    keys[0][:: 1 + seed % 5] = 7
    value = rng.random(long.sum())
    order = np.lexsort(keys[::-1])
    found, moved = sums._sorted(keys, (4_000, 200, 200), value)
    assert [key.tolist() for key in found] == [key[order].tolist() for key in keys]
    assert moved.tolist() == value[order].tolist()
    _, total = sum_by_key(keys, (4_000, 200, 200), value)
    assert total.sum() == pytest.approx(value.sum())


@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_network_is_the_same_to_the_last_byte(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hubs, repeated ties, self-loops, zeros; rows in another order; on one thread and on several."""
    rng = np.random.default_rng(5)
    ends = (rng.random((2, 20_000)) ** 3 * 900).astype(int)
    names = pl.Series([f"bank:{k:x}" + "x" * (k % 9) for k in rng.permutation(900)])
    value = np.where(rng.random(20_000) < 0.02, 0.0, np.exp(rng.normal(0, 4, 20_000)))
    frame = pl.DataFrame({"origin": names.gather(ends[0]), "destination": names.gather(ends[1]), "value": value})
    expected = by_the_plain_way(frame)
    assert expected.merged > 1_000
    assert min(expected.dropped.values()) > 10
    monkeypatch.setattr(sums_kernels, "_CHUNK", 3_000)
    monkeypatch.setenv("WI_THREADS", threads)
    pieces = pl.concat([frame[first:last] for first, last in pairwise([0, 10, 9_000, 20_000])], rechunk=False)
    for given_ in (frame, pieces, frame.sample(fraction=1, shuffle=True, seed=1), frame.lazy()):
        assert_the_same(build_network(given_), expected)
    assert to_sparse(build_network(frame)).sum() == pytest.approx(value[ends[0] != ends[1]].sum())

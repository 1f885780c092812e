"""The recipe at scale: whole numbers for texts, sums and ranks that never vary, and memory that grows with the ties."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from scipy.stats import rankdata

from weaponized_interdependence.indicators import coded as coding
from weaponized_interdependence.indicators.base import Context, by_network
from weaponized_interdependence.indicators.coded import (
    decode,
    encode,
    largest_share,
    margins,
    over_items,
    sum_of_squares,
    without_loops,
)
from weaponized_interdependence.indicators.placing import Scored, placed
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.network import build_network
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sums import ascending, positions, sum_by_key

TIES = st.lists(
    st.tuples(st.sampled_from("XYZ"), st.sampled_from("ABCDE"), st.sampled_from("ABCDE"), st.floats(1e-6, 1e6)),
    max_size=40,
)


def ties(rows: list[tuple[str, str, str, float]]) -> pl.DataFrame:
    schema = {"item": pl.String, "origin": pl.String, "destination": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def summed(rows: list[tuple[str, str, str, float]]) -> dict[tuple[str, str, str], float]:
    """Plain sums, smallest first."""
    plain: dict[tuple[str, str, str], float] = {}
    for item, origin, destination, value in sorted(rows, key=lambda row: row[3]):
        plain[item, origin, destination] = plain.get((item, origin, destination), 0.0) + value
    return dict(sorted(plain.items()))


@settings(max_examples=80)
@given(TIES, st.randoms())
def test_coded_ties_are_the_plain_sums_whatever_the_order_of_rows(rows: list, random: object) -> None:
    want = summed(rows)
    random.shuffle(rows)  # type: ignore[attr-defined]
    made = encode(ties(rows))
    found = {(i, o, d): v for i, o, d, v in decode(made).rows()}
    assert list(found) == list(want)
    assert list(found.values()) == pytest.approx(list(want.values()), rel=1e-14)
    assert decode(encode(ties(rows[::-1]))).equals(decode(made))  # to the last bit
    assert made.nodes.to_list() == sorted({end for _, o, d in want for end in (o, d)})


@settings(max_examples=80)
@given(TIES, st.booleans())
def test_margins_and_concentration_agree_with_plain_sums(rows: list, sparse: bool) -> None:
    plain = {key: v for key, v in summed(rows).items() if key[1] != key[2]}
    made = without_loops(encode(ties(rows)))
    before = coding.DENSE
    try:
        coding.DENSE = -1 if sparse else before  # the way that is taken where a table of all cells would be too large
        m = margins(made)
        squares = {end: sum_of_squares(made, end) for end in ("origin", "destination")}
        largest = largest_share(made, "destination")
    finally:
        coding.DENSE = before
    cells = [(made.items[int(i)], made.nodes[int(n)]) for i, n in zip(m.item, m.node, strict=True)]
    assert cells == sorted({(i, end) for i, o, d in plain for end in (o, d)})
    for k, (item, node) in enumerate(cells):
        out = {d: v for (i, o, d), v in plain.items() if (i, o) == (item, node)}
        into = {o: v for (i, o, d), v in plain.items() if (i, d) == (item, node)}
        assert m.sent[k] == pytest.approx(sum(out.values()))
        assert m.received[k] == pytest.approx(sum(into.values()))
        assert (m.customers[k], m.sources[k]) == (len(out), len(into))
        assert m.world[k] == pytest.approx(sum(v for key, v in plain.items() if key[0] == item))
        for flows, end in ((out, "origin"), (into, "destination")):
            whole = sum(flows.values())
            want = sum((v / whole) ** 2 for v in flows.values()) if flows else np.nan
            assert squares[end][k] == pytest.approx(want, nan_ok=True)
        want = max(into.values()) / sum(into.values()) if into else np.nan
        assert largest[k] == pytest.approx(want, nan_ok=True)


@settings(max_examples=60)
@given(TIES)
def test_items_summed_are_one_item(rows: list) -> None:
    made = decode(over_items(encode(ties(rows)), "ALL"))
    plain = summed([("ALL", o, d, v) for _, o, d, v in rows])
    assert list(made.select("item", "origin", "destination").rows()) == list(plain)
    assert made["value"].to_list() == pytest.approx(list(plain.values()))


@settings(max_examples=100)
@given(
    st.lists(st.integers(1, 3).flatmap(lambda k: st.sampled_from([1, 2, 9, 400, 200_000])), min_size=1, max_size=4),
    st.integers(0, 60),
    st.integers(0, 10_000),
)
def test_rows_are_sorted_by_many_keys_and_summed(sizes: list[int], rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = [rng.integers(0, min(size, 7), rows).astype(np.int32) * (size // min(size, 7)) for size in sizes]
    value = rng.random(rows)
    plain: dict[tuple[int, ...], float] = {}
    for row in np.argsort(value, kind="stable"):
        key = tuple(int(k[row]) for k in keys)
        plain[key] = plain.get(key, 0.0) + value[row]
    found, sums = sum_by_key(keys, sizes, value)
    assert list(zip(*(k.tolist() for k in found), strict=True)) == sorted(plain)
    assert sums.tolist() == pytest.approx([plain[key] for key in sorted(plain)], rel=1e-14)
    turn = rng.permutation(rows)
    assert sum_by_key([key[turn] for key in keys], sizes, value[turn])[1].tolist() == sums.tolist()
    assert ascending(found)


def test_texts_are_numbered_in_their_order_and_categories_too() -> None:
    first, second = pl.Series(["Ä", "", "b", "B"]), pl.Series(["b", "a", "a", "Ä"])
    for one, two in ((first, second), (first.cast(pl.Categorical), second.cast(pl.Categorical))):
        names, codes = positions(one, two)
        assert names.to_list() == sorted({*first, *second})
        assert [names.gather(code).to_list() for code in codes] == [first.to_list(), second.to_list()]
    assert positions(pl.Series([], dtype=pl.String))[0].to_list() == []


def test_networks_of_items_are_what_each_by_itself_would_be() -> None:
    rng = np.random.default_rng(3)
    rows = [(f"I{k}", f"N{o:02d}", f"N{d:02d}", float(v)) for k, o, d, v in rng.integers(1, 30, (900, 4)).tolist()]
    context = Context("2020", "goods", ties(rows))
    for loops in ("drop", "keep"):
        found = list(context.networks(loops))
        assert [item for item, _ in found] == sorted({r[0] for r in rows if loops == "keep" or r[1] != r[2]})
        for item, net in found:
            alone = build_network(ties(rows).filter(pl.col("item") == item), self_loops=loops)
            assert net.nodes == alone.nodes
            for name in ("origin", "destination", "strength"):
                assert getattr(net, name).tolist() == getattr(alone, name).tolist()
    scores = by_network(context, lambda net: np.bincount(net.origin, weights=net.strength, minlength=len(net.nodes)))
    want = context.totals.select("item", "node", score="sent")
    assert scores.select("item", "node", "score").equals(want)


SCORES_OF = st.lists(st.sampled_from([None, -2.0, -1.0, 0.0, 0.5, 1.0, 1.0 + 1e-14, 3.0]), min_size=1, max_size=30)


@settings(max_examples=80)
@given(SCORES_OF, SCORES_OF, st.integers(1, 5), st.randoms())
def test_ranks_are_those_of_scipy_with_near_ties_made_one(one: list, two: list, top: int, random: object) -> None:
    frames = []
    for scores, items in ((one, "XY"), (two, "YZ")):
        rows = [(items[k % 2], f"N{k:02d}", None, s) for k, s in enumerate(scores)]
        random.shuffle(rows)  # type: ignore[attr-defined]
        schema = {"item": pl.String, "node": pl.String, "counterpart": pl.String, "score": pl.Float64}
        frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
    labels = pl.DataFrame({"item": list("XYZ"), "unit": "USD", "basis": "observed"})
    parts = [Scored(name, frame, labels) for name, frame in zip(("a", "b"), frames, strict=True)]
    made = placed("2020", "goods", parts, None)
    assert made.height == len(one) + len(two)
    expected = []
    for item in "XYZ":
        for name, frame in zip(("a", "b"), frames, strict=True):
            rows = frame.filter(pl.col("item") == item).sort("node")
            known = rows.drop_nulls("score")
            ranks = rankdata([-round(s, 9) for s in known["score"]], "min").astype(int).tolist()
            keyed = sorted(zip(ranks, known["node"], strict=True))
            expected += [(item, name, node, r) for r, node in keyed]
            expected += [(item, name, node, None) for node in rows.filter(pl.col("score").is_null())["node"]]
    assert made.select("item", "indicator", "node", "rank").rows() == expected
    few = placed("2020", "goods", parts, top)
    assert few.equals(made.filter(pl.col("rank") <= top))


WORLD = """
import hashlib, json, sys
import numpy as np, polars as pl
from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.indicators.registry import INDICATORS
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.schemas import FLOWS

rng = np.random.default_rng(11)
names = [f"N{k:02d}" for k in range(14)]
cells = [(i, o, d) for i in ("X:1", "X:2") for o in names for d in names if o != d and rng.random() < 0.35]
value = np.exp(rng.normal(0, 3, len(cells)))
rows = [
    ("2020", layer, o, d, i, v, None, None, "USD", "observed")
    for layer in ("goods", "payments")
    for (i, o, d), v in zip(cells, value.tolist())
]
# each in two rows, so that rows are summed
rows += [(*r[:5], r[5] / 3, *r[6:]) for r in rows]
flows = pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")
if (seed := int(sys.argv[1])):
    flows = flows.sample(fraction=1.0, shuffle=True, seed=seed)
deliveries, final = rng.random((12, 12)), rng.random((12, 4)) * 5
x = deliveries.sum(axis=1) + final.sum(axis=1)
table = IOTable(
    period="2020", economies=("A", "B", "C", "D"), sectors=("s1", "s2", "s3"), demands=("final",), Z=deliveries,
    Y=final, VA=x - deliveries.sum(axis=0), x=x, other=np.zeros(12), classification="T", basis="observed",
)
families = {}
for indicator in INDICATORS.values():
    families.setdefault((indicator.family, indicator.reads), []).append(indicator)
found = {}
for (family, reads), members in families.items():
    for indicator in members[:1]:
        for options in ({}, {"target": ["A" if reads == "table" else "N03"]}):
            try:
                given = {"table": table} if reads == "table" else {"by": ["item"]}
                scores = rank(None if reads == "table" else flows, indicator.name, **given, **options)
            except UsageError:
                continue
            text = json.dumps([(*r[:-1], None if r[-1] is None else r[-1].hex()) for r in scores.select(
                "layer", "item", "node", "counterpart", "rank", "score").rows()])
            found[indicator.name] = [family, hashlib.sha256(text.encode()).hexdigest(), scores.height]
            break
print(json.dumps(found))
"""


def test_no_score_depends_on_threads_or_on_the_order_of_rows(root: Path) -> None:
    """Bit by bit, one indicator of every family. How many threads the linear algebra library takes is not varied."""
    running = []
    for seed, wi, polars in ((0, 1, 1), (5, 4, 4), (6, 1, 4)):
        limits = {"WI_THREADS": str(wi), "POLARS_MAX_THREADS": str(polars), "PYTHONPATH": str(root)}
        command = [sys.executable, "-c", WORLD, str(seed)]
        running.append(subprocess.Popen(command, env=os.environ | limits, stdout=subprocess.PIPE, text=True))
    found = []
    for process in running:
        text, _ = process.communicate()
        assert process.returncode == 0
        found.append(json.loads(text.splitlines()[-1]))
    first = found[0]
    for other in found[1:]:
        assert {name for name in {*first, *other} if first.get(name) != other.get(name)} == set()
    assert len({family for family, _, _ in first.values()}) >= 20
    assert all(rows > 0 for _, _, rows in first.values())


MEMORY = """
import resource, sys
import numpy as np, polars as pl
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.network import build_network, to_sparse

ties = int(sys.argv[1])
rng = np.random.default_rng(0)
names = pl.Series([f"node {k}" for k in range(ties // 10)])
flows = pl.LazyFrame({
    "origin": names.gather(rng.integers(0, len(names), ties)),
    "destination": names.gather(rng.integers(0, len(names), ties)),
    "value": np.exp(rng.normal(0, 2, ties)),
}).with_columns(period=pl.lit("2020"), layer=pl.lit("payments"), item=pl.lit("MT103"), unit=pl.lit("USD"),
    basis=pl.lit("observed"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
to_sparse(build_network(flows))
rank(flows, ["export_share", "hhi_imports", "removal_loss", "pagerank", "trade_dependence"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is told in kilobytes on Linux only")
def test_memory_grows_with_ties_and_not_with_nodes_squared(root: Path) -> None:
    peaks = {}
    for size in (100_000, 400_000):  # 10,000 and 40,000 nodes: a dense matrix of the latter would be 12.8 GB
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(size)],
            env={**os.environ, "PYTHONPATH": str(root), "POLARS_MAX_THREADS": "2"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        peaks[size] = int(done.stdout) * 1024
    assert (peaks[400_000] - peaks[100_000]) / 300_000 < 2_500  # bytes a tie; some 900 were measured
    assert peaks[400_000] < 1.5e9


def test_a_million_ties_make_a_network_in_seconds() -> None:
    rng = np.random.default_rng(1)
    names = pl.Series([f"bank {k}" for k in range(100_000)])
    frame = pl.DataFrame(
        {
            "origin": names.gather(rng.integers(0, len(names), 1_000_000)),
            "destination": names.gather(rng.integers(0, len(names), 1_000_000)),
            "value": rng.random(1_000_000),
        }
    )
    started = time.perf_counter()
    net = build_network(frame)
    assert time.perf_counter() - started < 10  # half a second on an idle machine
    assert net.total == pytest.approx(frame.filter(pl.col("origin") != pl.col("destination"))["value"].sum())
    codes = pl.DataFrame({"o": net.origin, "d": net.destination})
    assert codes.equals(codes.sort("o", "d"))


def test_a_year_of_products_agrees_with_plain_group_by() -> None:
    """Rows of 60,000 ties in 300 products, in no order, some twice, some zero, two periods and layers at once."""
    rng = np.random.default_rng(8)
    rows = 60_000
    frame = pl.DataFrame(
        {
            "period": rng.choice(["2020", "2021"], rows),
            "layer": rng.choice(["goods", "services"], rows),
            "origin": [f"E{k}" for k in rng.integers(0, 40, rows)],
            "destination": [f"E{k}" for k in rng.integers(0, 40, rows)],
            "item": [f"HS17:{k:06d}" for k in rng.integers(0, 300, rows)],
            "value": np.where(rng.random(rows) < 0.05, 0.0, np.exp(rng.normal(0, 2, rows))),
            "quantity": None,
            "quantity_unit": None,
            "unit": "USD",
            "basis": rng.choice(["observed", "estimated"], rows),
        },
        schema=dict(FLOWS.schema),
    )
    scores = rank(frame, ["export_share", "hhi_imports"], by=["item"])
    where = ["period", "layer", "item"]
    edges = frame.filter(pl.col("value") > 0, pl.col("origin") != pl.col("destination"))
    edges = edges.group_by(*where, "origin", "destination").agg(pl.col("value").sum())
    sent = edges.group_by(*where, node="origin").agg(pl.col("value").sum())
    share = sent.with_columns(want=pl.col("value") / pl.col("value").sum().over(where))
    squares = edges.group_by(*where, node="destination").agg(
        want=(pl.col("value") / pl.col("value").sum()).pow(2).sum()
    )
    for name, want in (("export_share", share), ("hhi_imports", squares)):
        got = scores.filter(pl.col("indicator") == name, pl.col("score") > 0)
        both = got.join(want, on=[*where, "node"], how="full", coalesce=True)
        assert both.height == want.height == got.height
        assert both["score"].to_numpy() == pytest.approx(both["want"].to_numpy(), rel=1e-12)
    weakest = frame.group_by(where).agg(pl.col("basis").min())  # estimated comes before observed in the alphabet too
    assert scores.select(*where, "basis").unique().sort(where).equals(weakest.sort(where))

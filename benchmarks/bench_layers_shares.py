"""A year of products (5,000 layers, 200 economies, 11.5 million rows): shares and concentration of every layer."""

from pathlib import Path
from typing import Any

from benchmarks.harness import benchmark

ROWS, ITEMS, ECONOMIES = 11_500_000, 5_000, 200
INDICATORS = ("export_share", "import_share", "hhi_imports", "cdi1", "cdi2", "cdi3")
SCORES_OF_ALL = "CPU s, scores of all layers"


def year(folder: Path, rows: int, items: int = ITEMS, economies: int = ECONOMIES) -> str:
    """FLOWS of one period in a Parquet file, as `wi load` streams them: by exporter and importer, then product."""
    import numpy as np
    import polars as pl

    from weaponized_interdependence.schemas import FLOWS

    rng = np.random.default_rng(2023)
    names = np.array([f"{a}{b}{c}" for a in "ABCDEFGH" for b in "ABCDE" for c in "ABCDE"])[:economies]
    rng.shuffle(names)  # publishers sort by a number that is not in the order of ISO codes
    pairs = economies * economies
    keys = np.unique(rng.integers(0, pairs * items, size=int(rows * 1.06)))
    keys = keys[(keys // items) // economies != (keys // items) % economies][:rows]
    pair, item = np.divmod(keys, items)
    codes = pl.Series([f"HS17:{k:06d}" for k in np.sort(rng.choice(970_000, items, replace=False))])
    ends = pl.Series(names)
    frame = pl.DataFrame(
        {
            "origin": ends.gather(pair // economies),
            "destination": ends.gather(pair % economies),
            "item": codes.gather(item),
            "value": np.exp(rng.normal(3, 2.5, len(keys))).round(3) + 0.001,
        }
    ).with_columns(
        period=pl.lit("2023"),
        layer=pl.lit("goods"),
        quantity=pl.lit(None, dtype=pl.Float64),
        quantity_unit=pl.lit(None, dtype=pl.String),
        unit=pl.lit("USD"),
        basis=pl.lit("observed"),
    )
    frame.select(FLOWS.schema.keys()).write_parquet(folder / "flows.parquet", compression_level=1)
    size = (folder / "flows.parquet").stat().st_size / 1e6
    return (
        f"FLOWS of one period in Parquet, {len(keys):,} rows, {items:,} items, {economies} economies, {size:.0f} MB, "
        "in the order of a publisher's file (exporter, importer, product)."
    )


def prepare(folder: Path) -> str:
    return year(folder, ROWS)


def bare(folder: Path) -> Any:
    """What one would write by hand: no checks, no ranks, scores as they come."""
    import polars as pl

    flows = pl.scan_parquet(folder / "flows.parquet").select("item", "origin", "destination", "value")
    edges = flows.filter(pl.col("origin") != pl.col("destination")).collect()
    value = pl.col("value")
    sent = edges.group_by("item", node="origin").agg(sent=value.sum())
    received = edges.group_by("item", node="destination").agg(
        received=value.sum(), hhi=(value / value.sum()).pow(2).sum()
    )
    world = sent.group_by("item").agg(world=pl.col("sent").sum())
    both = sent.join(received, on=["item", "node"], how="full", coalesce=True).join(world, on="item")
    both = both.with_columns(pl.col("sent", "received").fill_null(0.0)).sort("item", "node")
    bought = pl.col("received")
    return both.select(
        export_share=pl.col("sent") / pl.col("world"),
        import_share=bought / pl.col("world"),
        hhi_imports=pl.col("hhi"),
        cdi1=pl.col("hhi"),
        cdi2=pl.when(bought > 0).then(bought / bought),
        cdi3=pl.when(pl.col("sent") > 0).then(bought / pl.col("sent")),
    ).to_numpy()


def ranking(folder: Path) -> Any:
    import polars as pl

    from weaponized_interdependence.indicators.rank import rank

    scores = rank(pl.scan_parquet(folder / "flows.parquet"), INDICATORS, by=["item"])
    return lambda: _wide(scores)


def _wide(scores: Any) -> Any:
    """Scores as `bare` gives them."""
    import numpy as np

    ordered = scores.sort("item", "node").partition_by("indicator", as_dict=True)
    return np.column_stack([ordered[name,]["score"].to_numpy() for name in INDICATORS])


def steps(folder: Path) -> dict[str, float]:
    """What the parts of the way cost."""
    from itertools import pairwise
    from time import process_time

    import polars as pl

    from weaponized_interdependence.indicators.base import Context
    from weaponized_interdependence.indicators.parts import cut
    from weaponized_interdependence.indicators.rank import rank
    from weaponized_interdependence.indicators.registry import find

    clock = [process_time()]
    (part,) = cut(pl.scan_parquet(folder / "flows.parquet"), True, None, None)
    clock.append(process_time())
    context = Context(part.period, part.layer, part.ties, by_item=True)
    found = [find(name).function(context).height for name in INDICATORS]
    clock.append(process_time())
    assert sum(found) > ITEMS
    del part, context
    flows = pl.read_parquet(folder / "flows.parquet")
    clock.append(process_time())
    rank(flows, INDICATORS, by=["item"])
    clock.append(process_time())
    read, scored, _, ranked = (after - before for before, after in pairwise(clock))
    return {
        "CPU s, Parquet read, checked and coded": read,
        SCORES_OF_ALL: scored,
        "CPU s, Parquet to scores": read + scored,
        "CPU s, FLOWS in memory through rank() to SCORES": ranked,
    }


benchmark(
    "layers_shares",
    "Shares, Herfindahl index and the EU's three dependency indicators of every node in every product of a year: what "
    "do they cost?",
    prepare=prepare,
    contenders={
        "bare: polars group_by, scores only": bare,
        "ours: rank(), Parquet to SCORES": ranking,
        "ours, in steps": steps,
    },
    limits={"ours, in steps": {SCORES_OF_ALL: 3.0, "CPU s, Parquet to scores": 3.0}},
    agree=1e-12,
    imports=("numpy", "polars", "scipy.sparse", "weaponized_interdependence.indicators.rank"),
    packages=("polars", "numpy"),
    notes="""Six indicators, a million scores each: export_share, import_share, hhi_imports, cdi1, cdi2, cdi3. rank()
        also checks every row, ranks the scores within their product, and makes a SCORES table of six million rows and
        fourteen columns; the bare query does none of that. The wall time of the steps is that of ranking twice.""",
)

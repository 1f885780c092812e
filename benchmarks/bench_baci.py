"""A whole BACI year (11.2 million rows, generated): our checked stream to Parquet against a bare polars scan."""

from pathlib import Path

from benchmarks.harness import benchmark

NAME = "BACI_HS17_Y2021_V202301.csv"
ROWS = 11_200_000
WORLD_KUSD = 21.0e9  # thousand USD: near world merchandise exports of 2021, so that the declared band holds


def prepare(folder: Path) -> str:
    """A file like the publisher's: sorted, padded quantities, NA where missing, six-digit products as text."""
    import numpy as np
    import polars as pl

    from weaponized_interdependence.harmonize.economies import economies

    rng = np.random.default_rng(2021)
    states = economies().filter(pl.col("kind").is_in(["state", "territory"]) & pl.col("baci").is_not_null())
    codes = states["baci"].cast(pl.Int32).unique().sort().to_numpy()[:226]
    possible = np.arange(10_121, 970_700)
    possible = possible[possible // 10_000 != 77]  # chapter 77 is reserved, and rejected
    products = np.sort(rng.choice(possible, 5_384, replace=False))
    pairs = len(codes) * len(products)
    keys = np.unique(rng.integers(0, len(codes) * pairs, size=int(ROWS * 1.05)))[:ROWS]
    exporter, rest = np.divmod(keys, pairs)
    importer, product = np.divmod(rest, len(products))
    value = np.exp(rng.normal(3, 2.5, ROWS))
    quantity = np.exp(rng.normal(1, 3, ROWS))
    frame = pl.DataFrame(
        {
            "t": np.full(ROWS, 2021, dtype=np.int16),
            "i": codes[exporter],
            "j": codes[importer],
            "k": products[product],
            "v": value * (WORLD_KUSD / value.sum()),
            "q": quantity,
        }
    ).with_columns(
        pl.col("k").cast(pl.String).str.zfill(6),
        pl.col("v").round(3),
        q=pl.when(pl.Series(rng.random(ROWS) < 0.03))
        .then(pl.lit("           NA"))
        .otherwise(pl.col("q").round(3).cast(pl.String).str.pad_start(13)),
    )
    frame.write_csv(folder / NAME)
    size = (folder / NAME).stat().st_size / 1e6
    return f"generated CSV in BACI's layout, {ROWS:,} rows, {size:.0f} MB, sorted by key, 3 per cent of quantities NA."


def bare(folder: Path) -> None:
    import polars as pl

    pl.scan_csv(folder / NAME).sink_parquet(folder / "bare.parquet")


def ours(folder: Path) -> None:
    from weaponized_interdependence.sources.registry import stream

    reading = stream("baci", [folder / NAME], folder / "ours.parquet", strict=True)
    assert reading.summary is not None
    assert reading.summary["rows"].sum() == ROWS


def ours_hs2(folder: Path) -> None:
    from weaponized_interdependence.sources.registry import stream

    stream("baci", [folder / NAME], folder / "hs2.parquet", strict=True, aggregate="hs2")


benchmark(
    "baci",
    "What does it cost to check, harmonise and hash a BACI HS6 year on its way to Parquet, against polars alone?",
    prepare=prepare,
    contenders={
        "polars: scan_csv(...).sink_parquet()": bare,
        "ours: stream('baci', ...)": ours,
        "ours, summed to HS2": ours_hs2,
    },
    limits={"ours: stream('baci', ...)": {"wall": 2.0, "peak memory": 2.0}},
)

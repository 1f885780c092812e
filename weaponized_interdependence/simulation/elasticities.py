"""How easily buyers replace one source of an item by another: named, replaceable sets of elasticities.

One convention inside the tool: sigma, the elasticity of substitution among sources of one item. Published numbers come
in others, so every row of a set says which (column `convention`):

- `trade_elasticity`: epsilon or theta, the elasticity of import shares to trade costs; sigma = epsilon + 1
- `inverse_trade_elasticity`: 1/epsilon, as some tables print it; sigma = 1/number + 1
- `sigma`: sigma itself; elasticities of tariff-exclusive flows to tariffs are of this kind (their sign is dropped)

A small loss goes with a large elasticity: the column `low` is the lowest *elasticity*, used for the high loss.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError, nearest
from weaponized_interdependence.harmonize.products import CLASSIFICATIONS, split_item
from weaponized_interdependence.io_table import isic_divisions
from weaponized_interdependence.settings import data_dir
from weaponized_interdependence.terms import Basis, Horizon, weakest

CONVENTIONS = ("trade_elasticity", "inverse_trade_elasticity", "sigma")
ANY = "*"
# Agriculture, mining and manufacturing, by revision of ISIC.
LAST_GOODS_DIVISION = {3: 37, 4: 33}
WIOD13 = tuple(f"c{n}" for n in range(1, 36))

_NEEDED = ("item", "low", "value", "high", "horizon", "convention", "basis")
_NUMBERS = ("low", "value", "high")
_TOLD = ("sigma_low", "sigma", "sigma_high", "error", "basis")


@dataclass(frozen=True)
class Elasticities:
    """A set: `rows` has item (a prefix such as HS:27, or *), horizon, sigma_low, sigma, sigma_high, error, basis.

    `error`: the published standard error of theta = sigma - 1, over theta; 0 where none is published.
    """

    name: str
    rows: pl.DataFrame
    path: Path
    notes: tuple[str, ...] = ()

    def of(self, items: pl.Series, horizon: str) -> pl.DataFrame:
        """Sigma of each distinct item at one horizon: the row with the longest matching prefix, else the row `*`.

        Returns item, pattern, sigma_low, sigma, sigma_high, error, basis, one row an item. An HS pattern without an
        edition (HS:2709) fits every edition; with one (HS07:270900) it fits the same code in any edition, because sets
        are published in one edition and data come in others.

        A sector of an ICIO table takes the rows of its ISIC divisions (ISIC4:19, or the WIOD 2013 industry of a
        division of Rev. 3; SERVICES after the last one that makes goods). Of several, theta = sigma - 1 is the
        geometric mean, with the smallest low, the largest high and the largest error, and `pattern` names them all. The
        medium horizon is the geometric mean of theta at the short and the long one, end by end, and is assumed.

        >>> load().of(pl.Series(["ICIO2021:19", "ICIO2021:64T66"]), "long").select("pattern", "sigma").rows()
        [('ISIC4:19', 9.333), ('SERVICES', 6.882)]
        """
        distinct = items.unique().sort().to_list()
        if str(horizon) == Horizon.MEDIUM.value:
            return _between(self.of(items, Horizon.SHORT.value), self.of(items, Horizon.LONG.value))
        at = {row["item"]: row for row in self.rows.filter(pl.col("horizon") == str(horizon)).iter_rows(named=True)}
        found = [_one([at[pattern] for pattern in _patterns(item, at)]) for item in distinct]
        return pl.DataFrame(
            {
                "item": distinct,
                "pattern": [row["item"] for row in found],
                **{
                    name: [row[name] for row in found]
                    for name in ("sigma_low", "sigma", "sigma_high", "error", "basis")
                },
            },
            schema_overrides={"item": pl.String, "pattern": pl.String, "basis": pl.String},
        )


def load(name: str | Path = "default") -> Elasticities:
    """A set by name (data/reference/elasticities/NAME.csv) or by path; a CEPII ProTEE file is known by its header.

    Raises UsageError for an unknown name and InputError with every fault of the file.
    """
    path = _find(name)
    try:
        raw = pl.read_csv(path, infer_schema=False, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"cannot be read: {str(error).splitlines()[0]}", where=str(path)) from error
    if {"HS6", "zero", "positive", "sigma"} <= set(raw.columns):
        return _protee(raw, path)
    return Elasticities(path.stem, _checked(raw, path), path)


def _find(name: str | Path) -> Path:
    folder = data_dir() / "reference" / "elasticities"
    given = Path(name)
    if given.suffix:
        if given.exists():
            return given
        raise UsageError(f"no elasticity file {given}", mend="check the path")
    known = [p.stem for p in sorted(folder.glob("*.csv"))]
    if str(name) in known:
        return folder / f"{name}.csv"
    like = nearest(str(name), known) or known
    raise UsageError(f"no elasticity set {name!r}", mend=f"use {', '.join(like)}, or the path of a CSV")


def _checked(raw: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The set in sigma, or every fault of the file at once."""
    if missing := [c for c in _NEEDED if c not in raw.columns]:
        raise InputError(
            f"not an elasticity set: lacks {', '.join(missing)}",
            where=str(path),
            mend="see data/reference/elasticities/README.md",
        )
    told = pl.col("error") if "error" in raw.columns else pl.lit(None, dtype=pl.String)
    frame = raw.with_columns(
        *(pl.col(c).cast(pl.Float64, strict=False) for c in _NUMBERS),
        told.str.strip_chars().replace("", None).alias("told"),
        told.cast(pl.Float64, strict=False).alias("error"),
    ).with_row_index("line", offset=2)
    rules = {
        # NaN is above every number to polars: that the highest is finite has to be asked.
        "low, value and high must be numbers with 0 < low <= value <= high": ~(
            (pl.col("low") > 0)
            & (pl.col("low") <= pl.col("value"))
            & (pl.col("value") <= pl.col("high"))
            & pl.col("high").is_finite()
        ).fill_null(False),
        "error must be a number from 0 (the standard error over theta), or empty": pl.col("told").is_not_null()
        & ~((pl.col("error") >= 0) & pl.col("error").is_finite()).fill_null(False),
        f"convention must be one of {', '.join(CONVENTIONS)}": ~pl.col("convention")
        .is_in(CONVENTIONS)
        .fill_null(False),
        "horizon must be short or long": ~pl.col("horizon")
        .is_in([Horizon.SHORT.value, Horizon.LONG.value])
        .fill_null(False),
        f"basis must be one of {', '.join(Basis)}": ~pl.col("basis").is_in([str(b) for b in Basis]).fill_null(False),
        "item and horizon repeat an earlier line": ~pl.struct("item", "horizon").is_first_distinct(),
    }
    faults = [Fault(what, f"{path}:{line}") for what, broken in rules.items() for line in frame.filter(broken)["line"]]
    defaults = frame.filter(pl.col("item") == ANY)["horizon"].to_list()
    mend = "add the number for items without one of their own"
    faults += [
        Fault(f"no row * for horizon {horizon}", str(path), mend)
        for horizon in (Horizon.SHORT.value, Horizon.LONG.value)
        if horizon not in defaults
    ]
    if not faults:
        frame = frame.select("item", "horizon", *_sigmas(), pl.col("error").fill_null(0.0), "basis")
        low = frame.filter(pl.col("sigma_low") <= 1)["item"].to_list()
        faults = [Fault(f"{item}: sigma is at or under 1, where a cut has no finite loss", str(path)) for item in low]
    if faults:
        raise InputError("elasticity set has faults", where=str(path), faults=faults)
    return frame


def _sigmas() -> list[pl.Expr]:
    def sigma(name: str) -> pl.Expr:
        number = pl.col(name)
        return (
            pl.when(pl.col("convention") == "sigma")
            .then(number)
            .when(pl.col("convention") == "trade_elasticity")
            .then(number + 1)
            .otherwise(1 / number + 1)
        )

    # The inverse of the lowest number is the highest elasticity: the ends change places.
    swap = pl.col("convention") == "inverse_trade_elasticity"
    return [
        pl.when(swap).then(sigma("high")).otherwise(sigma("low")).alias("sigma_low"),
        sigma("value").alias("sigma"),
        pl.when(swap).then(sigma("low")).otherwise(sigma("high")).alias("sigma_high"),
    ]


def _protee(raw: pl.DataFrame, path: Path) -> Elasticities:
    """CEPII ProTEE: one tariff elasticity an HS 2007 product. It is minus sigma [Fontagne, Guimbard & Orefice 2022].

    Products with no estimate, or with sigma at or under 1 (where a cut has no finite loss), take the default row `*`,
    and so does the short horizon, which the file does not have. The file prints no band: low = value = high.
    """
    printed = pl.col("sigma").cast(pl.Float64, strict=False)
    number = raw.with_columns(pl.when(printed.is_finite()).then(-printed).alias("sigma"))
    usable = number.filter(pl.col("sigma") > 1)
    default = load("default").rows.filter(pl.col("item") == ANY)
    rows = usable.select(
        ("HS07:" + pl.col("HS6").str.zfill(6)).alias("item"),
        pl.lit(Horizon.LONG.value).alias("horizon"),
        pl.col("sigma").alias("sigma_low"),
        pl.col("sigma"),
        pl.col("sigma").alias("sigma_high"),
        pl.lit(0.0).alias("error"),
        pl.lit(Basis.ESTIMATED.value).alias("basis"),
    )
    left_out = raw.height - usable.height
    empty = number["sigma"].null_count()
    notes = (
        f"{path.name}: {usable.height} products with an elasticity; {left_out} without a usable one ({empty} empty, "
        f"{left_out - empty} at or under 1) take the default; the file has no band and no short horizon",
    )
    return Elasticities(path.stem, pl.concat([rows, default]), path, notes)


def _patterns(item: str, at: Collection[str]) -> list[str]:
    """The rows of a set that speak of an item: one, but for a sector of several ISIC divisions."""
    if direct := next((p for p in _prefixes(item) if p in at), None):
        return [direct]
    classification, code = split_item(item)
    revision, divisions = isic_divisions(classification, code) if code else (0, frozenset[int]())
    if not revision:
        return [ANY]
    wanted = [_division_item(revision, d) for d in sorted(divisions)] or ["SERVICES"]
    return list(dict.fromkeys(pattern if pattern in at else ANY for pattern in wanted if pattern)) or [ANY]


def _division_item(revision: int, division: int) -> str:
    """The item a set may have for a division; none where the revision has no such division (01T05 spans some)."""
    if division > LAST_GOODS_DIVISION[revision]:
        return "SERVICES"
    if revision == 4:
        return f"ISIC4:{division:02d}" if division != 4 else ""
    return next((f"WIOD13:{s}" for s in WIOD13 if division in isic_divisions("WIOD13", s)[1]), "")


def _one(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Several rows as one: geometric mean of theta, the widest band, the weakest basis."""
    if len(rows) == 1:
        return rows[0]
    return {
        "item": " ".join(row["item"] for row in rows),
        "sigma_low": min(row["sigma_low"] for row in rows),
        "sigma": 1 + math.exp(math.fsum(math.log(row["sigma"] - 1) for row in rows) / len(rows)),
        "sigma_high": max(row["sigma_high"] for row in rows),
        "error": max(row["error"] for row in rows),
        "basis": str(weakest(*(row["basis"] for row in rows))),
    }


def _between(short: pl.DataFrame, long: pl.DataFrame) -> pl.DataFrame:
    """The medium horizon: geometric means of theta. Both frames have the same items in the same order."""
    columns = {name: ((short[name] - 1) * (long[name] - 1)).sqrt() + 1 for name in ("sigma_low", "sigma", "sigma_high")}
    # Independent errors of the two ends, each with half its weight in the logarithm.
    error = (0.25 * (short["error"] ** 2 + long["error"] ** 2)).sqrt()
    return long.with_columns(**columns, error=error, basis=pl.lit(Basis.ASSUMED.value))


def _prefixes(item: str) -> list[str]:
    """The patterns that may fit an item, longest first: HS17:270900, HS07:270900, HS:270900, HS:27090 ... HS:2."""
    classification, code = split_item(item)
    if not code:
        return [classification]
    known = CLASSIFICATIONS.get(classification)
    if known is None or not known.prefix:  # sector codes (c2, c20) are names, not parts of one another
        return [item]
    exact = [item, *([f"HS07:{code}"] if known.family == "HS" else [])]
    return exact + [f"{known.family}:{code[:n]}" for n in range(len(code), 0, -1)]

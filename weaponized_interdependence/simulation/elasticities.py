"""How easily buyers replace one source of an item by another: named, replaceable sets of elasticities.

One convention inside the tool: sigma, the elasticity of substitution among sources of one item. Published numbers come
in others, so every row of a set says which (column `convention`):

- `trade_elasticity`: epsilon or theta, the elasticity of import shares to trade costs; sigma = epsilon + 1
- `inverse_trade_elasticity`: 1/epsilon, as some tables print it; sigma = 1/number + 1
- `sigma`: sigma itself; elasticities of tariff-exclusive flows to tariffs are of this kind (their sign is dropped)

A small loss goes with a large elasticity: the column `low` is the lowest *elasticity*, used for the high loss.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError, nearest
from weaponized_interdependence.harmonize.products import CLASSIFICATIONS, split_item
from weaponized_interdependence.settings import data_dir
from weaponized_interdependence.terms import Basis, Horizon

CONVENTIONS = ("trade_elasticity", "inverse_trade_elasticity", "sigma")
ANY = "*"

_NEEDED = ("item", "low", "value", "high", "horizon", "convention", "basis")
_NUMBERS = ("low", "value", "high")


@dataclass(frozen=True)
class Elasticities:
    """A set: `rows` has item (a prefix such as HS:27, or *), horizon, sigma_low, sigma, sigma_high, basis."""

    name: str
    rows: pl.DataFrame
    path: Path
    notes: tuple[str, ...] = ()

    def of(self, items: pl.Series, horizon: str) -> pl.DataFrame:
        """Sigma of each distinct item at one horizon: the row with the longest matching prefix, else the row `*`.

        Returns item, pattern, sigma_low, sigma, sigma_high, basis, one row an item. An HS pattern without an edition
        (HS:2709) fits every edition; with one (HS07:270900) it fits the same code in any edition, because sets are
        published in one edition and data come in others.
        """
        at = {row["item"]: row for row in self.rows.filter(pl.col("horizon") == str(horizon)).iter_rows(named=True)}
        distinct = items.unique().sort().to_list()
        found = [at[next((p for p in _prefixes(item) if p in at), ANY)] for item in distinct]
        return pl.DataFrame(
            {
                "item": distinct,
                "pattern": [row["item"] for row in found],
                **{name: [row[name] for row in found] for name in ("sigma_low", "sigma", "sigma_high", "basis")},
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
    frame = raw.with_columns(pl.col(c).cast(pl.Float64, strict=False) for c in _NUMBERS).with_row_index(
        "line", offset=2
    )
    rules = {
        "low, value and high must be numbers with 0 < low <= value <= high": ~(
            (pl.col("low") > 0) & (pl.col("low") <= pl.col("value")) & (pl.col("value") <= pl.col("high"))
        ).fill_null(False),
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
        frame = frame.select("item", "horizon", *_sigmas(), "basis")
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
    number = raw.with_columns(-pl.col("sigma").cast(pl.Float64, strict=False).alias("sigma"))
    usable = number.filter(pl.col("sigma") > 1)
    default = load("default").rows.filter(pl.col("item") == ANY)
    rows = usable.select(
        ("HS07:" + pl.col("HS6").str.zfill(6)).alias("item"),
        pl.lit(Horizon.LONG.value).alias("horizon"),
        pl.col("sigma").alias("sigma_low"),
        pl.col("sigma"),
        pl.col("sigma").alias("sigma_high"),
        pl.lit(Basis.ESTIMATED.value).alias("basis"),
    )
    left_out = raw.height - usable.height
    empty = number["sigma"].null_count()
    notes = (
        f"{path.name}: {usable.height} products with an elasticity; {left_out} without a usable one ({empty} empty, "
        f"{left_out - empty} at or under 1) take the default; the file has no band and no short horizon",
    )
    return Elasticities(path.stem, pl.concat([rows, default]), path, notes)


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

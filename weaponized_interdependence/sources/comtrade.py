"""UN Comtrade: the old 35-column CSV and the CSV of Comtrade+ (its API, its website, its tab-separated bulk files).

A row is what one economy, the reporter, says of its trade with a partner: imports come partner -> reporter, exports go
reporter -> partner, in USD. The same flow may be told by both; mirrors are never added up. Rows whose partner is World
are totals of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence.errors import InputError
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sources.declaration import load_declaration
from weaponized_interdependence.sources.files import Opened, opened, require, text_frame
from weaponized_interdependence.sources.reading import Reading, Reason, as_rejected
from weaponized_interdependence.sources.rows import Columns, Part, Rules, gather, one_of, to_flows

Side = Literal["both", "importer", "exporter"]
_EDITIONS = {"H0": "HS92", "H1": "HS96", "H2": "HS02", "H3": "HS07", "H4": "HS12", "H5": "HS17", "H6": "HS22"}
_KG_PER_T = 1e-3


@dataclass(frozen=True)
class _Names:
    """Where a layout keeps what we need; `breakdowns` are columns whose listed values (or emptiness) mean `all`."""

    period: str
    reporter: str
    partner: str
    flow: str
    classification: str
    product: str
    level: str
    value: str
    weight: str
    breakdowns: dict[str, tuple[str, ...]]
    codes: dict[str, str]  # the layout's flow codes -> M, X, RM, RX


_OLD = _Names(
    "Period",
    "Reporter Code",
    "Partner Code",
    "Trade Flow Code",
    "Classification",
    "Commodity Code",
    "Aggregate Level",
    "Trade Value (US$)",
    "Netweight (kg)",
    {"2nd Partner Code": ("0",), "Customs Proc. Code": ("C00",), "Mode of Transport Code": ("0",)},
    {"1": "M", "2": "X", "3": "RX", "4": "RM"},
)
_NEW = _Names(
    "period",
    "reporterCode",
    "partnerCode",
    "flowCode",
    "classificationCode",
    "cmdCode",
    "aggrLevel",
    "primaryValue",
    "netWgt",
    {"partner2Code": ("0",), "customsCode": ("C00",), "motCode": ("0",), "mosCode": ("0",)},
    {"M": "M", "X": "X", "RX": "RX", "RM": "RM"},
)


def read_comtrade(
    paths: Sequence[Path],
    *,
    reporter_side: Side = "both",
    partner: Literal["bilateral", "world"] = "bilateral",
    level: int | None = None,
    years: Sequence[int] | None = None,
    encoding: str = "utf-8",
) -> Reading:
    """Read UN Comtrade files of either layout into FLOWS.

    Parameters
    ----------
    reporter_side
        `importer`: only import reports (CIF values as a rule); `exporter`: only export reports (FOB); `both`: import
        reports, and export reports of flows that no importer in the input tells of.
    partner
        `bilateral`: rows with partner World are rejected; `world`: only they are read, with WLD as the other end.
    level
        Digits of the product codes to keep (0 is TOTAL); the most detailed found if not given. Rows of other levels are
        rejected as subtotals.
    years
        Keep only these.
    encoding
        Of the text, where it is not UTF-8: Comtrade+ often sends `latin-1`.

    Notes
    -----
    Re-exports and re-imports are rejected: exports and imports contain them. Quantity is the net weight in t; a weight
    of 0 means that none is known.
    """
    one_of("reporter_side", reporter_side, ("both", "importer", "exporter"))
    one_of("partner", partner, ("bilateral", "world"))
    with opened(paths, delimiters=(",", "\t"), encoding=encoding) as files:
        told = [_with_kind(file, years) for file in files]
        digits = level if level is not None else _most_detailed(told)
        parts = [_part(file, raw, odd, names, reporter_side, partner, digits) for file, raw, odd, names in told]
        if reporter_side == "both":
            parts = _without_mirrors(parts)
        notes = [f"products at {digits} digits" if digits else "products: TOTAL"]
        if partner == "world":
            notes.append("partner World: each flow is a reporter's total, with WLD as the other end")
        if years:
            notes.append(f"only the years {', '.join(map(str, years))} were asked for")
        return gather("comtrade", parts, files, scope="world" if partner == "world" else "extract", notes=notes)


_Told = tuple[Opened, pl.DataFrame, dict[int, list[str]], _Names]


def _with_kind(file: Opened, years: Sequence[int] | None) -> _Told:
    """The file's rows with `_kind` (M, X, RM, RX), `_digits` and `_period` in common words."""
    names = _NEW if _NEW.reporter in file.columns else _OLD
    required = [
        names.period,
        names.reporter,
        names.partner,
        names.flow,
        names.classification,
        names.product,
        names.value,
    ]
    require(file, required)
    raw, odd = text_frame(file)
    raw = raw.with_columns(pl.exclude("row").cast(pl.String))
    period = pl.col(names.period)
    month = period.str.slice(0, 4) + "-" + period.str.slice(4, 2)
    code = pl.col(names.product)
    total = code.str.to_uppercase().is_in(["TOTAL", "ALL", "AG0"])
    raw = raw.with_columns(
        _period=pl.when(period.str.contains(r"^\d{6}$")).then(month).otherwise(period),
        _kind=pl.col(names.flow).replace_strict(names.codes, default=None, return_dtype=pl.String),
        _digits=pl.when(total).then(0).when(code.str.contains(r"^\d+$")).then(code.str.len_chars()).cast(pl.Int64),
    )
    if years:
        asked = [str(y) for y in years]
        raw = raw.filter(pl.col("_period").str.slice(0, 4).is_in(asked) | pl.col("_period").is_null())
    return file, raw, odd, names


def _most_detailed(told: Sequence[_Told]) -> int:
    found = [int(most) for _, raw, _, _ in told if (most := raw["_digits"].max()) is not None]  # type: ignore[arg-type]
    if not found:
        raise InputError("no row names a product", where=", ".join(file.name for file, *_ in told))
    return max(found)


def _part(
    file: Opened, raw: pl.DataFrame, odd: dict[int, list[str]], names: _Names, side: Side, partner: str, digits: int
) -> Part:
    imports = pl.col("_kind") == "M"
    reporter, other = pl.col(names.reporter), pl.col(names.partner)
    edition = pl.col(names.classification).replace(_EDITIONS)
    item = pl.when(pl.col("_digits") == 0).then(pl.lit("TOTAL")).otherwise(pl.format("{}:{}", edition, names.product))
    weight = pl.col(names.weight).cast(pl.Float64, strict=False) if names.weight in raw.columns else None
    columns = Columns(
        period=pl.col("_period"),
        origin=pl.when(imports).then(other).otherwise(reporter),
        destination=pl.when(imports).then(reporter).otherwise(other),
        item=pl.when(pl.col("_digits").is_not_null()).then(item),
        value=pl.col(names.value),
        scheme="baci",
        quantity=pl.when(weight > 0).then(weight) if weight is not None else None,
        quantity_scale=_KG_PER_T,
        quantity_unit="t",
    )
    first = load_declaration("comtrade").first_year
    rules = _rules(raw, names, side, partner, digits)
    return to_flows(
        file, raw, odd, columns, first_year=first, extra=rules, sums="keep" if partner == "world" else "reject"
    )


def _rules(raw: pl.DataFrame, names: _Names, side: Side, partner: str, digits: int) -> Rules:
    kind, world = pl.col("_kind"), pl.col(names.partner).str.strip_chars_start("0") == ""
    breakdown = [~pl.col(column).is_in(whole) for column, whole in names.breakdowns.items() if column in raw.columns]
    rules: list[tuple[Reason, pl.Expr]] = [
        (Reason.RE_TRADE, kind.is_in(["RX", "RM"])),
        (Reason.OTHER_FLOW, kind.is_null()),
        (Reason.BREAKDOWN, pl.any_horizontal(pl.lit(False), *breakdown)),
        (Reason.SUBTOTAL, pl.col("_digits") != digits),
    ]
    if "typeCode" in raw.columns:
        rules.append((Reason.OTHER_FLOW, pl.col("typeCode") != "C"))
    if side != "both":
        rules.append((Reason.OTHER_SIDE, kind != ("M" if side == "importer" else "X")))
    if partner == "world":
        rules.append((Reason.NOT_ASKED, ~world))
    return rules


def _without_mirrors(parts: list[Part]) -> list[Part]:
    """Leave out what exporters say of flows that importers tell of."""
    key = [k for k in FLOWS.key if k != "layer"]
    told = [p.flows.join(p.raw.select(pl.col("row").cast(pl.Int64), "_kind"), on="row", how="left") for p in parts]
    by_importers = pl.concat([f.filter(pl.col("_kind") == "M").select(key) for f in told]).unique()
    out = []
    for part, flows in zip(parts, told, strict=True):
        mirrors = flows.filter(pl.col("_kind") == "X").join(by_importers, on=key, how="semi").select("row")
        raw = part.raw.with_columns(pl.col("row").cast(pl.Int64)).join(mirrors, on="row", how="semi")
        record = [c for c in raw.columns if c != "row" and not c.startswith("_")]
        named = raw.with_columns(reason=pl.lit(str(Reason.OTHER_SIDE)))
        rejected = as_rejected(named, file=Path(part.file.name).name, record=record)
        kept = part.flows.join(mirrors, on="row", how="anti", maintain_order="left")
        out.append(replace(part, flows=kept, rejected=pl.concat([part.rejected, rejected])))
    return out

"""UN Comtrade: the old 35-column CSV and the CSV of Comtrade+ (its API, its website, its tab-separated bulk files).

A row is what one economy, the reporter, says of its trade with a partner: imports come partner -> reporter, exports go
reporter -> partner, in USD. The same flow may be told by both; mirrors are never added up. Rows whose partner is World
are totals of the others. Reporters write in different classifications and editions of HS: by default one is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence.errors import InputError
from weaponized_interdependence.harmonize.items import CLASSIFICATIONS, COMTRADE_NAMES, HS_EDITIONS
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sources.declaration import load_declaration
from weaponized_interdependence.sources.files import Opened, opened, require, text_frame
from weaponized_interdependence.sources.reading import Check, Reading, Reason, as_rejected
from weaponized_interdependence.sources.rows import Columns, Part, Rules, Years, gather, one_of, to_flows

Side = Literal["both", "importer", "exporter"]
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
    classification: str | None = None,
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
    classification
        The one to read: `HS17` (or Comtrade's `H5`), `SITC3` ...; the most frequent in the input if not given. Rows in
        another are rejected as `in another classification`, and a check counts those whose partners and period stand
        in no other row. `HS` reads every edition: of a pair of economies in a period, the more frequent edition, and
        an export report only if no importer tells of that pair in another edition, for codes of two editions cannot be
        told apart from two reports of one flow.
    level
        Digits of the product codes to keep (0 is TOTAL); the most detailed found if not given. Rows of other levels are
        rejected as subtotals.
    years
        Keep only these; rows of other years are counted and not given back.
    encoding
        Of the text, where it is not UTF-8: Comtrade+ often sends `latin-1`.

    Notes
    -----
    Re-exports and re-imports are rejected: exports and imports contain them. Quantity is the net weight in t; a weight
    of 0 means that none is known. HS codes of odd length get their leading zero back (10121 is 010121).
    """
    one_of("reporter_side", reporter_side, ("both", "importer", "exporter"))
    one_of("partner", partner, ("bilateral", "world"))
    asked, chosen = Years(years), _classification(classification)
    with opened(paths, delimiters=(",", "\t"), encoding=encoding) as files:
        told = [_with_kind(file, asked) for file in files]
        if level != 0 or classification:
            chosen = chosen or _most_frequent(told)
        digits = level if level is not None else _most_detailed(told, chosen, filtered=bool(asked.left))
        if digits == 0 and not classification:
            chosen = None  # the sum over all products is the same in each
        parts = [_part(file, raw, odd, names, reporter_side, partner, digits, chosen) for file, raw, odd, names in told]
        if chosen == "HS":
            parts = _one_edition(parts)
        if reporter_side == "both":
            parts = _without_mirrors(parts)
        notes = [f"products at {digits} digits" if digits else "products: TOTAL"]
        if chosen:
            notes.append(f"classification read: {chosen}")
        if partner == "world":
            notes.append("partner World: each flow is a reporter's total, with WLD as the other end")
        scope = "world" if partner == "world" else "extract"
        checks = _told_elsewhere(parts, chosen, digits, partner)
        reading = gather("comtrade", parts, files, scope=scope, notes=notes, checks=checks, years=asked)
    if chosen and not reading.nothing:
        held = sorted({str(c) for _, raw, _, _ in told for c in raw["_classification"].drop_nulls().unique()})
        if not any(_in(c, chosen) for c in held):
            reading = replace(reading, nothing=f"the input is in {', '.join(held)}; asked for {chosen}")
    return reading


_Told = tuple[Opened, pl.DataFrame, dict[int, list[str]], _Names]


def _classification(asked: str | None) -> str | None:
    """The tool's name of a classification that Comtrade has, from its own or Comtrade's."""
    if asked is None:
        return None
    name = COMTRADE_NAMES.get(asked.upper(), asked.upper())
    one_of("classification", name, sorted(set(COMTRADE_NAMES.values())))
    return name


def _in(name: str, chosen: str) -> bool:
    return chosen in (name, CLASSIFICATIONS[name].family)


def _with_kind(file: Opened, asked: Years) -> _Told:
    """The file's rows with `_period`, `_kind` (M, X, RM, RX), `_classification`, `_code` and `_digits` in our words.

    `_code` is null for one that its classification cannot have.
    """
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
    raw = asked.of(raw.with_columns(pl.exclude("row").cast(pl.String)), pl.col(names.period).str.slice(0, 4))
    period = pl.col(names.period)
    month = period.str.slice(0, 4) + "-" + period.str.slice(4, 2)
    raw = raw.with_columns(
        _period=pl.when(period.str.contains(r"^\d{6}$")).then(month).otherwise(period),
        _kind=pl.col(names.flow).replace_strict(names.codes, default=None, return_dtype=pl.String),
        _classification=pl.col(names.classification)
        .str.to_uppercase()
        .replace_strict(COMTRADE_NAMES, default=None, return_dtype=pl.String),
    )
    level = pl.col(names.level) if names.level in raw.columns else pl.lit(None, pl.String)
    raw = raw.with_columns(_code=_code(pl.col(names.product), level.cast(pl.Int64, strict=False)))
    length = pl.col("_code").str.len_chars().cast(pl.Int64)
    return file, raw.with_columns(_digits=pl.when(pl.col("_code") == "TOTAL").then(0).otherwise(length)), odd, names


def _code(code: pl.Expr, level: pl.Expr) -> pl.Expr:
    """A product's code as its classification writes it, or null.

    HS codes have an even number of digits, so the zero that an odd one lost is known. SITC codes may have any number:
    one that is shorter than the level its row claims is refused.
    """
    name = pl.col("_classification")
    family = name.replace_strict({c.name: c.family for c in CLASSIFICATIONS.values()}, default=None)
    even = code.str.len_chars() % 2 == 0
    code = pl.when((family == "HS") & code.str.contains(r"^\d+$") & ~even).then("0" + code).otherwise(code)
    formed = pl.coalesce(
        *(
            pl.when(family == c.family).then(code.str.contains(f"^(?:{c.pattern})$"))
            for c in CLASSIFICATIONS.values()
            if c.name == c.family
        ),
        pl.lit(False),
    )
    short = (family != "HS") & (code.str.len_chars() < level)
    total = code.str.to_uppercase().is_in(["TOTAL", "ALL", "AG0"])
    return pl.when(total).then(pl.lit("TOTAL")).when(formed & ~short.fill_null(False)).then(code)


def _most_frequent(told: Sequence[_Told]) -> str | None:
    """The classification of most rows that name a product; of two as frequent HS, and its later edition."""
    named = pl.concat([raw.filter(pl.col("_digits") > 0)["_classification"] for _, raw, _, _ in told]).drop_nulls()
    counts = named.value_counts().rows()
    return (
        max(counts, key=lambda c: (c[1], HS_EDITIONS.index(c[0]) if c[0] in HS_EDITIONS else -1))[0] if counts else None
    )


def _most_detailed(told: Sequence[_Told], chosen: str | None, *, filtered: bool) -> int:
    of = [raw.filter(_chosen(chosen)) if chosen else raw for _, raw, _, _ in told]
    found = [int(most) for raw in of if (most := raw["_digits"].max()) is not None]  # type: ignore[arg-type]
    if not found and not chosen and not filtered:
        raise InputError("no row names a product", where=", ".join(file.name for file, *_ in told))
    return max(found, default=0)


def _chosen(chosen: str) -> pl.Expr:
    names = [name for name in CLASSIFICATIONS if _in(name, chosen)]
    return pl.col("_classification").is_in(names).fill_null(False)


def _part(
    file: Opened,
    raw: pl.DataFrame,
    odd: dict[int, list[str]],
    names: _Names,
    side: Side,
    partner: str,
    digits: int,
    chosen: str | None,
) -> Part:
    imports = pl.col("_kind") == "M"
    reporter, other = pl.col(names.reporter), pl.col(names.partner)
    item = (
        pl.when(pl.col("_digits") == 0).then(pl.lit("TOTAL")).otherwise(pl.format("{}:{}", "_classification", "_code"))
    )
    weight = pl.col(names.weight).cast(pl.Float64, strict=False) if names.weight in raw.columns else None
    columns = Columns(
        period=pl.col("_period"),
        origin=pl.when(imports).then(other).otherwise(reporter),
        destination=pl.when(imports).then(reporter).otherwise(other),
        item=item,
        value=pl.col(names.value),
        scheme="baci",
        quantity=pl.when(weight.ne_missing(0.0)).then(pl.col(names.weight)) if weight is not None else None,
        quantity_scale=_KG_PER_T,
        quantity_unit="t",
    )
    first = load_declaration("comtrade").first_year
    rules = [*_rules(raw, names, side, partner), *_level_rules(digits, chosen)]
    return to_flows(
        file, raw, odd, columns, first_year=first, extra=rules, sums="keep" if partner == "world" else "reject"
    )


def _level_rules(digits: int, chosen: str | None) -> Rules:
    other = ~_chosen(chosen) & pl.col("_classification").is_not_null() if chosen else pl.lit(False)
    return [(Reason.OTHER_CLASSIFICATION, other), (Reason.SUBTOTAL, pl.col("_digits") != digits)]


def _rules(raw: pl.DataFrame, names: _Names, side: Side, partner: str) -> Rules:
    kind, world = pl.col("_kind"), pl.col(names.partner).str.strip_chars_start("0") == ""
    breakdown = [~pl.col(column).is_in(whole) for column, whole in names.breakdowns.items() if column in raw.columns]
    rules: list[tuple[Reason, pl.Expr]] = [
        (Reason.RE_TRADE, kind.is_in(["RX", "RM"])),
        (Reason.OTHER_FLOW, kind.is_null()),
        (Reason.BREAKDOWN, pl.any_horizontal(pl.lit(False), *breakdown)),
    ]
    if "typeCode" in raw.columns:
        rules.append((Reason.OTHER_FLOW, pl.col("typeCode") != "C"))
    if side != "both":
        rules.append((Reason.OTHER_SIDE, kind != ("M" if side == "importer" else "X")))
    if partner == "world":
        rules.append((Reason.NOT_ASKED, ~world))
    return rules


_PAIR = ["period", "origin", "destination"]


def _edition() -> pl.Expr:
    return pl.col("item").str.extract(r"^([^:]+):", 1).alias("_edition")


def _one_edition(parts: list[Part]) -> list[Part]:
    """Of what one side tells of a pair and period in several editions, keep the edition that is most frequent in all.

    A reporter's trade is sometimes handed out in its own edition and, converted, in an older one.
    """
    told = pl.concat([_told(p).select(*_PAIR, "_kind", "_edition") for p in parts])
    often = (
        told["_edition"].drop_nulls().value_counts(sort=True, name="_rows").sort(["_rows", "_edition"], descending=True)
    )
    rank = often.with_row_index("_rank").select("_edition", "_rank")
    best = told.unique().join(rank, on="_edition").group_by(*_PAIR, "_kind").agg(pl.col("_rank").min().alias("_best"))
    out = []
    for part in parts:
        seen = _told(part).join(rank, on="_edition").join(best, on=[*_PAIR, "_kind"])
        out.append(_giving_back(part, seen.filter(pl.col("_rank") > pl.col("_best")), Reason.OTHER_CLASSIFICATION))
    return out


def _without_mirrors(parts: list[Part]) -> list[Part]:
    """Leave out what exporters say of flows that importers tell of, be it in another edition."""
    key = [k for k in FLOWS.key if k != "layer"]
    imports = pl.concat([_told(p).filter(pl.col("_kind") == "M").select(*key, "_edition") for p in parts])
    items, pairs = imports.select(key).unique(), imports.select(*_PAIR, _other="_edition").unique(_PAIR)
    out = []
    for part in parts:
        exports = _told(part).filter(pl.col("_kind") == "X")
        same = exports.join(items, on=key, how="semi").select("row")
        other = exports.join(pairs, on=_PAIR).filter(pl.col("_edition") != pl.col("_other")).select("row")
        out.append(_giving_back(part, pl.concat([same, other]).unique(), Reason.OTHER_SIDE))
    return out


def _told(part: Part) -> pl.DataFrame:
    """The part's flows with who told them (`_kind`) and in which edition."""
    kinds = part.raw.select(pl.col("row").cast(pl.Int64), "_kind")
    return part.flows.join(kinds, on="row", how="left").with_columns(_edition())


def _giving_back(part: Part, rows: pl.DataFrame, reason: Reason) -> Part:
    """The part with the flows of `rows` rejected."""
    rows = rows.select("row")
    raw = part.raw.with_columns(pl.col("row").cast(pl.Int64)).join(rows, on="row", how="semi")
    record = [c for c in raw.columns if c != "row" and not c.startswith("_")]
    rejected = as_rejected(raw.with_columns(reason=pl.lit(str(reason))), file=part.file.name, record=record)
    kept = part.flows.join(rows, on="row", how="anti", maintain_order="left")
    return replace(part, flows=kept, rejected=pl.concat([part.rejected, rejected]))


def _told_elsewhere(parts: list[Part], chosen: str | None, digits: int, partner: str) -> tuple[Check, ...]:
    """Do the rows in other classifications tell only of pairs and periods that are read? Else trade is missing."""
    if not chosen:
        return ()
    left, read = [], []
    for part in parts:
        names = _NEW if _NEW.reporter in part.file.columns else _OLD
        who = part.raw.filter(pl.col("_kind").is_in(["M", "X"]) & (pl.col("_digits") > 0))
        if partner == "bilateral":
            who = who.filter(pl.col(names.partner).str.strip_chars_start("0") != "")
        imports = pl.col("_kind") == "M"
        ends = (pl.col(names.reporter), pl.col(names.partner))
        told = who.select(
            "_classification",
            period="_period",
            origin=pl.when(imports).then(ends[1]).otherwise(ends[0]),
            destination=pl.when(imports).then(ends[0]).otherwise(ends[1]),
            mine=_chosen(chosen) & (pl.col("_digits") == digits),
        )
        left.append(told.filter(~_chosen(chosen) & pl.col("_classification").is_not_null()))
        read.append(told.filter("mine"))
    others = pl.concat(left)
    if others.is_empty():
        return ()
    missing = others.join(pl.concat(read), on=_PAIR, how="anti")
    names_of = ", ".join(missing["_classification"].unique().sort())
    found = (
        f"{missing.height} rows in {names_of} of pairs and periods not told in {chosen}" if missing.height else "all"
    )
    expected = f"rows in other classifications say again what {chosen} says (option classification=HS reads all of HS)"
    return (Check("one classification", expected, found, missing.is_empty()),)

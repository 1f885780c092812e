"""What a row of BACI is, when it is not taken, and how it becomes a row of FLOWS. All lazy: a year has 11 million."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import polars as pl

from weaponized_interdependence.harmonize.economies import code_map, economies, keys_of_kind
from weaponized_interdependence.sources.baci_files import BaciFiles
from weaponized_interdependence.sources.declaration import load_declaration
from weaponized_interdependence.sources.files import Opened, scan
from weaponized_interdependence.sources.reading import Reason, reason_of
from weaponized_interdependence.sources.rows import chapters

TOTAL = -1  # k of a row that is the sum over products
USD = 1000.0  # v is thousand USD
MOST = 1e15  # USD in one row: ten times world product
_TYPED = {"t": pl.Int32, "i": pl.Int32, "j": pl.Int32, "k": pl.Int32, "v": pl.Float64, "q": pl.Float64}
# Codes of unions that reported as one, and the code of the member that BACI still writes so afterwards, as its own
# dictionary says: Belgium-Luxembourg (BLX) -> Belgium, the Southern African Customs Union (SACU) -> South Africa. The
# last year of each union is in economies.csv.
AFTER_UNION = {58: ("BLX", 56), 711: ("SACU", 710)}
# level -> (what k is divided by, digits left)
LEVELS = {"hs6": (1, 6), "hs4": (100, 4), "hs2": (10_000, 2), "total": (0, 0)}


@dataclass(frozen=True)
class Job:
    """The files of one reading and everything its rows are judged by.

    `typed` reads CSV cells as numbers, which is fast and raises on a cell that is none; otherwise as text, and `odd`
    then holds the rows whose number of cells is wrong (file number -> row -> cells).
    """

    files: BaciFiles
    level: str = "hs6"
    years: Sequence[int] | None = None
    reject_products: bool = False
    typed: bool = True
    odd: Mapping[int, Mapping[int, list[str]]] = field(default_factory=dict)
    totals_are_extra: tuple[int, ...] = ()  # years whose TOTAL stands beside products

    @cached_property
    def economies(self) -> pl.DataFrame:
        """Columns code, iso (Enum), n (a small number for the key). Sums over economies are not in it."""
        known = code_map("baci").select(pl.col("code").cast(pl.Int32), "iso3").unique("code")
        own = pl.DataFrame(
            list(self.files.countries.items()), schema={"code": pl.Int32, "iso3": pl.String}, orient="row"
        )
        table = pl.concat([known, own.join(known, on="code", how="anti")])
        table = table.filter(~pl.col("iso3").is_in(keys_of_kind("aggregate"))).sort("code")
        iso = pl.Enum(table["iso3"].unique().sort())
        # n follows the order of BACI's own codes, so that the keys of a file sorted by code come sorted
        main = economies().select("iso3", main=pl.col("baci").cast(pl.Int32))
        table = table.join(main, on="iso3", how="left", maintain_order="left")
        n = pl.coalesce("main", pl.col("code").min().over("iso3")).rank("dense").cast(pl.Int64)
        return table.select("code", iso=pl.col("iso3").cast(iso), n=n)

    @cached_property
    def rules(self) -> list[tuple[Reason, pl.Expr]]:
        """Why a row is not taken, in the order in which reasons are named."""
        t, k, v, q = (pl.col(c) for c in "tkvq")
        ends = [pl.col("i"), pl.col("j")]
        sums = code_map("baci").filter(pl.col("iso3").is_in(keys_of_kind("aggregate")) & (pl.col("iso3") != "WLD"))
        groups = sums["code"].cast(pl.Int32).unique().to_list()
        listed = self.files.products if self.reject_products else None
        # typed cells are numbers, so none of them is TOTAL
        total = pl.lit(False) if self._all_typed else k == TOTAL
        unlisted = pl.lit(False) if listed is None else ~total & ~k.is_in(listed.to_list())
        return [
            (Reason.MALFORMED, pl.col("odd")),
            (Reason.BAD_PERIOD, t.is_null() | (t < load_declaration("baci").first_year)),
            (Reason.FUTURE_PERIOD, t > date.today().year),
            (Reason.WORLD_PARTNER, (ends[0] == 0) | (ends[1] == 0)),
            (Reason.GROUP_PARTNER, ends[0].is_in(groups) | ends[1].is_in(groups)),
            (Reason.UNKNOWN_ORIGIN, pl.col("origin").is_null()),
            (Reason.UNKNOWN_DESTINATION, pl.col("destination").is_null()),
            (Reason.UNKNOWN_ITEM, k.is_null() | ((k < 10_000) & ~total) | (k > 999_999) | _no_chapter(k) | unlisted),
            (Reason.SUBTOTAL, total & t.is_in(list(self.totals_are_extra)) if self.totals_are_extra else pl.lit(False)),
            (Reason.MISSING_VALUE, pl.col("empty")),
            (Reason.NOT_A_NUMBER, v.is_null() | pl.col("odd_q")),
            (Reason.NOT_FINITE, ~v.is_finite() | ~q.is_finite()),
            (Reason.NEGATIVE, (v < 0) | (q < 0)),
            (Reason.TOO_LARGE, v > MOST / USD),
        ]

    def judged(self, *, numbered: bool = False) -> pl.LazyFrame:
        """Every row with something in it: typed cells, economies and `good`; `numbered` adds `file` and `row`."""
        rows = pl.concat(self._rows_of(n, numbered=numbered) for n in range(len(self.files.data)))
        if self.years:
            rows = rows.filter(pl.col("t").is_in(list(self.years)) | pl.col("t").is_null())
        for code, end in (("i", "origin"), ("j", "destination")):
            side = self.economies.select(
                pl.col("code").alias(code), pl.col("iso").alias(end), pl.col("n").alias(f"n{code}")
            )
            rows = rows.join(side.lazy(), on=code, how="left", maintain_order="left")
        # Codes of sums over economies are unknown to `economies`, so those two rules need not be asked here.
        asked = [b for r, b in self.rules if r not in (Reason.WORLD_PARTNER, Reason.GROUP_PARTNER)]
        # A null condition is not broken.
        return rows.with_columns(good=~pl.any_horizontal(asked).fill_null(False))

    def other_years(self) -> dict[str, int]:
        """Rows of years that were not asked for, by year."""
        if not self.years:
            return {}
        t = pl.concat(self._rows_of(n, numbered=False).select("t") for n in range(len(self.files.data)))
        other = t.filter(pl.col("t").is_not_null() & ~pl.col("t").is_in(list(self.years)))
        found = other.group_by("t").agg(rows=pl.len()).sort("t").collect(engine="streaming")
        return {str(year): int(rows) for year, rows in found.iter_rows()}

    def years_told_twice(self) -> tuple[int, ...]:
        """Years that have both products and their sum, TOTAL."""
        total = pl.col("k") == TOTAL
        years = self.judged().filter("good").group_by("t").agg(both=total.any() & ~total.all())
        return tuple(years.filter("both").select("t").collect(engine="streaming").to_series().sort())

    def bad(self, judged: pl.LazyFrame) -> pl.LazyFrame:
        """The rows not taken, with `reason`; lines with nothing in them are no rows."""
        nothing = pl.all_horizontal(pl.col(*"tijk").is_null(), pl.col("empty"), ~pl.col("odd"))
        return judged.filter(~pl.col("good") & ~nothing).with_columns(reason=reason_of(self.rules))

    def key(self) -> pl.Expr:
        """Year, exporter, importer and product in one whole number: 12 + 12 + 12 + 20 bits."""
        t, k = pl.col("t").cast(pl.Int64), pl.col("k").cast(pl.Int64)
        return (((t * 4096 + pl.col("ni")) * 4096 + pl.col("nj")) * (1 << 20) + k + 1).alias("key")

    def flows(self, good: pl.LazyFrame) -> pl.LazyFrame:
        """Good rows as FLOWS at the level asked. Text whose values are known beforehand is Enum: see streaming."""
        years = pl.DataFrame({"t": range(1900, 2101)}, schema={"t": pl.Int32})
        years = years.with_columns(
            period=pl.col("t").cast(pl.String).cast(pl.Enum([str(y) for y in range(1900, 2101)]))
        )
        flows = good.join(years.lazy(), on="t", how="left", maintain_order="left").select(
            "period", "origin", "destination", item=self._item(), value=pl.col("v") * USD, quantity=pl.col("q")
        )
        if self.level != "hs6":
            key = ["period", "origin", "destination", "item"]
            # A sum of tons is known only if each part is.
            tons = pl.when(pl.col("quantity").null_count() == 0).then(pl.col("quantity").sum())
            flows = flows.group_by(key).agg(pl.col("value").sum(), tons.alias("quantity")).sort(key)
        constants = {"layer": "goods", "quantity_unit": "t", "unit": "USD", "basis": "observed"}
        return flows.with_columns(pl.lit(text, pl.Enum([text])).alias(name) for name, text in constants.items())

    def _item(self) -> pl.Expr:
        cut, digits = LEVELS[self.level]
        if not cut:
            return pl.lit("TOTAL", pl.Enum(["TOTAL"]))
        number = pl.col("k") if cut == 1 else pl.col("k") // cut
        code = pl.lit(f"{self.files.edition}:") + number.cast(pl.String).str.zfill(digits)
        return code if self._all_typed else pl.when(pl.col("k") == TOTAL).then(pl.lit("TOTAL")).otherwise(code)

    @property
    def _all_typed(self) -> bool:
        return self.typed and all(f.layout is not None for f in self.files.data)

    def _rows_of(self, n: int, *, numbered: bool) -> pl.LazyFrame:
        file = self.files.data[n]
        typed = self.typed and file.layout is not None
        row = "row" if numbered or not self.typed else None
        raw = scan(file, _TYPED, row=row, missing=missing_spellings(file)) if typed else scan(file, row=row)
        types = raw.collect_schema()
        v, q = _stripped("v", types), _stripped("q", types)
        number = q.cast(pl.Float64, strict=False)
        rows = self.odd.get(n, {})
        year = _whole("t", types)
        return raw.select(
            *([pl.lit(n, pl.Int32).alias("file"), pl.col("row").cast(pl.Int64)] if numbered else []),
            year.alias("t"),
            *(_member_after_union(_whole(c, types), year).alias(c) for c in "ij"),
            pl.coalesce(_union_after(_whole(c, types), year) for c in "ij").alias("union"),
            _product(types).alias("k"),
            v.cast(pl.Float64, strict=False).alias("v"),
            number.alias("q"),
            empty=v.is_null(),
            odd_q=q.is_not_null() & number.is_null() if types.get("q") == pl.String else pl.lit(False),
            odd=pl.col("row").is_in(list(rows)) if rows else pl.lit(False),
        )


def _member_after_union(code: pl.Expr, year: pl.Expr) -> pl.Expr:
    over = _union_after(code, year)
    for union, (_, member) in AFTER_UNION.items():
        code = pl.when(over == union).then(pl.lit(member, pl.Int32)).otherwise(code)
    return code


def _union_after(code: pl.Expr, year: pl.Expr) -> pl.Expr:
    """The code of a union in a year after its end, else null."""
    over = pl.lit(False)
    for union, (iso3, _) in AFTER_UNION.items():
        over = over | ((code == union) & (year > union_end(iso3)))
    return pl.when(over).then(code)


def union_end(iso3: str) -> int:
    """The last year of a dissolved union."""
    ended = economies().filter(pl.col("iso3") == iso3)
    return int(ended["valid_to"].dt.year().item())


def _no_chapter(k: pl.Expr) -> pl.Expr:
    """Does the product lie in a chapter that HS does not have (77 is kept free)?"""
    none = [n for n in range(1, 100) if f"{n:02d}" not in chapters()]
    return pl.any_horizontal(k.is_between(n * 10_000, n * 10_000 + 9_999) for n in none)


def missing_spellings(file: Opened) -> list[str]:
    """How the file writes a missing number: NA, padded with blanks to the width of its column.

    Looked up in the first megabyte. A width that only comes later is no harm: the file is then read as text.
    """
    with file.path.open("rb") as stream:
        head = stream.read(1 << 20)
    return ["NA", *sorted({found.decode() for found in re.findall(rb"(?<=[,;\t]) +NA *(?=[,;\t\r\n])", head)})]


def _stripped(name: str, types: Mapping[str, pl.DataType]) -> pl.Expr:
    if name not in types:
        return pl.lit(None, pl.Float64)
    if types[name] != pl.String:
        return pl.col(name)
    text = pl.col(name).str.strip_chars()
    return pl.when((text != "") & (text != "NA")).then(text)


def _whole(name: str, types: Mapping[str, pl.DataType]) -> pl.Expr:
    kind = types[name]
    if kind == pl.Int32:
        return pl.col(name)
    if kind == pl.String:  # 2021.0 is how a spreadsheet saves 2021
        return pl.col(name).str.strip_chars().str.replace(r"\.0+$", "").cast(pl.Int32, strict=False)
    if kind.is_float():
        return pl.when(pl.col(name) == pl.col(name).round()).then(pl.col(name)).cast(pl.Int32, strict=False)
    return pl.col(name).cast(pl.Int32, strict=False)


def _product(types: Mapping[str, pl.DataType]) -> pl.Expr:
    number = _whole("k", types)
    if types["k"] != pl.String:
        return number
    total = pl.col("k").str.strip_chars().str.to_uppercase() == "TOTAL"
    return pl.when(total).then(pl.lit(TOTAL, pl.Int32)).when(number >= 0).then(number)

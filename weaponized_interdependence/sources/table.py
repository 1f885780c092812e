"""Any table of flows: a CSV, Parquet or Arrow file whose columns the user names."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError, nearest
from weaponized_interdependence.harmonize.economies import SCHEMES
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sources.declaration import load_declaration
from weaponized_interdependence.sources.files import Opened, opened, require, text_frame
from weaponized_interdependence.sources.reading import Reading, Reason
from weaponized_interdependence.sources.rows import Columns, Part, gather, to_flows
from weaponized_interdependence.terms import Basis, Layer

_NEEDED = ("period", "origin", "destination", "value")
# What a column is taken to be where neither `columns` nor `constants` says otherwise.
_DEFAULTS = {"layer": "goods", "item": "TOTAL", "unit": "USD", "basis": "observed"}


def read_table(
    paths: Sequence[Path],
    *,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    scheme: str | None = "any",
    scale: float = 1.0,
    prefix: str = "",
    delimiter: str = ",",
    decimal: Literal[".", ","] = ".",
    encoding: str = "utf-8",
    keep_sums: bool = False,
) -> Reading:
    """Read any table into FLOWS by naming its columns.

    Parameters
    ----------
    columns
        FLOWS column -> column of the file: {"period": "Year", "origin": "from", "destination": "to", "value": "usd_m"}.
        A FLOWS column that is not named here is taken from a column of the same name, if the file has it.
    constants
        FLOWS column -> one text for all rows: {"period": "2021", "layer": "claims", "unit": "USD"}. Without more: layer
        goods, item TOTAL, unit USD, basis observed.
    scheme
        Of the codes of origin and destination (`any`: ISO3, ISO2, names, M49 mixed); `none` takes them as node ids of
        your own.
    scale
        The value is multiplied by it: 1e6 for million USD.
    prefix
        Put before each item code that has no classification yet: `HS17:`.
    delimiter, encoding
        Of a CSV; `tab` is a tab.
    decimal
        The sign before the decimals of value and quantity: `,` reads 1,5 as one and a half. A column that has both
        signs is refused, because 1.000 may then be one or a thousand.
    keep_sums
        Take rows whose origin or destination is World or a group, in place of rejecting them.

    Notes
    -----
    All rows of all files must have one unit: those in another than the most frequent are rejected as `unit differs`.
    Items of a known classification must be codes of it (HS:2709, not HS:27090). Layer and basis are read from their
    columns in the words of `wi explain`.
    """
    given = {**_DEFAULTS, **(constants or {})}
    named = dict(columns or {})
    _check_words(named, given, scheme)
    delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    _check_signs(scale, delimiter, decimal)
    with opened(paths, delimiters=(delimiter,), encoding=encoding) as files:
        maps = []
        for file in files:
            own = {c: c for c in FLOWS.schema if c in file.columns and c not in (constants or {})}
            found = own | named
            missing = [c for c in _NEEDED if c not in found and c not in given]
            if missing:
                have = ", ".join(file.columns[:20])
                mend = (
                    "option columns: period=YOUR_COLUMN, or constants: period=2021 "
                    "(on the command line: --option columns=period:Year,origin:from --option constants=period:2021)"
                )
                raise UsageError(
                    f"does not know where to find {', '.join(missing)}; the file has {have}", where=file.name, mend=mend
                )
            require(file, list(found.values()))
            if "row" in found.values():
                mend = "rename it in the file: in the tool that name is the row number"
                raise UsageError("cannot map a column called 'row'", where=file.name, mend=mend)
            maps.append(_Map(file, *text_frame(file), found, given))
        usual = _usual_unit(maps)
        known = None if scheme in (None, "none") else scheme
        parts = [_part(m, known, scale, prefix, decimal, usual, keep_sums=keep_sums) for m in maps]
        return gather("table", parts, files, scope="extract")


@dataclass(frozen=True)
class _Map:
    """A file's rows and where the columns of FLOWS stand in them: in `found` by name, else as a constant in `given`."""

    file: Opened
    raw: pl.DataFrame
    odd: dict[int, list[str]]
    found: Mapping[str, str]
    given: Mapping[str, str]

    def cell(self, name: str) -> pl.Expr:
        return pl.col(self.found[name]) if name in self.found else pl.lit(self.given[name])

    def text(self, name: str) -> pl.Expr:
        return self.cell(name).cast(pl.String)


def _usual_unit(maps: Sequence[_Map]) -> str:
    """The unit of most rows; of two as frequent the first by name."""
    units = pl.concat([m.raw.select(pl.lit(0), unit=m.text("unit"))["unit"] for m in maps]).drop_nulls()
    return str(units.mode().sort()[0]) if len(units) else maps[0].given["unit"]


def _part(
    table: _Map, scheme: str | None, scale: float, prefix: str, decimal: str, usual: str, *, keep_sums: bool
) -> Part:
    found, item = table.found, table.text("item")
    layers, bases = [str(x) for x in Layer], [str(x) for x in Basis]
    notes = [note for name in ("value", "quantity") if name in found and (note := _decimals(table, name, decimal))]

    def number(name: str) -> pl.Expr:
        cell = table.cell(name)
        text = name in found and table.raw.schema[found[name]] == pl.String
        return cell.str.replace(",", ".", literal=True) if text and decimal == "," else cell

    tons = "quantity_unit" in found or "quantity_unit" in table.given
    made = Columns(
        period=_period(table.cell("period"), table.raw.schema.get(found.get("period", ""))),
        origin=table.text("origin"),
        destination=table.text("destination"),
        item=pl.when(item.str.contains(":") | (item == "TOTAL")).then(item).otherwise(pl.lit(prefix) + item),
        value=number("value"),
        scheme=scheme,
        scale=scale,
        quantity=number("quantity") if "quantity" in found else None,
        quantity_unit=table.text("quantity_unit") if tons else None,
        unit=usual,
        layer=table.text("layer"),
        basis=table.text("basis"),
    )
    extra = [
        (Reason.MIXED_UNIT, (table.text("unit") != usual).fill_null(True)),
        (Reason.OTHER_FLOW, ~table.text("layer").is_in(layers).fill_null(False)),
        (Reason.OTHER_FLOW, ~table.text("basis").is_in(bases).fill_null(False)),
    ]
    first, sums = load_declaration("table").first_year, "keep" if keep_sums else "reject"
    part = to_flows(table.file, table.raw, table.odd, made, first_year=first, extra=extra, sums=sums)  # type: ignore[arg-type]
    return replace(part, notes=(*part.notes, *notes))


def _decimals(table: _Map, name: str, decimal: str) -> str:
    """A note if numbers seem to be written with a decimal comma; InputError if they are in two ways."""
    column = table.found[name]
    if table.raw.schema[column] != pl.String:
        return ""
    number = table.raw.filter(pl.col(column).str.contains(r"^[-+]?[\d.,]*\d[\d.,]*$")).select("row", column)
    # 1,500 may have a comma for thousands; 1,5 and 1.500,0 cannot
    commas = number.filter(pl.col(column).str.contains(r",(?:\d{1,2}|\d{4,})$|\..*,|,.*,\d{1,2}$"))
    if decimal == ",":
        commas = number.filter(pl.col(column).str.contains(",", literal=True))
    dots = number.filter(pl.col(column).str.contains(".", literal=True))
    if dots.height and (decimal == "," or commas.height):
        faults = [
            Fault(f"{cell!r}", f"row {row}") for frame in (commas, dots) for row, cell in frame.head(1).iter_rows()
        ]
        raise InputError(
            f"column {column!r} has numbers with a point, where the decimal sign is a comma"
            if decimal == ","
            else f"column {column!r} has numbers with a comma and numbers with a point: which is the decimal sign?",
            where=table.file.name,
            mend="write all with one decimal sign and none for thousands",
            faults=faults,
        )
    if decimal == "." and commas.height:
        name = Path(table.file.name).name
        return (
            f"{name}: {commas.height} cells of {column!r} have a decimal comma: option decimal=, reads them "
            "(on the command line: --option decimal=,)"
        )
    return ""


def _check_signs(scale: float, delimiter: str, decimal: str) -> None:
    faults = []
    if not (math.isfinite(scale) and scale > 0):
        faults.append(Fault(f"scale is {scale}", mend="a number above zero, such as 1e6 for millions"))
    if len(delimiter) != 1 or len(delimiter.encode()) != 1 or delimiter in '"\r\n':
        faults.append(Fault(f"delimiter is {delimiter!r}", mend="one plain character, or tab"))
    if decimal not in (".", ","):
        faults.append(Fault(f"decimal is {decimal!r}", mend="a point or a comma"))
    elif decimal == delimiter:
        faults.append(Fault("decimal and delimiter are the same", mend="name the delimiter, such as delimiter=;"))
    if faults:
        raise UsageError("cannot read numbers so", faults=faults)


def _period(cell: pl.Expr, kind: pl.DataType | None) -> pl.Expr:
    """Years saved as 2021.0, dates and months as dates become 2021 and 2021-07; other text stays as it is."""
    if kind is not None and kind.is_temporal():
        return cell.dt.strftime("%Y-%m")
    return cell.cast(pl.String).str.replace(r"^(\d{4})\.0+$", "$1")


def _check_words(named: Mapping[str, str], given: Mapping[str, str], scheme: str | None) -> None:
    faults = []
    for word in [*named, *given]:
        if word not in FLOWS.schema:
            close = nearest(word, list(FLOWS.schema))
            faults.append(Fault(f"FLOWS has no column {word!r}", mend=f"did you mean {close[0]}?" if close else ""))
    if scheme not in (None, "none") and scheme not in SCHEMES:
        faults.append(Fault(f"no code scheme {scheme!r}", mend=f"one of {', '.join(SCHEMES)} or none"))
    for word, vocabulary in (("layer", Layer), ("basis", Basis)):
        allowed = [str(x) for x in vocabulary]
        if word not in named and given[word] not in allowed:
            faults.append(Fault(f"no {word} {given[word]!r}", mend=f"one of {', '.join(allowed)}"))
    if faults:
        raise UsageError("cannot map the columns", mend=f"FLOWS has {', '.join(FLOWS.schema)}", faults=faults)

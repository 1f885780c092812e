"""Any table of flows: a CSV, Parquet or Arrow file whose columns the user names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import Fault, UsageError, nearest
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
        Of a CSV.
    keep_sums
        Take rows whose origin or destination is World or a group, in place of rejecting them.

    Notes
    -----
    If the file has a unit column, all rows must have one unit: those in another than the most frequent are rejected as
    `unit differs`. Layer and basis are read from their columns in the words of `wi explain`.
    """
    given = {**_DEFAULTS, **(constants or {})}
    named = dict(columns or {})
    _check_words(named, given, scheme)
    delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    with opened(paths, delimiters=(delimiter,), encoding=encoding) as files:
        parts = []
        for file in files:
            own = {c: c for c in FLOWS.schema if c in file.columns and c not in (constants or {})}
            found = own | named
            missing = [c for c in _NEEDED if c not in found and c not in given]
            if missing:
                have = ", ".join(file.columns[:20])
                mend = "pass columns={'period': 'YOUR_COLUMN', ...} or constants={'period': '2021'}"
                raise UsageError(
                    f"does not know where to find {', '.join(missing)}; the file has {have}", where=file.name, mend=mend
                )
            require(file, list(found.values()))
            if "row" in found.values():
                mend = "rename it in the file: in the tool that name is the row number"
                raise UsageError("cannot map a column called 'row'", where=file.name, mend=mend)
            parts.append(
                _part(file, found, given, None if scheme in (None, "none") else scheme, scale, prefix, keep_sums)
            )
        return gather("table", parts, files, scope="extract")


def _part(
    file: Opened,
    found: Mapping[str, str],
    given: Mapping[str, str],
    scheme: str | None,
    scale: float,
    prefix: str,
    keep_sums: bool,
) -> Part:
    raw, odd = text_frame(file)

    def cell(name: str) -> pl.Expr:
        return pl.col(found[name]) if name in found else pl.lit(given[name])

    item = cell("item").cast(pl.String)
    unit = cell("unit").cast(pl.String)
    units = raw.select(unit.alias("unit"))["unit"].drop_nulls()
    usual = units.mode().sort()[0] if len(units) else given["unit"]
    layers, bases = [str(x) for x in Layer], [str(x) for x in Basis]
    basis = raw.select(cell("basis").cast(pl.String).alias("basis"))["basis"].drop_nulls()
    weakest = max(basis.unique().to_list(), key=lambda b: bases.index(b) if b in bases else -1, default="observed")
    made = Columns(
        period=_period(cell("period"), raw.schema.get(found.get("period", ""))),
        origin=cell("origin").cast(pl.String),
        destination=cell("destination").cast(pl.String),
        item=pl.when(item.str.contains(":") | (item == "TOTAL")).then(item).otherwise(pl.lit(prefix) + item),
        value=cell("value"),
        scheme=scheme,
        scale=scale,
        quantity=cell("quantity") if "quantity" in found else None,
        quantity_unit=given.get("quantity_unit"),
        unit=str(usual),
        layer=cell("layer").cast(pl.String),
        basis=str(weakest),
    )
    extra = [
        (Reason.MIXED_UNIT, (unit != usual).fill_null(True)),
        (Reason.OTHER_FLOW, ~cell("layer").cast(pl.String).is_in(layers).fill_null(False)),
        (Reason.OTHER_FLOW, ~cell("basis").cast(pl.String).is_in(bases).fill_null(False)),
    ]
    first = load_declaration("table").first_year
    return to_flows(file, raw, odd, made, first_year=first, extra=extra, sums="keep" if keep_sums else "reject")


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

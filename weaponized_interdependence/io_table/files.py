"""The table as one Parquet file in long form, and back."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.io_table.accounts import refuse_unbalanced
from weaponized_interdependence.io_table.container import Array, IOTable

_FORM = "IO_TABLE"
_KINDS = ("Z", "Y", "VA", "other", "x", "discrepancy")
_LABELS = ("economies", "sectors", "demands", "sector_names", "notes")
_ABOUT = ("period", "classification", "unit", "basis", "publisher")


def write_table(table: IOTable, path: str | Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write the table as one Parquet file in long form: one row a cell that is not zero.

    Columns: kind (Z, Y, VA, other, x, discrepancy), row_economy, row_sector, column_economy, column (a sector or a
    final-demand category), value. VA and other have no row, x and discrepancy no column (null). Labels, their order,
    period, unit, classification, basis, publisher and notes are in the file's metadata, so that a table whose last
    sector is all zero comes back whole. The same table always gives the same bytes.

    In DuckDB: `select column_economy, sum(value) from 't.parquet' where kind = 'VA' group by 1`.
    """
    from weaponized_interdependence import exports

    path = Path(path)
    if path.suffix.lower() != ".parquet":
        raise UsageError(f"an input-output table is written as Parquet, not {path.name!r}", mend="end it in .parquet")
    about = {
        "table": _FORM,
        "labels": json.dumps({k: list(getattr(table, k)) for k in _LABELS}, ensure_ascii=False),
        **{k: str(getattr(table, k)) for k in _ABOUT},
    }
    exports.write(_long(table), path, metadata={**(metadata or {}), **about})


def read_table(path: str | Path, *, balanced: bool = True) -> IOTable:
    """Read a table back from the Parquet file of `write_table`, to the last bit.

    Parameters
    ----------
    path
        The file.
    balanced
        Refuse a table whose accounts do not add up (`refuse_unbalanced`); False reads it as it is, to look into it.

    Raises
    ------
    InputError
        Not such a file, one whose rows do not fit its labels, or whose accounts do not add up, with every fault.
    """
    from weaponized_interdependence import exports

    path = Path(path)
    try:
        about = exports.read_metadata(path)
        labels = json.loads(about["labels"]) if about.get("table") == _FORM else None
        labels = labels if isinstance(labels, dict) else None
        cells = pl.read_parquet(path, glob=False) if labels is not None else pl.DataFrame()
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), mend="check the path") from error
    except (OSError, ValueError, KeyError, RecursionError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}",
            where=str(path),
            mend="is it whole?",
        ) from error
    if labels is None:
        raise InputError(
            "not an input-output table file",
            where=str(path),
            mend="give what `wi load wiod` or `wi load icio` wrote (write_table)",
        )
    if lacking := [k for k in _LABELS if k not in labels] + [k for k in _ABOUT if k not in about]:
        raise InputError(
            f"its metadata lacks {', '.join(lacking)}",
            where=str(path),
            mend="give what `wi load wiod` or `wi load icio` wrote (write_table)",
        )
    if wrong := [k for k in _LABELS if not _is_text_list(labels[k])]:
        raise InputError(f"its labels {', '.join(wrong)} are no lists of text", where=str(path), mend="is it damaged?")
    named = {k: tuple(labels[k]) for k in _LABELS}
    n, j, f = len(named["economies"]), len(named["sectors"]), len(named["demands"])
    coded = _coded(cells, named, str(path))
    arrays = {}
    for kind in _KINDS:
        cells_of = coded.filter(pl.col("kind") == kind)
        row, to, value = (cells_of[c].to_numpy() for c in ("row", "to", "value"))
        array = np.zeros({"Z": (n * j, n * j), "Y": (n * j, n * f)}.get(kind, (n * j,)))
        match kind:
            case "Z":
                array[row, to] = value
            case "Y":
                array[row, to - n * j] = value
            case "x" | "discrepancy":
                array[row] = value
            case _:
                array[to] = value
        arrays[kind] = array
    table = IOTable(**named, **arrays, **{k: about[k] for k in _ABOUT})  # type: ignore[arg-type]
    if balanced:
        refuse_unbalanced(table, where=str(path))
    return table


def _is_text_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _long(table: IOTable) -> pl.DataFrame:
    """The cells that are not zero, first as numbers of row and column (Y after Z), then with their names."""
    n, j, f = table.size
    parts = []
    for kind in _KINDS:
        array: Array = getattr(table, kind)
        at = np.nonzero(array)
        part = {"row": at[0].astype(np.int64), "to": at[-1].astype(np.int64), "value": array[at]}
        part["to"] += n * j if kind == "Y" else 0
        frame = pl.DataFrame(part).with_columns(kind=pl.lit(kind, pl.Enum(_KINDS)))
        if kind in ("VA", "other"):
            frame = frame.with_columns(row=pl.lit(None, pl.Int64))
        elif kind in ("x", "discrepancy"):
            frame = frame.with_columns(to=pl.lit(None, pl.Int64))
        parts.append(frame)
    cells = pl.concat(parts)
    to, is_use = pl.col("to"), pl.col("to") < n * j
    final = to - n * j
    codes = cells.select(
        row_economy=pl.col("row") // j,
        row_sector=pl.col("row") % j,
        column_economy=pl.when(is_use).then(to // j).otherwise(final // max(f, 1)),
        column=pl.when(is_use).then(to % j).otherwise(j + final % max(f, 1)),
    )
    uses = (*table.sectors, *table.demands)
    names = {"row_economy": table.economies, "row_sector": table.sectors, "column_economy": table.economies}
    named = [_enum((names | {"column": uses})[c]).gather(codes[c]).alias(c) for c in codes.columns]
    return pl.DataFrame([cells["kind"], *named, cells["value"]])


def _enum(names: Sequence[str]) -> pl.Series:
    return pl.Series(names, dtype=pl.Enum(names))


def _coded(cells: pl.DataFrame, named: Mapping[str, tuple[str, ...]], where: str) -> pl.DataFrame:
    """The reverse of `_long`: kind, row, to, value. InputError with every column or name that does not fit."""
    economy, sector = pl.Enum(named["economies"]), pl.Enum(named["sectors"])
    column = pl.Enum((*named["sectors"], *named["demands"]))
    kinds = {
        "kind": pl.Enum(_KINDS),
        "row_economy": economy,
        "row_sector": sector,
        "column_economy": economy,
        "column": column,
        "value": pl.Float64(),
    }
    faults = [Fault(f"lacks the column {c}") for c in kinds if c not in cells.columns]
    for name, dtype in kinds.items():
        if name in cells.columns:
            try:
                # through text: a file from elsewhere may carry its own category codes
                given = cells[name] if name == "value" else cells[name].cast(pl.String)
                cells = cells.with_columns(given.cast(dtype))
            except pl.exceptions.PolarsError as error:
                faults.append(Fault(f"column {name}: {str(error).splitlines()[0]}"))
    if not faults:
        no_row = pl.col("row_economy").is_null() | pl.col("row_sector").is_null()
        no_column = pl.col("column_economy").is_null() | pl.col("column").is_null()
        total = pl.col("kind").is_in(["x", "discrepancy"])
        part = pl.col("kind").is_in(["VA", "other"])
        if count := cells.filter((~part & no_row) | (~total & no_column)).height:
            faults.append(Fault(f"{count} cell(s) without a row or column name"))
        if twice := cells.height - cells.select(pl.struct(pl.exclude("value")).n_unique()).item():
            faults.append(Fault(f"{twice} cell(s) stand there twice"))
    if faults:
        raise InputError("the cells do not fit the labels", where=where, faults=faults)
    n, j, f = (len(named[k]) for k in ("economies", "sectors", "demands"))
    code = {c: pl.col(c).to_physical().cast(pl.Int64) for c in kinds if c not in ("kind", "value")}
    is_use = code["column"] < j
    final = n * j + code["column_economy"] * f + code["column"] - j
    return cells.select(
        "kind",
        row=code["row_economy"] * j + code["row_sector"],
        to=pl.when(is_use).then(code["column_economy"] * j + code["column"]).otherwise(final),
        value=pl.col("value"),
    )

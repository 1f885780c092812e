"""Open an Excel workbook safely and give a sheet as text: what a publisher's layout needs, cell by cell.

Numbers come back as the shortest text that gives the same number again, so a cast to Float64 is exact. A formula gives
the value Excel last saved for it; dates and errors are text.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import Fault, InputError
from weaponized_interdependence.sources.unpack import limits


@dataclass(frozen=True)
class Grid:
    """A sheet: `cells` are text columns named 0, 1, 2 ..., row by row from the first one of the sheet; blanks null."""

    sheet: str
    cells: pl.DataFrame

    def row(self, index: int) -> list[str | None]:
        """One row's cells."""
        return list(self.cells.row(index))


def read_grid(path: Path, choose: Callable[[list[str]], str | None] | None = None) -> Grid:
    """One sheet of a workbook (.xlsx, .xlsm, .xlsb, .xls) as text.

    Parameters
    ----------
    choose
        Given the names of the sheets, the one to read, or None if none fits; by default the first.

    Raises
    ------
    InputError
        Not a workbook, cut off, encrypted, a zip bomb, or without the sheet.
    """
    import fastexcel

    check_workbook(path)
    try:
        book = fastexcel.read_excel(path)
        names = list(book.sheet_names)
        name = names[0] if choose is None else choose(names)
        if name is None:
            raise InputError(f"no sheet of this layout; it has {', '.join(names)}", where=str(path))
        text, numbers = (
            book.load_sheet(name, header_row=None, skip_rows=0, dtypes=kind).to_polars() for kind in ("string", "float")
        )
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            "not a whole Excel workbook", where=str(path), mend="was the download cut off?", faults=[Fault(reason)]
        ) from error
    columns = []
    for i, (said, number) in enumerate(zip(text.get_columns(), numbers.get_columns(), strict=True)):
        plain = said.cast(pl.String).str.strip_chars()
        # As text the parser gives nine decimals at most; where there are decimals the number itself says them all.
        exact = number.cast(pl.Float64).cast(pl.String)
        cell = pl.DataFrame({"plain": plain, "exact": exact}).select(
            pl.when(pl.col("exact").is_not_null() & pl.col("plain").str.contains(r"[.eE]"))
            .then("exact")
            .otherwise(pl.when(pl.col("plain") != "").then("plain"))
            .alias(str(i))
        )
        columns.append(cell.to_series())
    return Grid(name, pl.DataFrame(columns))


def check_workbook(path: Path) -> None:
    """Refuse what is no workbook, before a parser allocates what the file only claims to hold."""
    with path.open("rb") as stream:
        magic = stream.read(8)
    if not magic:
        raise InputError("the file is empty", where=str(path), mend="was the download cut off? fetch it again")
    if magic.startswith(b"\xd0\xcf\x11\xe0"):
        return  # .xls, or an encrypted workbook, which the parser names
    if magic.lstrip()[:1] == b"<":
        raise InputError("is a web page, not a workbook", where=str(path), mend="download again")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        mend = "was the download cut off? a CSV has another reader or layout"
        raise InputError(
            "not a whole Excel workbook", where=str(path), mend=mend, faults=[Fault(str(error))]
        ) from error
    if "[Content_Types].xml" not in {m.filename for m in members}:
        raise InputError("is a zip archive, not an Excel workbook", where=str(path), mend="unpack it first")
    most, ratio = limits()
    claimed, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    # Sheets of zeros pack well: the ratio is asked of large ones only.
    if claimed > most or (claimed > 1 << 30 and claimed > ratio * max(packed, 1)):
        what = f"unpacks from {packed:,} to {claimed:,} bytes: a zip bomb, or nearly empty data"
        raise InputError(what, where=str(path), mend="if you trust it, raise WI_MAX_UNPACK_RATIO or WI_MAX_UNPACKED_GB")

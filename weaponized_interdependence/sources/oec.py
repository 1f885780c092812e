"""OEC (Observatory of Economic Complexity): bilateral totals of one year, in USD, by OEC country ids.

Columns exporter_id, exporter_name, importer_id, importer_name, value. The year stands in no column: it is an option, or
a year in the file name.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.periods import year_of
from weaponized_interdependence.sources.declaration import load_declaration
from weaponized_interdependence.sources.files import opened, require, text_frame
from weaponized_interdependence.sources.reading import Reading
from weaponized_interdependence.sources.rows import Columns, gather, to_flows

_WHOLE_ORIGINS = 150


def read_oec(paths: Sequence[Path], *, year: int | None = None, encoding: str = "utf-8") -> Reading:
    """Read OEC bilateral totals into FLOWS, item TOTAL.

    Parameters
    ----------
    year
        Of the flows; needed unless each file name holds exactly one year (OEC_BACI_bilateral_2022_usd.csv).
    encoding
        Of the text, where it is not UTF-8 (`cp1252`).
    """
    first = load_declaration("oec").first_year
    with opened(paths, encoding=encoding) as files:
        parts = []
        for file in files:
            require(file, ["exporter_id", "importer_id", "value"])
            raw, odd = text_frame(file)
            columns = Columns(
                period=pl.lit(str(year or _year_in(file.name))),
                origin=pl.col("exporter_id"),
                destination=pl.col("importer_id"),
                item=pl.lit("TOTAL"),
                value=pl.col("value"),
                scheme="oec",
            )
            parts.append(to_flows(file, raw, odd, columns, first_year=first))
        origins = max(p.flows["origin"].n_unique() for p in parts)
        return gather("oec", parts, files, scope="total" if origins >= _WHOLE_ORIGINS else "extract")


def _year_in(name: str) -> int:
    years = set(re.findall(r"(?<!\d)(?:19|20)\d{2}(?!\d)", Path(name).name))
    if len(years) != 1:
        mend = "say option year=2022 (on the command line: --period 2022)"
        raise UsageError("the year of the flows is not known", where=name, mend=mend)
    return year_of(years.pop())

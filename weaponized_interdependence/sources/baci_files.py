"""Which of the files handed to the BACI reader are data and which are dictionaries, and which HS edition they speak."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.harmonize.items import HS_EDITIONS
from weaponized_interdependence.sources.files import Opened, opened, require, scan, text_frame
from weaponized_interdependence.sources.reading import FileStamp

EDITION = re.compile(rf"HS({'|'.join(e[2:] for e in HS_EDITIONS)})(?!\d)", re.IGNORECASE)
_YEAR = re.compile(r"_Y(\d{4})_", re.IGNORECASE)
_DATA = ("t", "i", "j", "k", "v")


@dataclass(frozen=True)
class BaciFiles:
    """Sorted input: data files, the edition they share, and what the publisher's dictionaries say."""

    data: tuple[Opened, ...]
    edition: str | None
    countries: dict[int, str]  # code -> ISO3 as the publisher's file has it
    products: pl.Series | None  # known codes, whole numbers
    dictionaries: tuple[FileStamp, ...]
    notes: tuple[str, ...]


def wanted_member(years: Sequence[int] | None) -> Callable[[str], bool]:
    """Which members of the publisher's zip to unpack: the years asked for, and everything that names no year."""

    def wanted(name: str) -> bool:
        year = _YEAR.search(name)
        return name.lower().endswith((".csv", ".parquet")) and (
            year is None or not years or int(year.group(1)) in list(years)
        )

    return wanted


def sort_files(
    files: Sequence[Opened], *, edition: str | None, country_codes: Path | None, product_codes: Path | None
) -> BaciFiles:
    """Part the opened files into data and dictionaries; look for dictionaries beside the data if none came.

    Raises
    ------
    InputError
        A file is neither.
    UsageError
        The HS edition is not known, is named in two ways, or differs between files: summing editions counts twice.
    """
    countries = [f for f in files if "country_code" in f.columns]
    products = [f for f in files if {"code", "description"} <= set(f.columns)]
    data = tuple(f for f in files if f not in countries and f not in products)
    if not data:
        raise InputError("only dictionaries were given", mend="name the data file too: BACI_HS.._Y...._V......csv")
    for file in data:
        require(file, _DATA)
    spoken = _edition(data, edition)
    beside = Path(data[0].name.split("!")[0]).parent
    country_file = country_codes or (None if countries else _beside(beside, "country_codes*.csv"))
    product_file = product_codes or (
        None if products or spoken is None else _beside(beside, f"product_codes_{spoken}*.csv")
    )
    notes, stamps = [], []
    known: dict[int, str] = {}
    codes: pl.Series | None = None
    asked = [p for p in (country_file, product_file) if p is not None]
    with opened(asked, encoding="utf-8") if asked else opened([]) as extra:
        for file in [*countries, *products, *extra]:
            if "country_code" in file.columns:
                known |= _countries(file)
            else:
                codes = _products(file)
            notes.append(f"dictionary used: {Path(file.name).name}")
        stamps = [f.stamp for f in extra]
    return BaciFiles(data, spoken, known, codes, tuple(stamps), tuple(notes))


def _edition(data: Sequence[Opened], asked: str | None) -> str | None:
    if asked is not None and not EDITION.fullmatch(asked.upper()):
        raise UsageError(f"{asked!r} is not an HS edition", mend=f"one of {', '.join(HS_EDITIONS)}")
    named = {f.name: f"HS{m.group(1)}" for f in data if (m := EDITION.search(Path(f.name).name))}
    editions = set(named.values()) | ({asked.upper()} if asked else set())
    if len(editions) > 1:
        faults = [Fault(f"its name says {said}", name) for name, said in named.items()]
        if asked:
            faults.append(Fault(f"the option edition says {asked.upper()}"))
        mend = "read one edition at a time: the same trade stands in each"
        raise UsageError("more than one HS edition", mend=mend, faults=faults)
    if editions:
        return editions.pop()
    for file in data:
        first = scan(file).select(pl.col("k").cast(pl.String)).head(100).collect()["k"]
        if (first.str.strip_chars().str.to_uppercase() != "TOTAL").any():
            mend = (
                "say option edition=HS17 or HS92 ... (on the command line: --edition HS17), "
                "or keep the publisher's name BACI_HS17_Y2021_V202301.csv"
            )
            raise UsageError("the file name does not say which HS edition it is", where=file.name, mend=mend)
    return None


def _beside(folder: Path, pattern: str) -> Path | None:
    found = sorted(folder.glob(pattern))
    # two versions beside one another: taking either would be a guess
    return found[0] if len(found) == 1 else None


def _countries(file: Opened) -> dict[int, str]:
    iso = next((c for c in ("iso_3digit_alpha", "country_iso3", "iso3") if c in file.columns), None)
    if iso is None:
        raise InputError("has country_code but no ISO3 column", where=file.name, mend="give CEPII's country_codes file")
    frame, _ = text_frame(file)
    pairs = frame.select(pl.col("country_code").cast(pl.Int32, strict=False), iso).drop_nulls()
    pairs = pairs.filter(pl.col(iso).str.contains("^[A-Z]{3}$"))
    return dict(pairs.iter_rows())


def _products(file: Opened) -> pl.Series:
    frame, _ = text_frame(file)
    return frame["code"].cast(pl.Int32, strict=False).drop_nulls().unique()

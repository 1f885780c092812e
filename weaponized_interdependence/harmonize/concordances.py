"""From one classification of goods to another, where a published correspondence stands behind it.

HS to SITC sections and HS to ISIC Rev. 3 divisions re-tell, by longest common beginning of codes, what the United
Nations Statistics Division (HS-SITC Rev. 3) and the World Bank's WITS (HS-ISIC Rev. 3) publish code by code. WIOD 2013
industries are groups of ISIC Rev. 3 divisions. Tables and exceptions: data/reference/README.md.
"""

from dataclasses import dataclass
from functools import cache

import polars as pl

from weaponized_interdependence.errors import Fault, UsageError
from weaponized_interdependence.harmonize.items import split_item
from weaponized_interdependence.settings import data_dir

TARGETS = {
    "HS_SECTION": "the 21 sections of the Harmonized System, HS_SECTION:V",
    "SITC": "the ten sections of SITC, SITC:3",
    "ISIC3": "divisions (two digits) of ISIC Rev. 3, ISIC3:23; 99 is waste and used goods, which no industry makes",
    "WIOD13": "industries of the 2013 World Input-Output Database, WIOD13:c8",
}
_REFUSED = {
    "BEC": "HS to BEC needs six digits throughout: no short table tells it well, so none is kept",
    "ISIC4": "the published way from HS to ISIC Rev. 4 goes through CPC and is many to many, so none is kept",
}


@dataclass(frozen=True)
class Translation:
    """`items` in the order asked, null where there is no way; a fault for each item not, or not exactly, translated."""

    items: pl.Series
    faults: tuple[Fault, ...] = ()


def translate(items: pl.Series, to: str, *, where: str = "") -> Translation:
    """Translate HS items (any edition, 2, 4 or 6 digits) to another classification.

    A six-digit code has one answer. A chapter or heading whose codes go different ways gets the answer of most of its
    codes, and is reported: HS:27 is section 3, but 2714 within it is section 2.

    Raises UsageError where no sound correspondence is kept, and says why.

    >>> translate(pl.Series(["HS17:270900", "HS92:7108"]), "SITC").items.to_list()
    ['SITC:3', 'SITC:9']
    """
    if to not in TARGETS:
        why = _REFUSED.get(to, f"no way to {to!r} is kept")
        raise UsageError(
            why, mend=f"translate to one of {', '.join(TARGETS)}, or give flows in {to} from their publisher"
        )
    answers: dict[str, str | None] = {}
    faults = []
    for item in items.drop_nulls().unique().sort():
        head, code = split_item(item)
        if not head.startswith("HS"):
            faults.append(Fault(f"{item}: only HS items can be translated", where, _why_not(head, to)))
            answers[item] = item if head == to else None
            continue
        answer, exceptions = _look_up(code, to)
        answers[item] = f"{to}:{answer}" if answer else None
        if answer is None:
            faults.append(Fault(f"{item} has no counterpart in {to}", where, "is the code right?"))
        elif exceptions:
            told = ", ".join(f"{p} -> {a}" for p, a in exceptions[:4]) + (" ..." if len(exceptions) > 4 else "")
            faults.append(
                Fault(f"{item} is taken as {to}:{answer}, but not all of it is: {told}", where, "use finer data")
            )
    translated = items.replace_strict(answers, default=None, return_dtype=pl.String)
    return Translation(translated.alias(items.name), tuple(faults))


def hs_chapters() -> pl.DataFrame:
    """The chapters of the Harmonized System: chapter, section (I to XXI), title."""
    return _read("hs_chapters")


def hs_sections() -> pl.DataFrame:
    """The sections of the Harmonized System: section, title."""
    return _read("hs_sections")


def sitc_sections() -> pl.DataFrame:
    """The sections of SITC: section, title."""
    return _read("sitc_sections")


def wiod13_industries() -> pl.DataFrame:
    """The industries of WIOD 2013: industry, isic3_divisions (parted by blanks), title."""
    return _read("wiod13_industries")


def _read(name: str) -> pl.DataFrame:
    return pl.read_csv(data_dir() / "reference" / f"{name}.csv", infer_schema=False)


def _why_not(head: str, to: str) -> str:
    if head.startswith("SITC") and to in ("ISIC3", "WIOD13"):
        return "a section of SITC is spread over many industries and no shares are published: use data by HS"
    return "use data by HS"


@cache
def _table(to: str) -> dict[str, str]:
    """Beginning of an HS code -> answer; the longest beginning that is there decides."""
    match to:
        case "HS_SECTION":
            return dict(hs_chapters().select("chapter", "section").iter_rows())
        case "SITC":
            return dict(_read("hs_sitc_section").select("hs", "section").iter_rows())
        case "ISIC3":
            return dict(_read("hs_isic3").select("hs", "division").iter_rows())
        case _:
            industry = {
                division: name
                for name, divisions in wiod13_industries().select("industry", "isic3_divisions").iter_rows()
                for division in divisions.split()
            }
            return {hs: industry[division] for hs, division in _table("ISIC3").items()}


def _look_up(code: str, to: str) -> tuple[str | None, list[tuple[str, str]]]:
    table = _table(to)
    answer = next((table[code[:n]] for n in (6, 4, 2) if len(code) >= n and code[:n] in table), None)
    exceptions = [(p, a) for p, a in table.items() if len(p) > len(code) and p.startswith(code) and a != answer]
    return answer, exceptions

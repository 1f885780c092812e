"""What an item is called, as far as the reference tables say: the code itself stays the key everywhere."""

from functools import cache

from weaponized_interdependence.harmonize.concordances import (
    hs_chapters,
    hs_sections,
    sitc_sections,
    wiod13_industries,
)
from weaponized_interdependence.harmonize.items import CLASSIFICATIONS


def item_name(item: str) -> str:
    """The title of an item, or of the chapter or section it lies in; empty where no table at hand names it.

    HS headings and subheadings have the title of their chapter, finer SITC codes that of their section: both are the
    same in every edition. What a title is of, `item_place` says.

    >>> item_name("SITC:7"), item_name("WIOD13:c2"), item_name("HS17:270900"), item_name("TOTAL")
    ('Machinery and transport equipment', 'Mining', 'Mineral fuels, oils, electricity', '')
    """
    return item_place(item)[1]


def item_place(item: str) -> tuple[str, str]:
    """(which code the title is of, the title): the item itself, or what holds it; both empty where nothing is known.

    >>> item_place("HS17:270900")
    ('HS chapter 27', 'Mineral fuels, oils, electricity')
    """
    head, _, code = item.partition(":")
    known = CLASSIFICATIONS.get(head)
    family = known.family if known else head
    table = _titles().get(family, {})
    for begun in (code, code[:2], code[:1]) if family in ("HS", "SITC") else (code,):
        if begun in table:
            kind = {"HS": "HS chapter", "SITC": "SITC section", "HS_SECTION": "HS section"}.get(family)
            return f"{kind or head} {begun}", table[begun]
    return "", ""


@cache
def _titles() -> dict[str, dict[str, str]]:
    return {
        "HS": dict(hs_chapters().select("chapter", "title").iter_rows()),
        "HS_SECTION": dict(hs_sections().select("section", "title").iter_rows()),
        "SITC": dict(sitc_sections().select("section", "title").iter_rows()),
        "WIOD13": dict(wiod13_industries().select("industry", "title").iter_rows()),
    }

"""Items of flows: `CLASSIFICATION:code`, how they are read, and which of them a pattern of a scenario names."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError, nearest


@dataclass(frozen=True)
class Classification:
    """One classification of items, and how its codes nest: this alone decides which items may be summed.

    - `family` joins its editions; `prefix`: a code lies inside every code that it begins with
    - `sections`: codes that hold others without beginning them, with the first and last two digits they hold
    - `across`: pattern of codes that are sums of several headings, so that no other code may stand beside them
    """

    name: str
    family: str
    title: str
    pattern: str
    prefix: bool = True
    sections: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    across: str = ""

    def holders(self, code: str) -> list[str]:
        """Codes that hold this one, widest first.

        >>> CLASSIFICATIONS["EBOPS"].holders("SC1"), CLASSIFICATIONS["ISIC4"].holders("1010")
        (['S', 'SC'], ['C', '10', '101'])
        """
        if not self.prefix:
            return []
        begun = [code[:n] for n in range(1, len(code))]
        two = int(code[:2]) if code[:2].isdecimal() and len(code) > 1 else -1
        return [s for s, (first, last) in self.sections.items() if first <= two <= last] + begun


_HS_CODE = r"\d{2}|\d{4}|\d{6}|9999AA"
_SITC_CODE = r"\d{1,5}"
# ISIC Revision 4: the divisions of each section.
_ISIC4_SECTIONS = {
    "A": (1, 3), "B": (5, 9), "C": (10, 33), "D": (35, 35), "E": (36, 39), "F": (41, 43), "G": (45, 47),
    "H": (49, 53), "I": (55, 56), "J": (58, 63), "K": (64, 66), "L": (68, 68), "M": (69, 75), "N": (77, 82),
    "O": (84, 84), "P": (85, 85), "Q": (86, 88), "R": (90, 93), "S": (94, 96), "T": (97, 98), "U": (99, 99),
}  # fmt: skip
CLASSIFICATIONS = {
    c.name: c
    for c in (
        Classification("HS", "HS", "Harmonized System, any edition", _HS_CODE),
        Classification("HS92", "HS", "Harmonized System 1988/1992 (H0)", _HS_CODE),
        Classification("HS96", "HS", "Harmonized System 1996 (H1)", _HS_CODE),
        Classification("HS02", "HS", "Harmonized System 2002 (H2)", _HS_CODE),
        Classification("HS07", "HS", "Harmonized System 2007 (H3)", _HS_CODE),
        Classification("HS12", "HS", "Harmonized System 2012 (H4)", _HS_CODE),
        Classification("HS17", "HS", "Harmonized System 2017 (H5)", _HS_CODE),
        Classification("HS22", "HS", "Harmonized System 2022 (H6)", _HS_CODE),
        Classification("SITC", "SITC", "Standard International Trade Classification, any revision", _SITC_CODE),
        Classification("SITC1", "SITC", "SITC Revision 1", _SITC_CODE),
        Classification("SITC2", "SITC", "SITC Revision 2", _SITC_CODE),
        Classification("SITC3", "SITC", "SITC Revision 3", _SITC_CODE),
        Classification("SITC4", "SITC", "SITC Revision 4", _SITC_CODE),
        Classification("BEC", "BEC", "Broad Economic Categories, Revision 4", r"\d{1,3}"),
        Classification("ISIC3", "ISIC", "ISIC Revision 3, divisions to classes", r"\d{2,4}"),
        Classification(
            "ISIC4", "ISIC", "ISIC Revision 4, sections to classes", r"[A-U]|\d{2,4}", sections=_ISIC4_SECTIONS
        ),
        # S is all services, SA to SL the headings, SC1 a part of SC; SOX and SPX with a number sum several headings.
        Classification("EBOPS", "EBOPS", "Extended Balance of Payments Services", r"S[A-Z0-9_]*", across=r"S[OP]X\d*"),
        Classification("WIOD13", "WIOD13", "WIOD 2013 industries c1 to c35", r"c([1-9]|[12]\d|3[0-5])", prefix=False),
    )
}
# From the oldest to the newest; and the names UN Comtrade and WITS give them.
HS_EDITIONS = ("HS92", "HS96", "HS02", "HS07", "HS12", "HS17", "HS22")
COMTRADE_NAMES = {
    **{f"H{n}": edition for n, edition in enumerate(HS_EDITIONS)},
    **{f"S{n}": f"SITC{n}" for n in range(1, 5)},
    "HS": "HS",
    "B4": "BEC",
}
# Items without a code: all goods as one, all items whatever they are, services as one.
BARE_ITEMS = ("TOTAL", "ALL", "SERVICES")


def overlapping_codes(head: str, codes: Iterable[str]) -> list[str]:
    """Why these codes of one classification count a flow twice when summed; unknown classifications do not nest.

    >>> overlapping_codes("EBOPS", ["SA", "SC", "SC1"]), overlapping_codes("WIOD13", ["c1", "c10"])
    (['EBOPS:SC holds EBOPS:SC1'], [])
    """
    known = CLASSIFICATIONS.get(head) or CLASSIFICATIONS.get(re.sub(r"^(HS|SITC)\w+$", r"\1", head))
    if known is None:
        return []
    named = sorted(set(codes))
    reasons = [f"{head}:{by} holds {head}:{code}" for code in named for by in known.holders(code) if by in named]
    broad = [code for code in named if known.across and re.fullmatch(known.across, code)]
    fine = [code for code in named if code not in broad and not (known.prefix and len(code) == 1)]
    beside = [*broad[1:], *fine]
    if broad and beside:
        reasons.append(f"{head}:{broad[0]}, a sum of several headings, stands beside {head}:{beside[0]}")
    return reasons


@dataclass(frozen=True)
class ItemMatch:
    """Which items a set of patterns names.

    `mask` is in the order of the items asked; `found` counts the distinct items each pattern named; `edition_faults`
    are patterns that name another edition than the data's; `faults` are all remarks, those among them.
    """

    mask: pl.Series
    found: Mapping[str, int]
    edition_faults: tuple[Fault, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass
class _Index:
    """Distinct items by classification and by every part of their code from the left."""

    starting: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    exact: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    classes: dict[str, set[str]] = field(default_factory=dict)  # family -> classifications present


def split_item(item: str) -> tuple[str, str]:
    """Classification and code of an item; items without a code (TOTAL, ALL, SERVICES) have the code "".

    >>> split_item("HS17:270900"), split_item("TOTAL")
    (('HS17', '270900'), ('TOTAL', ''))
    """
    if item in BARE_ITEMS:
        return item, ""
    head, colon, code = item.partition(":")
    if not (head and colon and code):
        raise UsageError(f"{item!r} is not an item", mend="write CLASSIFICATION:code, such as HS:2709, or TOTAL")
    return head, code


def item_faults(items: Iterable[str], where: str = "") -> tuple[Fault, ...]:
    """What is wrong with items as they are written: no classification, an unknown edition, a code of wrong form.

    A classification the tool does not know is taken as the user's own, unless it looks like an edition of a known one.
    """
    return tuple(fault for item in items if (fault := _item_fault(item, where)))


def _item_fault(item: str, where: str) -> Fault | None:
    try:
        head, code = split_item(item)
    except UsageError as error:
        return Fault(error.message, where, error.mend)
    if head in BARE_ITEMS:
        return None
    known = CLASSIFICATIONS.get(head)
    if known is None:
        if re.match(r"(HS|H|SITC|S|ISIC|BEC|WIOD)\d*$", head, re.IGNORECASE):
            close = COMTRADE_NAMES.get(head) or ", ".join(nearest(head, list(CLASSIFICATIONS)))
            return Fault(f"no classification {head!r} (in {item!r})", where, f"did you mean {close}?")
        return None
    if not re.fullmatch(known.pattern, code):
        form = "2, 4 or 6 digits" if known.family == "HS" else f"of the form {known.pattern}"
        return Fault(f"{item!r}: a code of {head} is {form}", where, "correct the code; keep leading zeros")
    return None


def hs_parent(item: pl.Expr, digits: int) -> pl.Expr:
    """HS items cut to their chapter (2) or heading (4); coarser items and items of other classifications stay.

    >>> pl.select(hs_parent(pl.lit("HS17:270900"), 4)).item()
    'HS17:2709'
    """
    if digits not in (2, 4, 6):
        raise UsageError(f"HS has no level of {digits} digits", mend="choose 2 (chapter), 4 (heading) or 6")
    return item.str.replace(rf"^(HS\d*:[0-9]{{{digits}}})[0-9A-Z]*$", "$1")


def match_items(items: pl.Series, patterns: Iterable[str], *, where: str = "") -> ItemMatch:
    """Which items the patterns name, with a remark for every pattern that named none or not for sure.

    HS, SITC, BEC and ISIC codes name all codes they begin: HS:2709 names HS17:270900. A pattern without edition (HS,
    SITC) names every edition. One with an edition names only that edition; items of another edition that it would name
    are left out and reported. So are items coarser than the pattern (data at HS2, pattern HS:2709). ALL names all.
    """
    index = _index(items)
    named: set[str] = set()
    found: dict[str, int] = {}
    edition, other = [], []
    for pattern in dict.fromkeys(patterns):
        head, code = split_item(pattern)
        if head == "ALL":
            found[pattern] = items.n_unique()
            named.update(items.drop_nulls().unique())
            continue
        hits = _hits(index, head, code)
        found[pattern] = len(hits)
        named |= hits
        if strangers := _other_editions(index, head, code):
            edition.append(_edition_fault(pattern, strangers, where))
        elif not hits:
            other.append(_unmatched(index, pattern, head, code, where))
    mask = items.is_in(list(named)) if named else pl.Series(items.name, [False]).new_from_index(0, len(items))
    return ItemMatch(mask.fill_null(False), found, tuple(edition), (*edition, *other))


def item_matches(items: pl.Series, patterns: Iterable[str], *, where: str = "") -> pl.Series:
    """True where an item is named by one of the patterns, see `match_items`, whose other remarks are not shown here.

    Raises InputError where a pattern names an edition that differs from the data's: its codes may mean other goods.

    >>> item_matches(pl.Series(["HS17:270900", "HS17:271012", "SITC:3"]), ["HS:2709"]).to_list()
    [True, False, False]
    """
    match = match_items(items, patterns, where=where)
    if match.edition_faults:
        raise InputError("the data are in another edition than the items named", faults=match.edition_faults)
    return match.mask


def editions_of(items: pl.Series) -> tuple[str, ...]:
    """The HS editions that items are written in, oldest first; "HS" where the edition is not said."""
    heads = items.drop_nulls().str.extract(r"^(HS\d*):", 1).drop_nulls().unique()
    return tuple(sorted(heads, key=lambda h: HS_EDITIONS.index(h) if h in HS_EDITIONS else -1))


def _index(items: pl.Series) -> _Index:
    index = _Index()
    for item in items.drop_nulls().unique():
        head, _, code = item.partition(":")
        index.exact.setdefault((head, code), set()).add(item)
        index.classes.setdefault(_family(head), set()).add(head)
        if _prefix(head):
            for n in range(1, len(code) + 1):
                index.starting.setdefault((head, code[:n]), set()).add(item)
    return index


def _family(head: str) -> str:
    known = CLASSIFICATIONS.get(head)
    return known.family if known else head


def _prefix(head: str) -> bool:
    known = CLASSIFICATIONS.get(head)
    return known is not None and known.prefix


def _same_edition(head: str, other: str, code: str) -> bool:
    # The ten sections of SITC (one digit) are the same in every revision.
    return head in (other, _family(head)) or (_family(head) == "SITC" and len(code) == 1)


def _hits(index: _Index, head: str, code: str) -> set[str]:
    table = index.starting if _prefix(head) else index.exact
    heads = index.classes.get(_family(head), set())
    return {i for h in heads if _same_edition(head, h, code) for i in table.get((h, code), ())}


def _other_editions(index: _Index, head: str, code: str) -> set[str]:
    heads = index.classes.get(_family(head), set()) if _prefix(head) else set()
    return {h for h in heads if not _same_edition(head, h, code) and index.starting.get((h, code))}


def _edition_fault(pattern: str, strangers: set[str], where: str) -> Fault:
    head, code = split_item(pattern)
    family = _family(head)
    said = ", ".join(sorted(h if h != family else f"{h} (edition not said)" for h in strangers))
    mend = f"write {family}:{code} if the code means the same goods in both, or read data in {head}"
    return Fault(f"{pattern} names edition {head}, the data are in {said}", where, mend)


def _unmatched(index: _Index, pattern: str, head: str, code: str, where: str) -> Fault:
    heads = index.classes.get(_family(head), set())
    coarse = {i for h in heads for n in range(1, len(code)) for i in index.exact.get((h, code[:n]), ())}
    if _prefix(head) and coarse:
        widest = sorted(coarse)[0]
        return Fault(
            f"{pattern} is finer than the data, which have {widest}", where, f"name {widest}, or read finer data"
        )
    if not heads and index.classes:
        there = ", ".join(sorted(h for hs in index.classes.values() for h in hs))
        return Fault(
            f"{pattern}: the data are in {there}",
            where,
            "name items of that classification, or read the data in the one you name",
        )
    return Fault(f"{pattern} names no item of the data", where, "is the code right, and traded in these data?")

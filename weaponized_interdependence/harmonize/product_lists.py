"""Named lists of goods (humanitarian goods, common high priority ...) and how far they can be found in given data."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError, nearest
from weaponized_interdependence.harmonize.items import HS_EDITIONS, ItemMatch, editions_of, match_items
from weaponized_interdependence.settings import data_dir

_COLUMNS = ("code", "tier", "category", "description", "note", "since", "unchanged_since")


@dataclass(frozen=True)
class ProductList:
    """A named list of HS codes of one edition.

    `codes` has code (2, 4 or 6 digits), tier, category, description, note, since (oldest edition with that code) and
    unchanged_since (oldest edition in which it means exactly the same goods); the last two are null in lists of the
    user's own. `provenance` says title, publisher, source, basis and note.
    """

    name: str
    edition: str
    codes: pl.DataFrame
    provenance: Mapping[str, str]

    @property
    def patterns(self) -> tuple[str, ...]:
        """The list as patterns of items in its own edition."""
        return tuple(f"{self.edition}:{code}" for code in self.codes["code"])


@dataclass(frozen=True)
class ListCoverage:
    """How much of a list can be found in given data.

    All frames have the list's columns. `present`: codes the data have. `not_in_edition`: codes that do not exist in the
    data's edition, with predecessor and relation (renumbered: the same goods; wider: the predecessor holds more;
    approximate: they overlap; none). `unseen`: codes of the edition of which the data have no row. `changed`: present
    codes whose goods are cut somewhat differently in the data's edition.
    """

    list_name: str
    list_edition: str
    data_editions: tuple[str, ...]
    present: pl.DataFrame
    not_in_edition: pl.DataFrame
    unseen: pl.DataFrame
    changed: pl.DataFrame
    faults: tuple[Fault, ...]


def product_lists() -> tuple[str, ...]:
    """The names of the lists that come with the tool."""
    return tuple(sorted(path.stem for path in (data_dir() / "reference" / "products").glob("*.toml")))


def product_list(name: str, *, tiers: Iterable[str] = (), edition: str = "") -> ProductList:
    """A list by name, or a file of the user's own by path, with only the tiers asked for (all when none is named).

    A file is a CSV with a column `code`, at best also tier, category, description; a TOML file of the same name beside
    it says edition, title, source, basis, note. `edition` serves where there is none.

    >>> product_list("common_high_priority", tiers=["1"]).patterns
    ('HS22:854231', 'HS22:854232', 'HS22:854233', 'HS22:854239')
    """
    found = _own_list(name) if name in product_lists() else _file_list(name, edition)
    if wanted := list(tiers):
        if unknown := set(wanted) - set(found.codes["tier"].drop_nulls()):
            known = ", ".join(found.codes["tier"].drop_nulls().unique().sort())
            raise UsageError(f"{found.name} has no tier {', '.join(sorted(unknown))}", mend=f"its tiers are {known}")
        found = replace(found, codes=found.codes.filter(pl.col("tier").is_in(wanted)))
    return found


def match_list(plist: ProductList, items: pl.Series, *, predecessors: bool = False, where: str = "") -> ItemMatch:
    """Which items of the data belong to the list, whatever HS edition the data are in; every difference is reported.

    Codes are compared by number. In another edition only codes that exist there count (a number can have meant other
    goods before); with `predecessors` the goods they came from count too, which takes in more than the list names.
    """
    masks, faults = [], []
    for edition in editions_of(items):
        codes = _codes_in(plist, edition)["code"].to_list()
        if predecessors:
            codes += _predecessors(plist, edition)["predecessor"].drop_nulls().to_list()
        masks.append(match_items(items, [f"{edition}:{c}" for c in dict.fromkeys(codes)]).mask)
    if not masks:
        faults.append(
            Fault(f"list {plist.name} is in {plist.edition}, the data are not in HS", where, "use data by HS")
        )
    empty = pl.Series(items.name, [False]).new_from_index(0, len(items))
    mask = empty
    for one in masks:
        mask = mask | one
    coverage = list_coverage(plist, items, where=where)
    if predecessors and coverage.not_in_edition.height:
        faults.append(
            Fault(f"list {plist.name}: goods of older editions are taken for {_some(coverage.not_in_edition)}", where)
        )
    return ItemMatch(mask, {plist.name: items.filter(mask).n_unique()}, coverage.faults, (*coverage.faults, *faults))


def list_coverage(
    plist: ProductList, items: pl.Series, *, edition_codes: pl.Series | None = None, where: str = ""
) -> ListCoverage:
    """How much of a list the data can show: which codes their HS edition has, lacks, or means otherwise.

    `edition_codes` are all codes of the data's edition (from the publisher's product file): with them the question is
    decided for any list; without them only for the lists that come with the tool.
    """
    editions = editions_of(items)
    older = min((e for e in editions if e in HS_EDITIONS), key=HS_EDITIONS.index, default=plist.edition)
    codes = plist.codes
    exists = _exists(older)
    if edition_codes is not None:
        known = edition_codes.cast(pl.String).str.strip_chars().str.zfill(6)
        exists = pl.col("code").map_elements(lambda c: bool(known.str.starts_with(c).any()), return_dtype=pl.Boolean)
    traded = _codes_traded(items)
    seen = pl.col("code").is_in(traded.to_list())
    absent = codes.filter(~exists).join(_predecessors(plist, older), on="code", how="left")
    present = codes.filter(exists & seen)
    changed = (
        present.filter(_rank("unchanged_since") > HS_EDITIONS.index(older)) if older in HS_EDITIONS else present[:0]
    )
    coverage = ListCoverage(
        plist.name, plist.edition, editions, present, absent, codes.filter(exists & ~seen), changed, faults=()
    )
    return replace(coverage, faults=tuple(_coverage_faults(coverage, plist, traded, edition_codes is None, where)))


def _coverage_faults(
    c: ListCoverage, plist: ProductList, traded: pl.Series, undecided: bool, where: str
) -> Iterable[Fault]:
    total = plist.codes.height
    other = [e for e in c.data_editions if e != c.list_edition]
    if other:
        said = ", ".join("an edition not said" if e == "HS" else e for e in other)
        yield Fault(
            f"list {c.list_name} is in {c.list_edition}, the data in {said}: {c.present.height} of {total} codes found",
            where,
            "read data in the list's edition, or accept what is said below",
        )
        if undecided and plist.codes["since"].null_count():
            yield Fault(
                f"list {c.list_name}: whether its codes exist in {said} is not known",
                where,
                "give the edition's product file",
            )
    if c.not_in_edition.height:
        gone = f"{_count(c.not_in_edition)} of {total} not in the data's edition"
        yield Fault(
            f"list {c.list_name}: {gone} ({_some(c.not_in_edition)})",
            where,
            "leave them out, or name the wider codes they came from beside the list",
        )
    if c.changed.height:
        yield Fault(
            f"list {c.list_name}: {_count(c.changed)} with goods cut somewhat differently there ({_some(c.changed)})",
            where,
        )
    if traded.len() and traded.str.len_chars().max() != 6:
        yield Fault(f"list {c.list_name}: the data are coarser than six digits", where, "read data at HS6")


def _count(frame: pl.DataFrame) -> str:
    number = frame["code"].n_unique()
    return "1 code" if number == 1 else f"{number} codes"


def _some(frame: pl.DataFrame, most: int = 8) -> str:
    codes = frame["code"].unique(maintain_order=True).to_list()
    return ", ".join(codes[:most]) + (f" and {len(codes) - most} more" if len(codes) > most else "")


def _codes_traded(items: pl.Series) -> pl.Series:
    codes = items.drop_nulls().str.extract(r"^HS\d*:(.+)$", 1).drop_nulls().unique()
    return pl.concat([codes, codes.str.slice(0, 4), codes.str.slice(0, 2)]).unique()


def _rank(column: str) -> pl.Expr:
    order = {edition: n for n, edition in enumerate(HS_EDITIONS)}
    return pl.col(column).replace_strict(order, default=None, return_dtype=pl.Int64)


def _exists(edition: str) -> pl.Expr:
    """Whether a list's code exists in an edition; where nothing is known it counts as existing."""
    if edition not in HS_EDITIONS:
        return pl.lit(True)
    return (_rank("since") <= HS_EDITIONS.index(edition)).fill_null(True)


def _codes_in(plist: ProductList, edition: str) -> pl.DataFrame:
    return plist.codes.filter(_exists(edition))


@cache
def _predecessor_table() -> pl.DataFrame:
    return pl.read_csv(data_dir() / "reference" / "products" / "predecessors.csv", infer_schema=False, glob=False)


def _predecessors(plist: ProductList, edition: str) -> pl.DataFrame:
    """For codes of the list that an edition lacks: code, predecessor, relation."""
    empty = _predecessor_table().select("code", "predecessor", "relation")[:0]
    if edition not in HS_EDITIONS or plist.edition != "HS22":
        return empty
    at = HS_EDITIONS.index(edition)
    lacking = plist.codes.filter(~_exists(edition))["code"].to_list()
    table = _predecessor_table().filter(
        (_rank("first_edition") <= at) & (_rank("last_edition") >= at) & pl.col("code").is_in(lacking)
    )
    return table.select("code", "predecessor", "relation")


@cache
def _own_list(name: str) -> ProductList:
    folder = data_dir() / "reference" / "products"
    about = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    codes = pl.read_csv(folder / f"{name}.csv", infer_schema=False, glob=False)
    return ProductList(name, about.pop("edition"), codes, about)


def _file_list(name: str, edition: str) -> ProductList:
    path = Path(name)
    if not path.exists():
        close = nearest(name, product_lists()) or list(product_lists())
        raise UsageError(
            f"no product list {name!r}", mend=f"did you mean {', '.join(close)}? or give the path of a CSV"
        )
    try:
        beside = path.with_suffix(".toml")
        about = tomllib.loads(beside.read_text(encoding="utf-8")) if beside.exists() else {}
        codes = pl.read_csv(path, infer_schema=False, glob=False)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, pl.exceptions.PolarsError) as error:
        raise InputError(f"cannot be read: {error}", where=name, mend="give a CSV with a column code") from error
    edition = str(about.pop("edition", "") or edition)
    if faults := _list_faults(codes, edition, path):
        raise InputError("not a product list", where=name, faults=faults)
    codes = codes.with_columns(pl.lit(None, pl.String).alias(c) for c in _COLUMNS if c not in codes.columns)
    provenance = {"source": str(path), "basis": "assumed", **{str(k): str(v) for k, v in about.items()}}
    return ProductList(path.stem, edition, codes.select(_COLUMNS), provenance)


def _list_faults(codes: pl.DataFrame, edition: str, path: Path) -> list[Fault]:
    faults = []
    if edition not in HS_EDITIONS:
        said = f"edition {edition!r} is not known" if edition else "the HS edition of the codes is not said"
        faults.append(
            Fault(said, path.name, f'write edition = "HS22" in {path.stem}.toml (one of {", ".join(HS_EDITIONS)})')
        )
    if "code" not in codes.columns:
        return [*faults, Fault("no column code", path.name, "name the column with the HS codes `code`")]
    good = pl.col("code").str.contains(r"^(\d{2}|\d{4}|\d{6})$").fill_null(False)
    numbered = codes.with_row_index("row", offset=1)
    for row, code in numbered.filter(~good).select("row", "code").iter_rows():
        faults.append(
            Fault(f"{code!r} is not an HS code", f"{path.name}: row {row}", "2, 4 or 6 digits, leading zeros kept")
        )
    for row, code in numbered.filter(good & ~pl.col("code").is_first_distinct()).select("row", "code").iter_rows():
        faults.append(Fault(f"{code} stands twice", f"{path.name}: row {row}", "remove one"))
    return faults

"""Economies: every code and name that publishers use, mapped to one key, ISO 3166-1 alpha-3.

The facts are in data/reference: economies.csv (one row an economy, with its main code in each scheme),
economy_codes.csv (further codes) and economy_names.csv (further names). Dissolved states have their own keys (SUN, CSK,
DDR, YUG, SCG ...) and dates. What is no economy has a key too, and its `kind` says so:

    state, territory   an economy that exists
    dissolved          an economy that existed until valid_to
    union              economies that a publisher reports as one (Belgium-Luxembourg before 1999)
    residual           a part of the world that no code names (areas nes, rest of world, bunkers)
    aggregate          a sum of economies that stand elsewhere: adding it to them counts twice
"""

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import NamedTuple

import polars as pl

from weaponized_interdependence.errors import Fault, UnknownCodeError, UsageError, nearest
from weaponized_interdependence.harmonize.folding import fold
from weaponized_interdependence.periods import first_day, last_day
from weaponized_interdependence.settings import data_dir

SCHEMES = {
    "iso3": "ISO 3166-1 alpha-3, older letters (ROM, ZAR, TMP) and the tool's own keys",
    "iso2": "ISO 3166-1 alpha-2, with UK, EL and XK",
    "m49": "UN M49 numbers, with or without leading zeros",
    "baci": "BACI and UN Comtrade numbers (842, 251, 579, 757, 699, 490 ...), M49 numbers too",
    "cow": "Correlates of War country numbers",
    "cowc": "Correlates of War country letters",
    "gw": "Gleditsch-Ward state numbers",
    "oec": "Observatory of Economic Complexity ids, with or without the two letters of the continent",
    "oecd": "OECD.Stat codes: ISO3 and the OECD's aggregates",
    "bic": "the two country letters of a bank identifier code, or the whole code (8 or 11 characters)",
    "bis": "BIS reference areas: ISO2 and the BIS's own (5J, 1C, 4T ...)",
    "name": "names, in many publishers' spellings",
    "any": "ISO3, ISO2, names, OECD, BIS, M49 and Comtrade numbers mixed (COW and GW numbers clash with M49)",
}
KINDS = ("state", "territory", "dissolved", "union", "residual", "aggregate")
_NUMERIC = ("m49", "baci", "cow", "gw")
_TABLE_SCHEMA = {"code": pl.String, "iso3": pl.String, "valid_from": pl.Date, "valid_to": pl.Date}
When = date | pl.Series | None


class Lookup(NamedTuple):
    """What `lookup` found: `iso3` in the order asked (null where unknown), and a fault for every unknown code."""

    iso3: pl.Series
    faults: tuple[Fault, ...]


@cache
def economies() -> pl.DataFrame:
    """All economies and what stands beside them.

    Columns: iso3, iso2, m49, baci, cow, gw, oec, bis, name, kind, valid_from, valid_to, note. The dates are the first
    and last day on which the key is meant; null means no bound that matters here.
    """
    frame = pl.read_csv(data_dir() / "reference" / "economies.csv", infer_schema=False)
    return frame.with_columns(pl.col("valid_from", "valid_to").str.to_date())


def keys_of_kind(*kinds: str) -> tuple[str, ...]:
    """The keys of the kinds named, sorted.

    >>> "WLD" in keys_of_kind("aggregate"), "USA" in keys_of_kind("state", "territory")
    (True, True)
    """
    if unknown := set(kinds) - set(KINDS):
        raise UsageError(f"no such kind of economy: {', '.join(sorted(unknown))}", mend=f"one of {', '.join(KINDS)}")
    return tuple(economies().filter(pl.col("kind").is_in(kinds))["iso3"].sort())


def code_map(scheme: str, *, on: date | None = None) -> pl.DataFrame:
    """The codes of one scheme with their ISO3, for joins: columns code, iso3, valid_from, valid_to.

    Codes are text as publishers write them; numbers stand both plain and padded to three digits (4 and 004); names are
    folded with `harmonize.folding.fold`. A code whose meaning changed with time has one row a meaning, so a join on
    `code` alone can multiply rows in cow, cowc, gw, iso2 and any (never in the others); `on` keeps the meanings of
    one day, and then no code stands twice.
    """
    table = _table(scheme)
    if scheme in _NUMERIC:
        padded = table.with_columns(pl.col("code").str.zfill(3))
        table = pl.concat([table, padded]).unique(maintain_order=True)
    if scheme == "oec":
        table = table.with_columns(pl.col("code").str.to_lowercase())
    if on is not None:
        overlap = _days_shared(pl.lit(on), pl.lit(on))
        table = table.filter((overlap > 0) | pl.col("code").is_unique())
    return table


def lookup(codes: pl.Series, scheme: str, *, on: When = None, where: str = "") -> Lookup:
    """Map codes to ISO3 without raising: unknown codes come back as null, each with a fault.

    `on` says when the codes were written: one date, or a series as long as `codes` of dates, years or periods (the
    meaning that holds for most of the period counts, so the year 1991 of COW 365 is the Soviet Union). It only chooses
    between meanings: a code that always meant one economy maps to it whatever the date. Without `on` a code of several
    meanings is a fault. Null codes stay null and are no fault.
    """
    _check_scheme(scheme)
    asked = pl.DataFrame({"code": codes})
    if isinstance(on, pl.Series):
        if len(on) != len(codes):
            raise UsageError(f"{len(on)} dates for {len(codes)} codes", mend="give one date, or one for each code")
        asked = asked.with_columns(on.alias("when"))
    columns = asked.columns
    distinct = asked.drop_nulls("code").group_by(columns, maintain_order=True).len()
    distinct = distinct.with_columns(
        _normal(pl.col("code").cast(pl.String), scheme).alias("key"), *_spans(distinct, on)
    )
    meanings = distinct.join(_table(scheme).rename({"code": "key"}), on="key", how="left")
    found = _chosen(meanings.drop_nulls("iso3"), columns).select(*columns, "iso3")
    lost = distinct.join(found, on=columns, how="anti", nulls_equal=True)
    answer = asked.join(found, on=columns, how="left", nulls_equal=True, maintain_order="left")
    return Lookup(answer["iso3"].alias(codes.name), tuple(_faults(lost, scheme, where)))


def to_iso3(codes: pl.Series, scheme: str, *, on: When = None, where: str = "") -> pl.Series:
    """Map codes to ISO3; raise UnknownCodeError that lists every code no reference knows.

    Parameters
    ----------
    codes : text or whole numbers, in one of `SCHEMES`
    scheme : the scheme the codes are written in
    on : when they were written, see `lookup`
    where : file or table named in the error

    >>> to_iso3(pl.Series([842, 251, 490]), "baci").to_list()
    ['USA', 'FRA', 'TWN']
    >>> to_iso3(pl.Series([365, 365]), "cow", on=pl.Series([1985, 1995])).to_list()
    ['SUN', 'RUS']
    """
    found = lookup(codes, scheme, on=on, where=where)
    if found.faults:
        raise _unknown(found.faults, scheme)
    return found.iso3


def resolve(names: Iterable[str], *, on: date | None = None, where: str = "") -> tuple[str, ...]:
    """ISO3 of codes and names in any scheme mixed (see `SCHEMES["any"]`), in the order given.

    >>> resolve(["Korea, Rep.", "DE", "842", "Turkey"])
    ('KOR', 'DEU', 'USA', 'TUR')
    """
    return tuple(to_iso3(pl.Series(list(names), dtype=pl.String), "any", on=on, where=where))


def name_of(iso3: str) -> str:
    """The name of an economy; the key itself where it is not ours (a node of the user's own)."""
    return _names().get(iso3, iso3)


@cache
def _names() -> dict[str, str]:
    return dict(economies().select("iso3", "name").iter_rows())


def _check_scheme(scheme: str) -> None:
    if scheme not in SCHEMES:
        close = nearest(scheme, list(SCHEMES)) or list(SCHEMES)
        raise UsageError(f"no code scheme {scheme!r}", mend=f"did you mean {', '.join(close)}?")


@cache
def _table(scheme: str) -> pl.DataFrame:
    """One scheme's codes in normal form: code, iso3, valid_from, valid_to."""
    _check_scheme(scheme)
    if scheme == "any":
        return _any_table()
    if scheme == "bic":
        return _table("iso2")
    further = pl.read_csv(data_dir() / "reference" / "economy_codes.csv", infer_schema=False)
    further = further.with_columns(pl.col("valid_from", "valid_to").str.to_date())
    parts = [further.filter(pl.col("scheme") == scheme).select(*_TABLE_SCHEMA)]
    if scheme == "name":
        parts.append(_name_table())
    elif scheme == "oecd":
        parts.append(_table("iso3"))
    elif scheme != "cowc":  # its letters stand in economy_codes.csv only
        main = economies().select(pl.col(scheme).alias("code"), "iso3", "valid_from", "valid_to").drop_nulls("code")
        parts.insert(0, main)
    table = pl.concat(parts).with_columns(_normal(pl.col("code"), scheme))
    # Dates only part the meanings of a code that has several: elsewhere they would turn good rows away.
    once = pl.col("iso3").n_unique().over("code") == 1
    return table.with_columns(
        pl.when(~once).then(pl.col("valid_from")), pl.when(~once).then(pl.col("valid_to"))
    ).unique(maintain_order=True)


def _name_table() -> pl.DataFrame:
    own = economies().select(pl.col("name").alias("code"), "iso3")
    further = pl.read_csv(data_dir() / "reference" / "economy_names.csv", infer_schema=False)
    names = pl.concat([own, further.select(pl.col("name").alias("code"), "iso3")])
    return names.with_columns(
        pl.lit(None, pl.Date).alias("valid_from"), pl.lit(None, pl.Date).alias("valid_to")
    ).select(*_TABLE_SCHEMA)


def _any_table() -> pl.DataFrame:
    """Schemes that do not clash, the first to know a code wins; codes carry the prefixes that `_normal` gives."""
    parts = {
        "letters": _first_to_know("iso3", "iso2", "oecd", "bis"),
        "number": _first_to_know("m49", "baci"),
        "name": _table("name"),
    }
    return pl.concat(
        [t.with_columns(pl.format("{}:{}", pl.lit(p), pl.col("code")).alias("code")) for p, t in parts.items()]
    )


def _first_to_know(*schemes: str) -> pl.DataFrame:
    taken = _table(schemes[0])
    for scheme in schemes[1:]:
        taken = pl.concat([taken, _table(scheme).join(taken, on="code", how="anti")])
    return taken


def _normal(code: pl.Expr, scheme: str) -> pl.Expr:
    """The form in which a scheme's codes are compared."""
    plain = code.str.strip_chars()
    number = plain.str.replace(r"\.0+$", "").str.replace(r"^0+(\d)", "$1")
    letters = plain.str.to_uppercase()
    if scheme in _NUMERIC:
        return number
    if scheme == "name":
        return fold(plain)
    if scheme == "oec":
        return letters.str.replace(r"^(AF|AN|AS|EU|NA|OC|SA|XX)([A-Z]{3})$", "$2")
    if scheme == "bic":
        whole = letters.str.contains(r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$")
        return pl.when(whole).then(letters.str.slice(4, 2)).otherwise(letters)
    if scheme == "any":
        known = letters.is_in(_letters_of_any())
        return (
            pl.when(plain.str.contains(r"^\d+(\.0+)?$"))
            .then(pl.format("number:{}", number))
            .when(known)
            .then(pl.format("letters:{}", letters))
            .otherwise(pl.format("name:{}", fold(plain)))
        )
    return letters


@cache
def _letters_of_any() -> list[str]:
    codes = _any_table()["code"]
    return codes.filter(codes.str.starts_with("letters:")).str.strip_prefix("letters:").unique().to_list()


def _spans(distinct: pl.DataFrame, on: When) -> tuple[pl.Series, pl.Series]:
    """First and last day of the time each row was written in; null where that is not said."""
    if not isinstance(on, pl.Series):
        day = pl.Series([on], dtype=pl.Date).new_from_index(0, distinct.height)
        return day.alias("first"), day.alias("last")
    if on.dtype == pl.Date:
        return distinct["when"].alias("first"), distinct["when"].alias("last")
    written = distinct["when"].cast(pl.String).str.strip_suffix(".0")  # years as R and Stata export them
    periods = written.unique().drop_nulls().to_list()
    firsts = written.replace_strict(periods, [first_day(p) for p in periods], default=None, return_dtype=pl.Date)
    lasts = written.replace_strict(periods, [last_day(p) for p in periods], default=None, return_dtype=pl.Date)
    return firsts.alias("first"), lasts.alias("last")


def _days_shared(first: pl.Expr, last: pl.Expr) -> pl.Expr:
    """Number of days that a span and a meaning have in common, at most zero where they do not meet."""
    start = pl.max_horizontal(first, "valid_from")
    end = pl.min_horizontal(last, "valid_to")
    return (end - start).dt.total_days() + 1


def _chosen(meanings: pl.DataFrame, code: list[str]) -> pl.DataFrame:
    """One meaning a code: the only one, or the one that holds for most of the time the code was written in."""
    shared = pl.when(pl.col("first").is_null()).then(0).otherwise(_days_shared(pl.col("first"), pl.col("last")))
    several = pl.col("iso3").n_unique().over(code) > 1
    ranked = meanings.with_columns(shared.alias("shared")).filter(~several | (pl.col("shared") > 0))
    return ranked.sort("shared", descending=True, maintain_order=True).unique(code, keep="first", maintain_order=True)


def _unknown(faults: tuple[Fault, ...], scheme: str) -> UnknownCodeError:
    many = "1 code is" if len(faults) == 1 else f"{len(faults)} codes are"
    return UnknownCodeError(f"{many} not known in scheme {scheme}", faults=faults)


def _faults(lost: pl.DataFrame, scheme: str, where: str) -> Iterable[Fault]:
    for row in lost.iter_rows(named=True):
        rows = "1 row" if row["len"] == 1 else f"{row['len']} rows"
        when = f" at {row['when']}" if row.get("when") is not None else ""
        yield Fault(f"{str(row['code'])!r}{when} ({rows})", where, _mend(str(row["code"]), row["key"], scheme))


def _mend(code: str, key: str, scheme: str) -> str:
    meanings = _table(scheme).filter(pl.col("code") == key)
    if meanings.height:
        spans = "; ".join(
            f"{iso3} {start or '...'} to {end or 'now'}"
            for _, iso3, start, end in meanings.unique(maintain_order=True).iter_rows()
        )
        return f"its meaning changed with time ({spans}): give a date inside one of these spans (`on`)"
    if code.strip().replace(".", "").isdigit():
        found = {s: _table(s).filter(pl.col("code") == _normal_text(code, s))["iso3"].unique().sort() for s in _NUMERIC}
        others = [f"{s} knows it as {' or '.join(iso3)}" for s, iso3 in found.items() if len(iso3)]
        return "; ".join(others) or "no numeric scheme knows it"
    known = _suggestions(scheme)
    begun = [
        i for i, n in _names().items() if len(code.strip()) == 3 and n.casefold().startswith(code.strip().casefold())
    ]
    close = list(dict.fromkeys([*(i for i in begun if i in known), *nearest(code.strip(), list(known))]))[:3]
    if not close:
        return "no code or name comes near; see data/reference/economies.csv"
    return "did you mean " + ", ".join(c if c == known[c] else f"{c} ({known[c]})" for c in close) + "?"


def _normal_text(code: str, scheme: str) -> str:
    return str(pl.select(_normal(pl.lit(code), scheme)).item())


@cache
def _suggestions(scheme: str) -> dict[str, str]:
    """What can be offered as a near match: codes, or names as they are spelled, with their ISO3."""
    if scheme not in ("name", "any"):
        return dict(_table(scheme).select("code", "iso3").iter_rows())
    further = pl.read_csv(data_dir() / "reference" / "economy_names.csv", infer_schema=False)
    names = dict(further.select("name", "iso3").iter_rows()) | {n: i for i, n in _names().items()}
    return names if scheme == "name" else names | {i: i for i in _names()}

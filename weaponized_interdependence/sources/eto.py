"""ETO Supply Chain Explorer (CSET, Georgetown University): who provides the inputs of advanced chips, by market share.

Files provision.csv (provider_name, provider_id, provided_name, provided_id, share_provided, negligible_market_share)
and providers.csv (provider_name, provider_id, provider_type, country). An input is bought from a world market, so the
flow runs from its provider to WLD, and its value is a share: per cent of the market of that one input. Every input has
a unit of its own, for a tenth of one market and a tenth of another cannot be added.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence.errors import InputError, UsageError
from weaponized_interdependence.harmonize.economies import lookup
from weaponized_interdependence.periods import year_of
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sources.files import Opened, opened, require, text_frame
from weaponized_interdependence.sources.reading import Reading, Reason, reject_repeats, split
from weaponized_interdependence.terms import Basis, Layer

WORLD = "WLD"
OTHERS = "Various"  # the publisher's name for all smaller providers together
_KINDS = {"countries": "country", "firms": "organization"}  # provider_type
_RECORD = ("provider_name", "provided_name", "provided_id", "share_provided", "negligible_market_share")
# Codes of the publisher's own that are not ISO 3166.
_OWN_CODES = {"MAL": "MYS"}


def read_eto(
    paths: Sequence[Path],
    *,
    year: int | None = None,
    providers: Literal["countries", "firms"] = "countries",
    level: Literal["inputs", "stages"] = "inputs",
) -> Reading:
    """Read market shares of chip-making inputs into FLOWS: provider -> WLD, item ETO:N19, value in per cent.

    Parameters
    ----------
    year
        Of the flows: no column says it. The publisher describes markets of about 2018 to 2021.
    providers
        "countries" or "firms"; never both, for a country's share is that of its firms. Firms keep their names; a name
        that several firms have is followed by the provider_id of each.
    level
        "inputs" (materials, tools, processes) or "stages" of production, which hold them.

    Raises
    ------
    UsageError
        No year, or another word for an option.
    InputError
        The two files are not both there.
    """
    if year is None:
        raise UsageError("the year of the market shares is in no column", mend="say option year=2021 (--period 2021)")
    if providers not in ("countries", "firms") or level not in ("inputs", "stages"):
        raise UsageError(f"providers={providers} level={level}", mend="countries or firms; inputs or stages")
    period = year_of(str(year))
    with opened(paths) as files:
        provision, who = _named(files, "share_provided"), _named(files, "provider_type")
        require(provision, [*_RECORD, "provider_id"])
        require(who, ["provider_id", "provider_type", "country"])
        shares, odd = text_frame(provision)
        kinds, _ = text_frame(who)
        kinds = kinds.select("provider_id", pl.col("provider_type").fill_null("")).unique("provider_id")
        told = shares.filter(~pl.col("row").is_in(list(odd))).join(kinds, on="provider_id", how="left")
        told = _with_codes(told, providers)
        good, rejected = split(told, _rules(providers, level), file=provision.name, record=_RECORD)
        good = good.select(
            pl.lit(str(period)).alias("period"),
            pl.lit(str(Layer.GOODS)).alias("layer"),
            pl.col("origin"),
            pl.lit(WORLD).alias("destination"),
            pl.format("ETO:{}", "provided_id").alias("item"),
            "value",
            pl.format("per cent of the market of {}", "provided_id").alias("unit"),
            pl.lit(str(Basis.OBSERVED)).alias("basis"),
            "row",
            *_RECORD,
        )
        good, twice = reject_repeats(good, key=FLOWS.key, same=["value"], file=provision.name, record=_RECORD)
        stamps = tuple(dict.fromkeys(f.stamp for f in files))
    flows = FLOWS.conform(good.drop("row", *_RECORD), where=provision.name)
    unsaid = int((rejected["reason"] == str(Reason.NOT_REPORTED)).sum())
    return Reading(
        name="eto",
        flows=flows,
        rejected=pl.concat([rejected, twice]),
        files=stamps,
        notes=(
            f"{unsaid} provider(s) are named without a share, and give no flow: an input may have chokepoints that "
            "no share shows",
            _names(good),
            f"'{OTHERS}' is all smaller providers together: it is no jurisdiction",
        ),
        scope="extract",
    )


def _names(good: pl.DataFrame) -> str:
    """What each item is called: FLOWS has no room for it."""
    told = good.select("provided_id", "provided_name").drop_nulls().unique("provided_id")
    ordered = told.sort(pl.col("provided_id").str.slice(1).cast(pl.Int64, strict=False), "provided_id", nulls_last=True)
    return "items: " + "; ".join(f"ETO:{code} {name}" for code, name in ordered.rows())


def _named(files: Sequence[Opened], column: str) -> Opened:
    for file in files:
        if column in file.columns:
            return file
    raise InputError(
        f"no file has the column {column}",
        where=", ".join(f.name for f in files),
        mend="give both provision.csv and providers.csv",
    )


def _with_codes(told: pl.DataFrame, providers: str) -> pl.DataFrame:
    """`origin`: ISO3 of a country, the name of a firm, `Various` as it stands; null where a country is unknown.

    Two firms of one name are told apart by their provider_id: their shares are not two versions of one.
    """
    value = pl.col("share_provided").str.strip_suffix("%").str.strip_chars().cast(pl.Float64, strict=False)
    names = told["provider_name"].replace(_OWN_CODES)
    if providers == "countries":
        found = lookup(names, "any").iso3
        names = pl.select(pl.when(names == OTHERS).then(names).otherwise(found)).to_series()
    else:
        shared = pl.col("provider_id").n_unique().over("provider_name", "provider_type") > 1
        apart = pl.format("{} ({})", "provider_name", "provider_id")
        firms = (pl.col("provider_type") == _KINDS["firms"]) & shared
        names = told.select(pl.when(firms).then(apart).otherwise("provider_name")).to_series()
    return told.with_columns(value=value, origin=names)


def _rules(providers: str, level: str) -> list[tuple[Reason, pl.Expr]]:
    kind = pl.col("provider_type")
    prefix = "N" if level == "inputs" else "S"
    return [
        (Reason.UNKNOWN_ORIGIN, kind.is_null() & (pl.col("provider_name") != OTHERS)),  # its id is not in providers.csv
        (Reason.NOT_ASKED, (kind != _KINDS[providers]) & (pl.col("provider_name") != OTHERS)),
        (Reason.NOT_ASKED, ~pl.col("provided_id").str.starts_with(prefix)),
        (Reason.NOT_REPORTED, pl.col("share_provided").fill_null("").str.strip_chars() == ""),
        (Reason.UNKNOWN_ORIGIN, pl.col("origin").is_null()),
        (Reason.NOT_A_NUMBER, pl.col("value").is_null()),
        (Reason.NOT_FINITE, ~pl.col("value").is_finite()),
        (Reason.NEGATIVE, pl.col("value") < 0),
        (Reason.TOO_LARGE, pl.col("value") > 100),
    ]

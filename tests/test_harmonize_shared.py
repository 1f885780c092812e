"""Every economy code in every file of the shared data resolves or is a declared aggregate."""

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from weaponized_interdependence.harmonize.economies import economies, lookup, to_iso3
from weaponized_interdependence.harmonize.products import list_coverage, product_list, translate

Codes = Callable[[Path], pl.Series]


def column(*names: str) -> Codes:
    def read(path: Path) -> pl.Series:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path, columns=list(names))
        else:
            frame = pl.read_csv(path, infer_schema=False, encoding="utf8-lossy").select(names)
        return pl.concat([frame[n].cast(pl.String).alias("code") for n in names]).drop_nulls()

    return read


def world_bank(name: str) -> Codes:
    return lambda path: pl.read_csv(path, skip_rows=4, infer_schema=False)[name]


def before_underscore(*names: str) -> Codes:
    return lambda path: column(*names)(path).str.split("_").list.first().unique()


def sheet(path: Path) -> pl.Series:
    return pl.read_excel(path, sheet_id=1)["country"].drop_nulls().unique()


def header(path: Path) -> pl.Series:
    return pl.Series("code", path.read_text().splitlines()[0].split(",")[1:])


def icio(path: Path) -> pl.Series:
    labels = pl.read_csv(path, infer_schema=False, columns=[0]).to_series()
    head = pl.read_csv(path, infer_schema=False, n_rows=1).columns[1:]
    both = pl.concat([labels, pl.Series(head)]).str.split("_").list.first().unique()
    return both.filter(~both.is_in(["VA", "OUT"]))


def gexf(path: Path) -> pl.Series:
    return pl.Series(sorted(set(re.findall(r'<node id="([^"]*)"', path.read_text()))))


def remittance_sheet(path: Path) -> pl.Series:
    frame = pl.read_excel(path, sheet_id=1, has_header=False, infer_schema_length=0)
    names = frame.to_series(0).drop_nulls()
    # The publisher's footnotes stand below the matrix, in the same column.
    return names.filter((names.str.len_chars() < 60) & ~names.str.contains("Notes|receiving"))


FILES: list[tuple[str, str, Codes, str | None]] = [
    # file, scheme, how the codes are got, column with the year they were written in
    ("trade/baci/BACI_HS92_TOTAL_Y2019.csv.gz", "baci", column("i", "j"), None),
    ("trade/baci/BACI_HS92_TOTAL_Y2000_Y2019_16years.parquet", "baci", column("i", "j"), None),
    ("trade/baci/BACI_HS92_TOTAL_Y2000_Y2019_16years.parquet", "iso3", column("iso_i", "iso_j"), None),
    ("trade/baci/BACI_HS92_270900_Y2021.csv.gz", "baci", column("i", "j"), None),
    ("trade/baci/OEC_BACI_bilateral_2022_usd.csv.gz", "oec", column("exporter_id", "importer_id"), None),
    ("trade/baci/OEC_BACI_bilateral_2022_usd.csv.gz", "name", column("exporter_name", "importer_name"), None),
    ("trade/baci/country_codes_V202301.csv", "baci", column("country_code"), None),
    ("trade/baci/country_codes_V202301.csv", "name", column("country_name_abbreviation", "country_name_full"), None),
    ("trade/unctad/unctad_merchandise_trade_matrix_SITC1_2015.parquet", "iso3", column("exporter", "importer"), None),
    (
        "trade/comtrade/comtrade_legacy_IDN_export_HS6_2018_2019.csv.gz",
        "baci",
        column("Reporter Code", "Partner Code"),
        None,
    ),
    (
        "trade/comtrade/comtrade_legacy_SME_848620_903082_903141_2016_2020.csv.gz",
        "baci",
        column("Reporter Code", "Partner Code"),
        None,
    ),
    (
        "trade/comtrade/comtrade_legacy_SME_848620_903082_903141_2016_2020.csv.gz",
        "name",
        column("Reporter", "Partner"),
        None,
    ),
    ("trade/comtrade/comtrade_legacy_SME_848620_903082_903141_2016_2020.csv.gz", "iso3", column("Reporter ISO"), None),
    ("trade/cow/cow_dyadic_trade_v4_1950_2014_without_1988_1993.parquet", "cow", column("ccode1", "ccode2"), "year"),
    (
        "trade/eurostat/eurostat_EU15_bilateral_by_product_2007_2016.parquet",
        "iso2",
        column("Origin", "Destination"),
        None,
    ),
    ("trade/gravity/agtpa_manufacturing_1986_2006.parquet", "iso3", column("exporter", "importer"), None),
    ("trade/arms/sipri_tiv_order_year_1950_2009.parquet", "name", column("supplier", "recipient"), None),
    ("trade/commodity/atlas_sitcr2_7924_aircraft_2019.gexf", "iso3", gexf, None),
    ("finance/bis_cbs_immediate_counterparty_16x16_2022Q4_musd.csv", "bis", header, None),
    ("finance/bis_cbs_immediate_counterparty_16x16_2022Q4_musd.csv", "bis", column("country"), None),
    ("finance/bis_lbs_country_totals_1970_2021.xlsx", "name", sheet, None),
    ("finance/knomad_bilateral_remittance_2017_long.parquet", "name", column("sending", "receiving"), None),
    ("finance/knomad_bilateral_remittance_2017.xlsx", "name", remittance_sheet, None),
    ("finance/oecd_total_services_exports_2000_2019.csv.gz", "oecd", column("COU", "PAR"), None),
    ("finance/oecd_total_services_exports_2000_2019.csv.gz", "name", column("Country", "Partner"), None),
    ("finance/central_bank_liquidity_lines_v19.csv", "oecd", column("ISO_source", "ISO_recipient"), None),
    ("finance/central_bank_liquidity_lines_v19.csv", "name", column("source_country", "recipient_country"), None),
    ("finance/eba_stresstest2016_bank_country_exposures.csv.gz", "any", column("Country_code", "Country"), None),
    ("country/API_NY.GDP.MKTP.CD_DS2_en_csv_v2_26433.csv", "iso3", world_bank("Country Code"), None),
    ("country/API_NY.GDP.MKTP.CD_DS2_en_csv_v2_26433.csv", "name", world_bank("Country Name"), None),
    ("country/API_SP.POP.TOTL_DS2_en_csv_v2_4902028.csv", "iso3", world_bank("Country Code"), None),
    ("country/API_SP.POP.TOTL_DS2_en_csv_v2_4902028.csv", "name", world_bank("Country Name"), None),
    ("country/atop_alliance_directed_dyad_year.parquet", "cow", column("ccode1", "ccode2"), "year"),
    ("country/cow_gdp_pop_estimates_1816_2020.parquet", "gw", column("ccode"), "year"),
    ("country/cow_states.csv.gz", "cow", column("ccode"), "styear"),
    ("country/cow_states.csv.gz", "cowc", column("stateabb"), "styear"),
    ("country/cow_contdir.csv.gz", "cow", column("ccode1", "ccode2"), "stdate"),
    ("country/dist_cepii.parquet", "iso3", column("iso_o", "iso_d"), None),
    ("country/geo_cepii.parquet", "iso3", column("iso3"), None),
    ("country/geo_cepii.parquet", "name", column("country"), None),
    ("country/un_ideal_points_1946_2012.csv.gz", "cowc", column("CountryAbb"), "Year"),
    ("country/un_ideal_points_1946_2012.csv.gz", "name", column("CountryName"), None),
    ("country/un_votes_sessions_1_70.parquet", "name", column("country"), None),
    ("mrio/wiod13/wiod13_2000_long.parquet", "iso3", before_underscore("row", "col"), None),
    ("mrio/wiod13/wiod13_2007_long.parquet", "iso3", before_underscore("row", "col"), None),
    ("mrio/wiod13/wiod13_2011_long.parquet", "iso3", before_underscore("row", "col"), None),
    ("mrio/wiod13/wiod13_2011_in_ICIO_csv_layout.csv.gz", "iso3", icio, None),
    ("mrio/cp2015/trade.parquet", "name", column("exporter", "importer"), None),
    ("mrio/cp2015/deficit.parquet", "name", column("region"), None),
]


@pytest.mark.parametrize(("file", "scheme", "read", "year"), FILES, ids=[f"{f[0]}-{f[1]}" for f in FILES])
def test_every_code_resolves(shared_data: Path, file: str, scheme: str, read: Codes, year: str | None) -> None:
    codes = read(shared_data / file)
    assert codes.len() > 0
    on = None
    if year is not None:
        written = column(year)(shared_data / file).str.slice(0, 4)
        on = pl.concat([written] * (codes.len() // written.len()))
    found = lookup(codes, scheme, on=on, where=file)
    assert found.faults == ()
    assert found.iso3.null_count() == 0


def test_no_economy_file_is_left_out(shared_data: Path) -> None:
    """A new file in these folders must be added above, or here with the reason why it holds no economies."""
    without = {
        "trade/baci/product_codes_HS17_V202301.csv": "products",
        "mrio/wiod13/industries.csv": "industries",
        "mrio/cp2015/theta.parquet": "sectors",
        "mrio/cp2015/final_consumption.parquet": "same regions as trade",
        "mrio/cp2015/intermediate_consumption.parquet": "same regions as trade",
        "mrio/cp2015/value_added.parquet": "same regions as trade",
        "mrio/wiod13/wiod13_2000_output.csv.gz": "same labels as the long table",
        "mrio/wiod13/wiod13_2007_output.csv.gz": "same labels as the long table",
        "mrio/wiod13/wiod13_2011_output.csv.gz": "same labels as the long table",
    }
    there = {
        str(p.relative_to(shared_data))
        for folder in ("trade", "finance", "country", "mrio")
        for p in (shared_data / folder).rglob("*")
        if p.is_file() and "layout_fixtures" not in p.parts  # mock tables: their regions are inventions
    }
    assert there == {f[0] for f in FILES} | set(without)


def test_our_keys_agree_with_the_publishers_own_dictionaries(shared_data: Path) -> None:
    """Where a file gives two schemes for one economy both must lead to one key: we wrote neither."""
    baci = pl.read_csv(shared_data / "trade/baci/country_codes_V202301.csv", infer_schema=False)
    number = to_iso3(baci["country_code"], "baci")
    differ = [
        (n, a, b) for n, a, b in zip(baci["country_code"], number, baci["iso_3digit_alpha"], strict=True) if a != b
    ]
    # CEPII labels joint reporters by their largest member, and leaves residuals without a label.
    assert differ == [
        ("58", "BLX", "BEL"),
        ("697", "UN_697", "N/A"),
        ("711", "SACU", "ZAF"),
        ("849", "PUS", "N/A"),
    ]
    assert to_iso3(baci["country_name_abbreviation"], "name").to_list() == number.to_list()

    geo = pl.read_parquet(shared_data / "country/geo_cepii.parquet").filter(pl.col("iso3") != "YUG")
    letters = to_iso3(geo["iso3"], "iso3")
    assert to_iso3(geo["iso2"], "iso2").to_list() == letters.to_list()
    numbers = to_iso3(geo["cnum"].cast(pl.Int64), "baci")
    differ = [(c, a, b) for c, a, b in zip(geo["country"], letters, numbers, strict=True) if a != b]
    assert {d[1:] for d in differ} == {("ZAF", "SACU"), ("BEL", "BLX")}  # GeoDist writes the unions' numbers

    oecd = pl.read_csv(shared_data / "finance/oecd_total_services_exports_2000_2019.csv.gz", infer_schema=False)
    pairs = oecd.select("PAR", "Partner").unique()
    code, name = to_iso3(pairs["PAR"], "oecd"), to_iso3(pairs["Partner"], "name")
    assert code.to_list() == name.to_list()

    bank = pl.read_csv(
        shared_data / "country/API_NY.GDP.MKTP.CD_DS2_en_csv_v2_26433.csv", skip_rows=4, infer_schema=False
    )
    assert to_iso3(bank["Country Code"], "iso3").to_list() == to_iso3(bank["Country Name"], "name").to_list()


def test_cow_and_gw_names_lead_where_their_numbers_lead(shared_data: Path) -> None:
    states = pl.read_csv(shared_data / "country/cow_states.csv.gz", infer_schema=False)
    year = states["endyear"].cast(pl.Float64).cast(pl.Int64)
    number = to_iso3(states["ccode"], "cow", on=year)
    letters = to_iso3(states["stateabb"], "cowc", on=year)
    assert number.to_list() == letters.to_list()
    name = lookup(states["statenme"], "name").iso3
    differ = {n for n, a, b in zip(states["statenme"], number, name, strict=True) if a != b}
    assert differ == {"Yugoslavia", "Korea"}  # the one name stands for three states, the other for two


def test_aggregates_are_declared(shared_data: Path) -> None:
    kinds = dict(economies().select("iso3", "kind").iter_rows())
    codes = column("PAR")(shared_data / "finance/oecd_total_services_exports_2000_2019.csv.gz").unique()
    sums = {c for c, i in zip(codes, to_iso3(codes, "oecd"), strict=True) if kinds[i] == "aggregate"}
    assert {"WLD", "EU28", "EA19", "ASIAT", "OTO", "NMEC"} <= sums
    assert not sums & {"DEU", "TWN", "7ZX", "XCF"}


def test_lists_against_a_publishers_product_file(shared_data: Path) -> None:
    """Which list codes HS 2017 lacks, as decided by CEPII's product file, equals what our tables say."""
    path = shared_data / "trade/baci/product_codes_HS17_V202301.csv"
    codes = pl.read_csv(path, infer_schema=False)["code"].str.zfill(6)
    items = pl.Series([f"HS17:{c}" for c in codes])
    for name, lacking in (("common_high_priority", 6), ("humanitarian", 33)):
        ours = list_coverage(product_list(name), items)
        theirs = list_coverage(product_list(name), items, edition_codes=codes)
        assert ours.not_in_edition.height == lacking
        assert set(ours.not_in_edition["code"]) == set(theirs.not_in_edition["code"])
        assert ours.unseen.height == 0
        # And the goods that are told as predecessors exist there.
        assert set(ours.not_in_edition["predecessor"].drop_nulls()) <= set(codes)


def test_lists_are_the_reference_lists(shared_data: Path) -> None:
    reference = shared_data.parent / "reference"
    for name, file in (("humanitarian", "humanitarian_hs.csv"), ("common_high_priority", "chpl_hs.csv")):
        theirs = pl.read_csv(reference / file, infer_schema=False)
        ours = product_list(name).codes
        assert ours.select("code", "tier").rows() == theirs.select("hs6", "tier").rows()


def test_every_product_of_hs2017_has_a_section_and_an_industry(shared_data: Path) -> None:
    path = shared_data / "trade/baci/product_codes_HS17_V202301.csv"
    codes = pl.read_csv(path, infer_schema=False)["code"].str.zfill(6)
    items = pl.Series([f"HS17:{c}" for c in codes if c[:2] != "99"])
    for to in ("SITC", "ISIC3", "WIOD13", "HS_SECTION"):
        told = translate(items, to)
        assert told.faults == ()
        assert told.items.null_count() == 0


def test_sections_from_hs_come_close_to_the_published_sections(shared_data: Path) -> None:
    """Indonesia's exports: our sections of Comtrade HS6 2018 beside UNCTAD's SITC sections of 2015.

    Two publishers and three years apart, so only shares can be compared; the widest gap measured is 1.9 points
    (correlation 0.99).
    """
    trade = pl.read_csv(
        shared_data / "trade/comtrade/comtrade_legacy_IDN_export_HS6_2018_2019.csv.gz", infer_schema=False
    ).filter(pl.col("Year") == "2018")
    items = pl.Series([f"HS17:{c}" for c in trade["Commodity Code"]])
    ours = trade.select(
        translate(items, "SITC").items.str.strip_prefix("SITC:").alias("sitc"),
        pl.col("Trade Value (US$)").cast(pl.Float64).alias("value"),
    )
    ours = ours.group_by("sitc").agg(pl.col("value").sum() / ours["value"].sum())
    theirs = pl.read_parquet(shared_data / "trade/unctad/unctad_merchandise_trade_matrix_SITC1_2015.parquet").filter(
        (pl.col("exporter") == "IDN") & (pl.col("sitc") != "TOTAL")
    )
    theirs = theirs.group_by("sitc").agg(pl.col("value_kusd").sum() / theirs["value_kusd"].sum())
    both = ours.join(theirs, on="sitc", how="full", coalesce=True).fill_null(0)
    assert both.height == 10
    gap = (both["value"] - both["value_kusd"]).abs().max()
    assert isinstance(gap, float)
    assert gap < 0.025

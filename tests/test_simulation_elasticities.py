"""Elasticity sets: one convention inside, every fault of a file at once, and numbers that come from where they say."""

import math
from pathlib import Path

import polars as pl
import pytest

from weaponized_interdependence.errors import InputError, UsageError
from weaponized_interdependence.settings import data_dir
from weaponized_interdependence.simulation.elasticities import load

HEADER = "item,low,value,high,horizon,convention,basis\n"
ANY = "*,1,2,3,long,trade_elasticity,assumed\n*,1,2,3,short,trade_elasticity,assumed\n"
FOLDER = data_dir() / "reference" / "elasticities"


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(HEADER + text, encoding="utf-8")
    return path


def sigma_of(path: Path | str, item: str, horizon: str = "long") -> tuple[str, float, float, float]:
    row = load(path).of(pl.Series([item]), horizon).row(0, named=True)
    return row["pattern"], row["sigma_low"], row["sigma"], row["sigma_high"]


def test_each_convention_becomes_sigma(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ANY + "HS:01,1,2,4,long,trade_elasticity,estimated\nHS:02,0.25,0.5,1,long,inverse_trade_elasticity,estimated\n"
        "HS:03,2,3,5,long,sigma,estimated\n",
    )
    assert sigma_of(path, "HS17:010121") == ("HS:01", 2, 3, 5)
    assert sigma_of(path, "HS17:020110") == ("HS:02", 2, 3, 5)  # the inverse turns the ends around
    assert sigma_of(path, "HS17:030111") == ("HS:03", 2, 3, 5)


def test_the_longest_pattern_wins_and_the_rest_take_the_default(tmp_path: Path) -> None:
    path = written(tmp_path, ANY + "HS:27,4,4,4,long,sigma,estimated\nHS:2709,26,26,26,long,sigma,estimated\n")
    assert sigma_of(path, "HS92:270900")[0] == "HS:2709"
    assert sigma_of(path, "HS22:271012")[0] == "HS:27"
    assert sigma_of(path, "HS22:844110")[0] == "*"
    assert sigma_of(path, "TOTAL")[0] == "*"
    assert sigma_of(path, "HS92:270900", "short")[0] == "*"


def test_sector_codes_are_names_not_prefixes() -> None:
    assert sigma_of("default", "WIOD13:c2")[0] == "WIOD13:c2"
    assert sigma_of("default", "WIOD13:c20")[0] == "WIOD13:c20"
    assert sigma_of("default", "SITC:3")[0] == "SITC:3"
    assert sigma_of("default", "SERVICES")[0] == "SERVICES"


def test_every_fault_is_named_with_its_line(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "HS:01,3,2,1,long,trade_elasticity,estimated\nHS:02,x,2,3,middle,theta,guessed\n"
        "HS:03,1,2,3,long,sigma,assumed\nHS:03,1,2,3,long,sigma,assumed\n",
    )
    with pytest.raises(InputError) as caught:
        load(path)
    said = str(caught.value)
    for expected in (
        "mine.csv:2",
        "mine.csv:3",
        "mine.csv:5",
        "convention",
        "horizon must",
        "basis must",
        "no row * for horizon short",
    ):
        assert expected in said


def test_a_sigma_under_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finite loss"):
        load(written(tmp_path, ANY + "HS:01,0.5,2,3,long,sigma,estimated\n"))


def test_an_unknown_set_and_a_wrong_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="default"):
        load("defautl")
    with pytest.raises(UsageError, match="no elasticity file"):
        load(tmp_path / "absent.csv")
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="not an elasticity set"):
        load(path)


def published() -> dict[str, float]:
    """`SET:code` -> trade elasticity, from the published numbers as printed."""
    ways = {"trade_elasticity": lambda v: v, "inverse_trade_elasticity": lambda v: 1 / v, "sigma": lambda v: v - 1}
    rows = pl.read_csv(FOLDER.parent / "elasticities_published.csv", infer_schema=False).iter_rows(named=True)
    return {f"{r['set']}:{r['code']}".replace(" ", "_"): ways[r["convention"]](float(r["value"])) for r in rows}


@pytest.mark.parametrize("name", ["default", "caliendo_parro"])
def test_a_shipped_set_is_computed_from_the_published_numbers_it_names(name: str) -> None:
    known = published()
    rows = pl.read_csv(FOLDER / f"{name}.csv", infer_schema=False).filter(pl.col("horizon") == "long")
    for row in rows.iter_rows(named=True):
        central = [known[k] for k in row["central_from"].split()]
        every = central + [known[k] for k in (row["band_from"] or "").split()]
        mean = math.exp(sum(map(math.log, central)) / len(central))
        found = [float(row[c]) for c in ("low", "value", "high")]
        assert found == pytest.approx([min(every), mean, max(every)], rel=1e-3), row["item"]


@pytest.mark.parametrize("name", ["default", "caliendo_parro"])
def test_an_error_is_the_smallest_published_one_of_the_sectors_named(name: str) -> None:
    told = pl.read_csv(FOLDER.parent / "elasticity_errors.csv").iter_rows(named=True)
    errors = {f"{r['set']}:{r['code']}".replace(" ", "_"): (r["error"], r["estimate"]) for r in told}
    some = 0
    for row in pl.read_csv(FOLDER / f"{name}.csv", infer_schema=False).iter_rows(named=True):
        named = f"{row['central_from']} {row['band_from'] or ''}".split()
        value = float(row["value"])
        found = [errors[k][0] / max(errors[k][1], value) for k in named if k in errors]
        if found and row["horizon"] == "long":
            assert float(row["error"]) == pytest.approx(min(found), abs=6e-4), row["item"]
            some += 1
        else:
            assert row["error"] is None
    assert some > 50


def test_an_error_that_is_no_number_is_refused(tmp_path: Path) -> None:
    text = (FOLDER / "default.csv").read_text().replace(",0.229,", ",-1,", 1).replace(",0.229,", ",much,", 1)
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(InputError, match="has faults") as caught:
        load(tmp_path / "mine.csv")
    assert str(caught.value).count("error must be a number") == 2
    plain = pl.read_csv(FOLDER / "default.csv", infer_schema=False).drop("error")
    plain.write_csv(tmp_path / "plain.csv")
    assert load(tmp_path / "plain.csv").rows["error"].to_list() == [0.0] * plain.height


@pytest.mark.parametrize("odd", ["NaN", "inf"])
def test_what_is_no_finite_number_is_no_elasticity(tmp_path: Path, odd: str) -> None:
    path = written(tmp_path, ANY + f"HS:01,{odd},{odd},{odd},long,sigma,assumed\nHS:02,2,3,{odd},long,sigma,assumed\n")
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value).count("low, value and high must be numbers") == 2
    erring = tmp_path / "erring.csv"
    lines = (HEADER + ANY).splitlines()
    erring.write_text("\n".join([f"{lines[0]},error", *(f"{line},{odd}" for line in lines[1:])]) + "\n")
    with pytest.raises(InputError) as caught:
        load(erring)
    assert str(caught.value).count("error must be a number") == 2
    products = tmp_path / "protee.csv"
    products.write_text(f"HS6,zero,positive,sigma\n010101,0,0,{odd}\n010102,0,0,-{odd}\n010103,0,0,-5\n")
    assert load(products).rows.filter(pl.col("item") != "*")["item"].to_list() == ["HS07:010103"]


def test_errors_of_several_rows_and_of_the_medium_horizon(tmp_path: Path) -> None:
    """The largest of several; for a geometric mean of two independent numbers, half the root of both squared."""
    path = tmp_path / "mine.csv"
    path.write_text(
        HEADER.strip()
        + ",error\n*,1,2,3,long,trade_elasticity,assumed,0.4\n*,1,2,3,short,trade_elasticity,assumed,0.3\n"
        "ISIC4:13,1,2,3,long,trade_elasticity,assumed,0.1\nISIC4:14,1,2,3,long,trade_elasticity,assumed,0.2\n"
    )
    items = pl.Series(["TOTAL", "ICIO2021:13T15"])
    assert load(path).of(items, "long")["error"].to_list() == [0.4, 0.4]  # one of three divisions takes the row *
    assert load(path).of(items, "medium")["error"].to_list() == pytest.approx([0.25, 0.25])


def test_the_sets_speak_of_the_same_items() -> None:
    one, other = (load(name).rows.select("item", "horizon") for name in ("default", "caliendo_parro"))
    assert one.equals(other)
    assert sigma_of("caliendo_parro", "WIOD13:c8")[2] == pytest.approx(65.85)
    assert sigma_of("caliendo_parro", "SERVICES")[2] == pytest.approx(9.22)


def test_published_numbers_are_the_reference_ones(shared_reference: Path) -> None:
    reference = pl.read_csv(shared_reference / "elasticities.csv", infer_schema=False)
    verified = reference.filter(pl.col("verified").str.starts_with("yes") & ~pl.col("source").str.starts_with("Boehm"))
    told = pl.read_csv(FOLDER.parent / "elasticities_published.csv")
    given = sorted(told.filter(pl.col("set") != "BLPN")["value"].to_list())
    raw = verified["raw_value_in_source"].str.replace('"roughly four"', "4", literal=True)
    assert given == pytest.approx(sorted(float(v) for v in raw))


def test_no_unverified_number_is_in_the_long_run_defaults() -> None:
    rows = pl.read_csv(FOLDER / "default.csv", infer_schema=False)
    assert set(rows.filter(pl.col("horizon") == "long")["verified"]) == {"yes"}
    assert rows.filter(pl.col("verified") != "yes")["basis"].to_list() == ["assumed"]


def test_every_chapter_section_and_industry_has_its_own_row() -> None:
    items = [f"HS17:{n:02d}0000" for n in range(1, 98) if n != 77]
    items += [f"SITC:{n}" for n in range(9)] + [f"WIOD13:c{n}" for n in range(1, 36)] + ["SERVICES"]
    found = load().of(pl.Series(items), "long")
    assert found.filter(pl.col("pattern") == "*")["item"].to_list() == []


def test_the_protee_file_is_minus_sigma(shared_data: Path) -> None:
    path = shared_data / "elasticities" / "ProTEE_0_1.csv"
    loaded = load(path)
    assert sigma_of(path, "HS07:010210")[1:] == pytest.approx((12.11, 12.11, 12.11))
    assert sigma_of(path, "HS17:010290")[2] == pytest.approx(7.9326868)  # the same code in another edition
    assert loaded.rows["sigma_low"].min() > 1  # type: ignore[operator]
    assert sigma_of(path, "HS07:010110")[0] == "*"  # the file has no number for it
    assert sigma_of(path, "HS07:010210", "short")[0] == "*"
    assert "484 empty" in loaded.notes[0]


# ---- sectors of input-output tables ----------------------------------------------------------------------------------

# Industry codes as the editions write them; goods end with manufacturing.
ICIO = {
    "ICIO2016": ["C01T05AGR", "C10T14MIN", "C15T16FOD", "C23PET", "C34MTR", "C65T67FIN"],
    "ICIO2018": ["01T03", "05T06", "07T08", "09", "10T12", "19", "29", "31T33", "64T66"],
    "ICIO2021": ["01T02", "03", "05T06", "19", "20", "21", "26", "31T33", "49", "97T98"],
    "ICIO2023": ["A01_02", "A03", "B05_06", "B09", "C10T12", "C24", "C31T33", "D", "K", "T"],
    "ICIO2025": ["A01", "A02", "B05", "B06", "C301", "C24A", "F", "R_S"],
}


@pytest.mark.parametrize(("edition", "sectors"), ICIO.items())
def test_sectors_of_icio_tables_take_the_rows_of_their_divisions(edition: str, sectors: list[str]) -> None:
    found = load().of(pl.Series([f"{edition}:{s}" for s in sectors]), "long")
    assert not found["pattern"].str.contains("*", literal=True).any()
    for row in found.iter_rows(named=True):
        code = row["item"].split(":")[1]
        letter_only = not any(c.isdigit() for c in code)
        if letter_only:
            assert row["pattern"] == "SERVICES"


def test_several_divisions_take_the_mean_and_the_widest_band() -> None:
    rows = {r["item"]: r for r in load().rows.filter(pl.col("horizon") == "long").iter_rows(named=True)}
    coal, oil = rows["ISIC4:05"], rows["ISIC4:06"]
    pattern, low, sigma, high = sigma_of("default", "ICIO2021:05T06")
    assert pattern == "ISIC4:05 ISIC4:06"
    assert low == min(coal["sigma_low"], oil["sigma_low"])
    assert high == max(coal["sigma_high"], oil["sigma_high"])
    assert sigma - 1 == pytest.approx(math.sqrt((coal["sigma"] - 1) * (oil["sigma"] - 1)))
    assert sigma_of("default", "ICIO2021:49T53")[0] == "SERVICES"
    assert sigma_of("default", "ICIO2018:31T33")[0] == "ISIC4:31 ISIC4:32 ISIC4:33"
    assert sigma_of("default", "ICIO2016:C10T14MIN")[0] == "WIOD13:c2"  # ISIC Rev. 3


def test_a_set_without_rows_for_sectors_takes_its_default(tmp_path: Path) -> None:
    path = written(tmp_path, ANY + "SERVICES,3,3,3,long,sigma,estimated\n")
    assert sigma_of(path, "ICIO2021:19")[0] == "*"
    assert sigma_of(path, "ICIO2021:49")[0] == "SERVICES"
    assert sigma_of(path, "WIOD13:c8")[0] == "*"
    assert sigma_of(path, "ICIO2021:19", "short")[0] == "*"
    assert sigma_of(path, "OTHER:19")[0] == "*"


def test_the_medium_horizon_is_the_geometric_mean_of_theta_and_assumed() -> None:
    items = pl.Series(["WIOD13:c8", "SERVICES", "HS17:270900"])
    short, medium, long = (load().of(items, horizon) for horizon in ("short", "medium", "long"))
    for name in ("sigma_low", "sigma", "sigma_high"):
        theta = ((short[name] - 1) * (long[name] - 1)).sqrt()
        assert (medium[name] - 1).to_list() == pytest.approx(theta.to_list())
    assert set(medium["basis"]) == {"assumed"}
    assert medium["item"].to_list() == long["item"].to_list()
    # As long as the short run is harder than the long one, the medium run lies between.
    assert ((short["sigma"] < medium["sigma"]) & (medium["sigma"] < long["sigma"])).all()


def test_services_say_their_doubt() -> None:
    rows = pl.read_csv(FOLDER / "default.csv", infer_schema=False)
    services = rows.filter(pl.col("central_from") == "CHKW:SERVICES")
    assert services.height == 22
    assert services.filter(pl.col("note").fill_null("") == "").is_empty()

"""Chip supply chain: shares of markets, what is rejected, and the published shares of real inputs."""

from pathlib import Path

import polars as pl
import pytest

from weaponized_interdependence.errors import InputError, UsageError
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.sources.registry import read

PROVIDERS = (
    "provider_name,provider_id,provider_type,country\n"
    "USA,P1,country,\nVarious,P2,country,\nMAL,P3,country,\nAcme,P4,organization,USA\nXXQ,P5,country,\n"
)
PROVISION = (
    "provider_name,provider_id,provided_name,provided_id,share_provided,negligible_market_share\n"
    'USA,P1,"Tools, of a kind",N1,60%,\n'
    'Various,P2,"Tools, of a kind",N1,30%,\n'
    'MAL,P3,"Tools, of a kind",N1,10%,\n'
    'Acme,P4,"Tools, of a kind",N1,55%,\n'
    "MAL,P3,Gas,N2,,negligible\n"
    "USA,P1,Design,S1,61%,\n"
    "USA,P1,Gas,N2,lots,\n"
    "USA,P1,Glass,N3,120%,\n"
    "XXQ,P5,Glass,N3,20%,\n"
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "provision.csv").write_text(PROVISION)
    (tmp_path / "providers.csv").write_text(PROVIDERS)
    return tmp_path / "provision.csv", tmp_path / "providers.csv"


def shares(flows: pl.DataFrame) -> dict[tuple[str, str], float]:
    return {(o, i): v for o, i, v in flows.select("origin", "item", "value").rows()}


def test_countries_firms_and_stages(files: tuple[Path, Path]) -> None:
    reading = read("eto", *files, year=2021)
    assert reading.flows is not None
    assert shares(reading.flows) == {("USA", "ETO:N1"): 60.0, ("Various", "ETO:N1"): 30.0, ("MYS", "ETO:N1"): 10.0}
    assert set(reading.flows["destination"]) == {"WLD"}
    assert set(reading.flows["unit"]) == {"per cent of the market of N1"}
    reasons = dict(reading.rejected.group_by("reason").len().rows())
    assert reasons == {
        "outside the selection": 2,
        "not reported": 1,
        "not a number": 1,
        "impossibly large value": 1,
        "unknown origin code": 1,
    }
    firms = read("eto", *files, year=2021, providers="firms").flows
    assert firms is not None
    assert ("Acme", "ETO:N1") in shares(firms)
    stages = read("eto", *files, year=2021, level="stages").flows
    assert stages is not None
    assert shares(stages) == {("USA", "ETO:S1"): 61.0}


def test_firms_of_one_name_are_told_apart(files: tuple[Path, Path]) -> None:
    provision, providers = files
    providers.write_text(PROVIDERS + "Acme,P6,organization,TWN\nBeta,P7,organization,TWN\n")
    provision.write_text(PROVISION + 'Acme,P6,"Tools, of a kind",N1,15%,\nBeta,P7,"Tools, of a kind",N1,5%,\n')
    reading = read("eto", *files, year=2021, providers="firms")
    assert reading.flows is not None
    assert shares(reading.flows) == {
        ("Acme (P4)", "ETO:N1"): 55.0,
        ("Acme (P6)", "ETO:N1"): 15.0,
        ("Beta", "ETO:N1"): 5.0,
        ("Various", "ETO:N1"): 30.0,
    }
    assert "conflicting row" not in reading.rejected_counts


def test_who_is_not_in_the_list_of_providers_is_unknown_and_no_share_is_infinite(files: tuple[Path, Path]) -> None:
    files[0].write_text(PROVISION + "JPN,P77,Gas,N4,15%,\nUSA,P1,Gas,N5,NaN,\nUSA,P1,Gas,N6,inf,\n")
    before = dict(read("eto", *files, year=2021).rejected_counts)
    assert before["unknown origin code"] == 2
    assert before["not finite"] == 2
    assert before["not a number"] == 1
    assert before["impossibly large value"] == 1
    rows = read("eto", *files, year=2021).rejected.filter(pl.col("reason") == "unknown origin code")
    assert any('"JPN"' in record for record in rows["record"])


def test_faults(files: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="year"):
        read("eto", *files)
    with pytest.raises(UsageError, match="countries or firms"):
        read("eto", *files, year=2021, providers="both")
    with pytest.raises(InputError, match="give both"):
        read("eto", files[0], year=2021)


def test_shares_of_different_markets_are_not_summed(files: tuple[Path, Path], shared_data: Path) -> None:
    folder = shared_data / "supply_chain" / "eto_semiconductors"
    flows = read("eto", folder / "provision.csv", folder / "providers.csv", year=2021).flows
    assert flows is not None
    with pytest.raises(UsageError, match="several units"):
        rank(flows, "export_share")


def test_the_published_shares(shared_data: Path) -> None:
    """As provision.csv states them: electron-beam lithography Japan 91, laser lithography Sweden 97 per cent."""
    folder = shared_data / "supply_chain" / "eto_semiconductors"
    reading = read("eto", folder / "provision.csv", folder / "providers.csv", year=2021)
    assert reading.flows is not None
    scores = rank(reading.flows, "export_share", by=("item",)).filter(pl.col("rank") == 1)
    first = {item: (node, score) for item, node, score in scores.select("item", "node", "score").rows()}
    assert first["ETO:N29"] == ("JPN", pytest.approx(0.91))
    assert first["ETO:N30"] == ("SWE", pytest.approx(0.97))
    sums = reading.flows.group_by("item").agg(pl.col("value").sum())["value"]
    assert sums.is_between(50, 105).mean() > 0.9


def test_items_keep_their_names_in_a_note(files: tuple[Path, Path]) -> None:
    """FLOWS has no column for them, and the codes say nothing."""
    notes = read("eto", *files, year=2021).notes
    assert "items: ETO:N1 Tools, of a kind" in notes

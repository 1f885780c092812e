"""The scheduled jobs: they run as their page says, skip what did not change, and end with the right exit code."""

import re
import runpy
import shutil
from pathlib import Path

import polars as pl
import pytest

from weaponized_interdependence.exports import write
from weaponized_interdependence.sample import load_sample
from weaponized_interdependence.schemas import FLOWS


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    write(load_sample().crude_oil, tmp_path / "flows.parquet", table=FLOWS)
    return tmp_path / "flows.parquet"


def job(root: Path, name: str, *arguments: object) -> int:
    main = runpy.run_path(str(root / "pipelines" / name))["main"]
    return int(main([str(a) for a in arguments]))


def test_scenario_book_runs_then_skips_then_sees_a_change(
    root: Path, flows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    assert job(root, "scenario_book.py", "oil_embargo_russia", "--flows", flows, "-o", out) == 0
    assert "written" in capsys.readouterr().err
    before = (out / "oil_embargo_russia" / "manifest.json").read_bytes()
    assert job(root, "scenario_book.py", "oil_embargo_russia", "--flows", flows, "-o", out) == 0
    assert "up to date" in capsys.readouterr().err
    assert (out / "oil_embargo_russia" / "manifest.json").read_bytes() == before
    write(load_sample().crude_oil.filter(pl.col("value") > 1e6), flows, table=FLOWS)
    assert job(root, "scenario_book.py", "oil_embargo_russia", "--flows", flows, "-o", out) == 0
    assert "written" in capsys.readouterr().err


def test_scenario_book_names_what_failed_and_runs_the_rest(
    root: Path, flows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    assert job(root, "scenario_book.py", "no_such_case", "oil_embargo_russia", "--flows", flows, "-o", out) == 1
    said = capsys.readouterr().err
    assert "no_such_case" in said
    assert (out / "oil_embargo_russia" / "manifest.json").exists()
    assert job(root, "scenario_book.py", "oil_embargo_russia", "--flows", tmp_path / "none", "-o", out) == 1


def test_ranking_runs_then_skips_then_sees_other_options(
    root: Path, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "BACI_HS92_270900_Y2021.csv.gz"
    shutil.copy(shared_data / "trade" / "baci" / source.name, source)
    out = tmp_path / "rankings" / "crude.parquet"
    assert job(root, "ranking.py", "baci", source, "-o", out, "--indicator", "hhi_imports") == 0
    assert "scores from 1425 flows" in capsys.readouterr().err
    assert job(root, "ranking.py", "baci", source, "-o", out, "--indicator", "hhi_imports") == 0
    assert "up to date" in capsys.readouterr().err
    assert job(root, "ranking.py", "baci", source, "-o", out, "--indicator", "hhi_exports") == 0
    assert "scores" in capsys.readouterr().err
    assert job(root, "ranking.py", "bacci", source, "-o", out) == 2
    assert job(root, "ranking.py", "baci", source, "-o", tmp_path / "x.docx") == 2


def test_the_page_names_jobs_that_exist_with_options_they_have(root: Path) -> None:
    page = (root / "pipelines" / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    python (pipelines/\S+\.py)(.*)$", page, flags=re.M)
    assert len(commands) == len(list((root / "pipelines").glob("*.py")))
    for path, rest in commands:
        code = (root / path).read_text(encoding="utf-8")
        assert all(f'"{option}"' in code for option in re.findall(r"\s(-{1,2}[a-z]+)", rest))

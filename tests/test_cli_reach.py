"""`wi reach`, and `wi rank` on what it wrote."""

import json
from pathlib import Path

import polars as pl
import pytest
from cli_support import good, wi

from weaponized_interdependence import exports
from weaponized_interdependence.schemas import CONTROLS, ENTITIES, FLOWS, OWNERSHIP


@pytest.fixture
def firms(tmp_path: Path) -> Path:
    seats = [("BANK", None, "bank", "USA", "observed"), ("FIRM", None, "firm", "DEU", "observed")]
    exports.write(
        pl.DataFrame(seats, schema=dict(ENTITIES.schema), orient="row"), tmp_path / "entities.csv", table=ENTITIES
    )
    owned = pl.DataFrame([("BANK", "FIRM", 0.6, "observed")], schema=dict(OWNERSHIP.schema), orient="row")
    exports.write(owned, tmp_path / "owned.csv", table=OWNERSHIP)
    rows = [("2022", "payments", "FIRM", "BANK", "ISO4217:USD", 2.0, None, None, "USD", "observed")]
    exports.write(pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row"), tmp_path / "paid.parquet", table=FLOWS)
    return tmp_path


def test_channels_are_shown_and_written_and_ranked_with(firms: Path) -> None:
    out = firms / "controls.parquet"
    told = ["--entities", firms / "entities.csv", "--ownership", firms / "owned.csv"]
    said = good("reach", *told, "--by-currency", firms / "paid.parquet", "-o", out).stdout
    for part in ("by territory", "by ownership", "by currency", "United States", "basis observed"):
        assert part in said
    frame = pl.read_parquet(out)
    assert CONTROLS.conform(frame).equals(frame)
    assert set(frame["channel"]) == {"territory", "ownership", "currency"}
    ranked = good("rank", firms / "paid.parquet", "-i", "panopticon", "-j", "USA", "--controls", out, "-o", "-").stdout
    assert ",1.0," in ranked
    read = exports.read_metadata(out)
    assert json.loads(read["options"]) == {"held": 0.5}
    assert [Path(f["path"]).name for f in json.loads(read["inputs"])] == ["paid.parquet", "entities.csv", "owned.csv"]


def test_technology_of_the_embedded_table() -> None:
    result = good("reach", "--table", "sample", "-j", "USA", "--de-minimis", 0.1)
    said = result.stdout
    assert "by technology" in said
    assert "basis estimated" in said
    assert "single articles" in " ".join(result.stderr.split())
    every = json.loads(good("reach", "--table", "sample", "-j", "USA", "--de-minimis", 0, "--json").stdout)
    told = json.loads(every["metadata"]["options"])
    assert told == {"jurisdictions": ["USA"], "rule": "de_minimis", "threshold": 0.0}
    none = good("reach", "--table", "sample", "-j", "USA", "--de-minimis", 0.9).stdout
    assert "nothing is within reach" in none


def test_json_and_stdout(firms: Path) -> None:
    read = json.loads(good("reach", "--entities", firms / "entities.csv", "--json").stdout)
    assert read["controls"][0]["jurisdiction"] == "DEU"
    assert good("reach", "--entities", firms / "entities.csv", "-o", "-").stdout.startswith("jurisdiction,node,channel")


def test_faults_say_what_is_missing(firms: Path) -> None:
    for args, part in (
        ([], "nothing to compute reach from"),
        (["--ownership", firms / "owned.csv"], "needs to know where owners are seated"),
        (["--table", "sample", "--rule", "fdp"], "no rule 'fdp'"),
        (["--entities", firms / "owned.csv"], "ENTITIES"),
        (["--entities", firms / "entities.csv", "--held", 0.3, "--rule", "x"], "no input-output table"),
        (["--table", "sample", "-j", "DEUU"], "DEUU"),
    ):
        result = wi("reach", *args)
        assert result.exit_code in (1, 2)
        assert part in " ".join(result.stderr.split())

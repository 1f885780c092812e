"""`wi rank`: the numbers on the screen and in the files are those of the library, with unit, basis and provenance."""

import io
import json
import re
from pathlib import Path

import polars as pl
import pytest
from cli_support import good, wi

from weaponized_interdependence import exports
from weaponized_interdependence.schemas import CONTROLS, FLOWS, SCORES


def flows(rows: list[tuple[str, str, str, float]], basis: str = "observed", unit: str = "USD") -> pl.DataFrame:
    made = [("2020", "goods", o, d, item, v, None, None, unit, basis) for o, d, item, v in rows]
    return pl.DataFrame(made, schema=dict(FLOWS.schema), orient="row")


# Shares by hand: USA sends 6 of 10, CHN 3, DEU 1.
SMALL = [
    ("USA", "DEU", "HS17:270900", 4e9),
    ("USA", "CHN", "HS17:271000", 2e9),
    ("CHN", "DEU", "HS17:270900", 3e9),
    ("DEU", "USA", "HS17:300400", 1e9),
]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    exports.write(flows(SMALL), tmp_path / "flows.parquet", table=FLOWS)
    return tmp_path / "flows.parquet"


def scores_of(path: Path, name: str) -> dict[str, float]:
    frame = pl.read_parquet(path).filter(pl.col("indicator") == name)
    return dict(frame.select("node", "score").iter_rows())


def test_scores_by_hand_and_provenance(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "ranking.parquet"
    said = good("rank", small, "-i", "export_share", "-o", out).stdout
    assert scores_of(out, "export_share") == pytest.approx({"USA": 0.6, "CHN": 0.3, "DEU": 0.1})
    SCORES.conform(pl.read_parquet(out))
    about = exports.read_metadata(out)
    assert json.loads(about["inputs"])[0]["sha256"] in (__import__("hashlib").sha256(small.read_bytes()).hexdigest(),)
    assert "formula" in json.loads(about["definitions"])["export_share"]
    assert about["tool"].startswith("weaponized_interdependence ")
    for shown in ("60.0", "per cent", "United States", "basis observed", "Weights:"):
        assert shown in said


@pytest.mark.parametrize("extension", ["parquet", "csv", "json", "arrow", "xlsx"])
def test_every_format_holds_the_same(small: Path, tmp_path: Path, extension: str) -> None:
    out = tmp_path / f"r.{extension}"
    good("rank", small, "-i", "export_share", "-o", out)
    read = {
        "parquet": pl.read_parquet,
        "csv": pl.read_csv,
        "arrow": lambda p: pl.read_ipc(p),
        "json": lambda p: pl.DataFrame(json.loads(p.read_text())["rows"]),
        "xlsx": lambda p: pl.read_excel(p, sheet_name="data"),
    }[extension]
    frame = read(out)
    assert frame["node"].to_list() == ["USA", "CHN", "DEU"]
    assert frame["score"].to_list() == pytest.approx([0.6, 0.3, 0.1])


def test_stdout_is_csv_and_nothing_else(small: Path) -> None:
    result = good("rank", small, "-i", "export_share", "-o", "-")
    frame = pl.read_csv(io.StringIO(result.stdout))
    assert frame.columns == list(SCORES.schema)
    assert frame.height == 3


def test_json_is_one_document(small: Path) -> None:
    read = json.loads(good("rank", small, "-i", "hhi_imports", "--json").stdout)
    assert {r["node"]: r["score"] for r in read["scores"]}["DEU"] == pytest.approx((4 / 7) ** 2 + (3 / 7) ** 2)
    assert "definitions" in read["metadata"]


def test_flows_from_stdin(small: Path) -> None:
    piped = good("rank", "-", "-i", "export_share", "-o", "-", input=pl.read_parquet(small).write_csv())
    assert piped.stdout == good("rank", small, "-i", "export_share", "-o", "-").stdout


def test_rank_writes_what_rank_reads_nothing_of(small: Path, tmp_path: Path) -> None:
    """A SCORES file given for FLOWS is named as what it is."""
    good("rank", small, "-i", "strength", "-o", tmp_path / "scores.parquet")
    result = wi("rank", tmp_path / "scores.parquet", "-i", "strength")
    assert result.exit_code == 1
    assert "SCORES" in result.stderr


def test_faults_of_several_options_come_in_one_error(small: Path) -> None:
    wrong = ("-i", "strenght", "-i", "panoptikon", "--set", "damping=much", "--draws", 20, "-o", "ranks.doc")
    result = wi("rank", small, *wrong)
    assert result.exit_code == 2
    for part in ("'strenght'", "'panoptikon'", "damping is 'much'", "--draws needs --noise", "ranks.doc"):
        assert result.stderr.count(part) == 1, part


def test_by_item_and_item(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    good("rank", small, "-i", "export_share", "--by", "item", "-o", out)
    assert pl.read_parquet(out)["item"].n_unique() == 3
    good("rank", small, "-i", "export_share", "--item", "HS:27", "-o", out)
    assert scores_of(out, "export_share") == pytest.approx({"USA": 6 / 9, "CHN": 3 / 9, "DEU": 0.0})


def test_groups_and_coalitions(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    good("rank", small, "-i", "panopticon", "-j", "EU", "-j", "USA+CHN", "-o", out)
    assert scores_of(out, "panopticon") == pytest.approx({"EU": 0.8, "USA+CHN": 1.0})


def test_target_chooses_the_indicators_over_a_target(small: Path) -> None:
    said = good("rank", small, "-t", "DEU").stdout
    assert "(chokepoint)" in said
    assert "(chokepoint_rerouted)" in said


def test_a_list_that_is_the_same_as_one_above_is_not_printed_twice(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    said = good("rank", small, "-i", "panopticon", "-i", "chokepoint_all", "-o", out).stdout
    assert said.count("United States") == 1
    assert "the same numbers as panopticon, above" in said
    assert scores_of(out, "chokepoint_all") == scores_of(out, "panopticon") != {}
    other = good("rank", small, "-i", "export_share", "-i", "import_share").stdout
    assert "same numbers" not in other


def test_over_a_target_both_directions_are_said_to_count(small: Path) -> None:
    assert "imports and exports" in " ".join(good("rank", small, "-t", "DEU").stdout.split())


def test_a_link_is_written_through_and_a_device_refused(small: Path, tmp_path: Path) -> None:
    link, file = tmp_path / "latest.csv", tmp_path / "first.csv"
    link.symlink_to(file)
    for before in ("", "old"):
        file.write_text(before)
        good("rank", small, "-i", "export_share", "-o", link)
        assert link.is_symlink()
        assert pl.read_csv(file).height == 3
    device = tmp_path / "device.csv"
    device.symlink_to("/dev/null")
    result = wi("rank", small, "-i", "export_share", "-o", device)
    assert result.exit_code == 1
    assert "/dev/null" in result.stderr
    assert device.is_symlink()


def test_controls_widen_reach(small: Path, tmp_path: Path) -> None:
    grip = pl.DataFrame([("USA", "CHN", "technology", 0.5, "assumed")], schema=dict(CONTROLS.schema), orient="row")
    exports.write(grip, tmp_path / "controls.csv", table=CONTROLS)
    out = tmp_path / "r.parquet"
    good("rank", small, "-i", "panopticon", "-j", "USA", "--controls", tmp_path / "controls.csv", "-o", out)
    assert scores_of(out, "panopticon")["USA"] == pytest.approx(0.7 + 0.5 * 0.3)


def test_top_keeps_ranks_in_file_and_on_screen(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    said = good("rank", small, "-i", "export_share", "--top", 1, "-o", out).stdout
    assert list(scores_of(out, "export_share")) == ["USA"]
    assert "DEU" not in said
    same = good("rank", small, "-i", "export_share", "-o", out, env={"WI_RANK_TOP": "1"}).stdout
    assert same == said


def test_estimated_flows_say_so(tmp_path: Path) -> None:
    exports.write(flows(SMALL, basis="estimated"), tmp_path / "f.parquet", table=FLOWS)
    said = good("rank", tmp_path / "f.parquet", "-i", "strength").stdout
    assert "basis estimated" in said
    assert "USD bn" in said


def test_units_other_than_usd_are_shown(tmp_path: Path) -> None:
    exports.write(flows(SMALL, unit="TIV"), tmp_path / "f.parquet", table=FLOWS)
    assert "unit TIV" in good("rank", tmp_path / "f.parquet", "-i", "strength").stdout


@pytest.mark.parametrize("part", ["sample:crude_oil", "sample:claims", "sample:world"])
def test_the_embedded_default_by_name(part: str) -> None:
    said = good("rank", part, "-i", "export_share", "--top", 3).stdout
    assert ("basis estimated" in said) == (part == "sample:world")


def test_crude_oil_as_its_publisher_has_it() -> None:
    """Sums over BACI_HS92_270900_Y2021: i = 682 sends 132.0, 643 sends 112.7, 124 sends 81.2 bn USD."""
    said = good("rank", "sample:crude_oil", "-i", "out_strength", "--top", 3).stdout
    for shown in ("132.0", "112.7", "81.2", "Saudi Arabia", "USD bn"):
        assert shown in said


@pytest.mark.parametrize("width", [40, 80, 140])
def test_numbers_are_whole_at_any_width(width: int) -> None:
    said = good("rank", "sample:crude_oil", "-t", "EU", "--top", 6, env={"COLUMNS": str(width)}).stdout
    assert re.search(r"(?m) 22\.37$", said), "the share of the EU's crude oil that Russia sent"
    if width >= 80:
        assert max(map(len, said.splitlines())) <= width


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["no_such.parquet"], 1, "no such file"),
        (["no_such.csv"], 1, "no such file"),
        (["flows.parquet", "-i", "panoptcon"], 2, "did you mean panopticon"),
        (["flows.parquet", "--by", "country"], 2, "item"),
        (["flows.parquet", "--period", "1999"], 2, "2020"),
        (["flows.parquet", "--item", "HS:99"], 2, "270900"),
        (["flows.parquet", "--layer", "claims"], 2, "goods"),
        (["flows.parquet", "-j", "Atlantis"], 1, "Atlantis"),
        (["flows.parquet", "-i", "strength", "-j", "USA"], 2, "jurisdiction"),
        (["flows.parquet", "-o", "x.docx"], 2, ".parquet"),
        (["flows.parquet", "-o", "no/such/folder/x.csv"], 1, "mkdir"),
        (["flows.parquet", "-o", "-", "--json"], 2, "stdout"),
        (["flows.parquet", "-o", "./flows.parquet"], 2, "is an input"),
        (["sample:moon"], 2, "sample:claims"),
        (["flows.parquet", "--table", "flows.parquet"], 1, "input-output"),
        ([], 2, "flows"),
    ],
)
def test_errors(small: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], code: int, said: str) -> None:
    monkeypatch.chdir(small.parent)
    result = wi("rank", *args)
    assert result.exit_code == code, result.stderr
    assert said.casefold() in result.stderr.casefold()
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a parquet", b"\x00" * 64])
def test_a_broken_parquet_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.parquet").write_bytes(content)
    result = wi("rank", tmp_path / "f.parquet")
    assert result.exit_code == 1
    assert "f.parquet" in result.stderr
    assert "unexpected" not in result.stderr


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"period\n"])
def test_broken_stdin_is_an_input_error(content: bytes) -> None:
    result = wi("rank", "-", input=content)
    assert result.exit_code == 1
    assert "stdin" in result.stderr
    assert "unexpected" not in result.stderr


def test_nothing_is_written_when_ranking_fails(small: Path, tmp_path: Path) -> None:
    wi("rank", small, "-j", "Atlantis", "-o", tmp_path / "r.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["flows.parquet"]


def test_a_table_given_as_flows_serves_indicators_of_tables(tmp_path: Path) -> None:
    from weaponized_interdependence.io_table import write_table
    from weaponized_interdependence.sample import load_sample

    write_table(load_sample().table, tmp_path / "table.parquet")
    out = tmp_path / "r.parquet"
    good("rank", tmp_path / "table.parquet", "-i", "upstreamness", "-o", out)
    assert set(pl.read_parquet(out)["layer"]) == {"inputs"}
    good("rank", tmp_path / "table.parquet", "-i", "upstreamness", "-i", "export_share", "-o", out)
    assert set(pl.read_parquet(out)["layer"]) == {"inputs", "goods", "services"}
    result = wi("rank", "sample:world", "-i", "upstreamness")
    assert result.exit_code == 2
    assert "input-output table" in result.stderr


def test_knobs_and_capacity_are_named_and_shown(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    result = good("rank", small, "-i", "panopticon", "-j", "USA", "--capacity", "USA=0.5", "-o", out)
    assert "institutional capacity as given" in " ".join(result.stderr.split())
    assert scores_of(out, "panopticon")["USA"] == pytest.approx(0.35)
    assert set(pl.read_parquet(out)["basis"]) == {"assumed"}
    assert json.loads(exports.read_metadata(out)["options"])["capacity"] == {"USA": 0.5}
    good("rank", small, "-i", "panopticon", "-j", "EU", "--capacity", "eu=0.5", "-o", out)
    assert scores_of(out, "panopticon")["EU"] == pytest.approx(0.4)
    good("rank", small, "-i", "pagerank", "--set", "damping=0", "-o", out)
    assert len(set(scores_of(out, "pagerank").values())) == 1
    for args, part in (
        (["-i", "panopticon", "--capacity", "USA=0.5"], "no capacity is given for 2 of the jurisdictions scored"),
        (["-i", "panopticon", "-j", "EU", "--capacity", "EU=2"], "capacity of EU is 2.0"),
        (["-i", "panopticon", "-j", "USA", "--capacity", "USA=2"], "capacity of USA is 2.0"),
        (["-i", "pagerank", "--set", "dampin=0.5"], "did you mean damping"),
        (["-i", "pagerank", "--set", "damping=x"], "write a number"),
        (["-i", "pagerank", "--draws", "10"], "needs --noise"),
        (["-i", "pagerank", "--noise", "0.1"], "belong to --draws"),
    ):
        refused = wi("rank", small, *args)
        assert refused.exit_code == 2, refused.stderr
        assert part in " ".join(refused.stderr.split())


def test_what_is_only_partly_heard_is_said(small: Path) -> None:
    said = " ".join(good("rank", small, "-i", "panopticon", "-i", "hhi_imports", "-j", "EU").stderr.split())
    assert "hhi_imports: every node is scored, for jurisdiction is not read there" in said
    assert "EU without AUT" in said


def test_legal_reach_that_was_used_is_said(small: Path, tmp_path: Path) -> None:
    rows = [("USA", "CHN", "technology", 0.5, "assumed"), ("USA", "ATLANTIS", "currency", 1.0, "assumed")]
    exports.write(
        pl.DataFrame(rows, schema=dict(CONTROLS.schema), orient="row"), tmp_path / "controls.csv", table=CONTROLS
    )
    result = good("rank", small, "-i", "panopticon", "-j", "USA", "--controls", tmp_path / "controls.csv")
    said = " ".join(result.stderr.split())
    assert "legal reach beyond territory is counted: 1 grip on 1 node, by technology" in said
    assert "1 node of the controls are not in the data, and count for nothing: ATLANTIS" in said

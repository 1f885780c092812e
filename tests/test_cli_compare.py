"""`wi compare`: the screen, the files and the refusals."""

import hashlib
import io
import json
from pathlib import Path

import polars as pl
import pytest
from cli_support import good, wi

from weaponized_interdependence import exports
from weaponized_interdependence.schemas import FLOWS, MOVES, SCORES

# Exports in bn USD: China passes Germany and the USA, Cuba is new.
YEARS = {
    "2000": [("USA", "GBR", 60), ("DEU", "GBR", 30), ("CHN", "GBR", 9), ("GBR", "USA", 1)],
    "2010": [("USA", "GBR", 30), ("DEU", "GBR", 20), ("CHN", "GBR", 45), ("GBR", "USA", 4), ("CUB", "GBR", 1)],
    "2020": [("USA", "GBR", 40), ("DEU", "GBR", 10), ("CHN", "GBR", 45), ("GBR", "USA", 5)],
}


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    rows = [
        (year, "goods", o, d, "TOTAL", v * 1e9, None, None, "USD", "observed")
        for year, ties in YEARS.items()
        for o, d, v in ties
    ]
    frame = pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")
    exports.write(frame, tmp_path / "flows.parquet", table=FLOWS)
    return tmp_path / "flows.parquet"


def ranked(flows: Path, name: str, *more: object) -> Path:
    out = flows.parent / name
    good("rank", flows, "-i", "export_share", *more, "-o", out)
    return out


def test_two_files_by_hand(flows: Path) -> None:
    before, after = ranked(flows, "a.parquet", "--period", "2000"), ranked(flows, "b.parquet", "--period", "2010")
    out = flows.parent / "moves.parquet"
    said = good("compare", before, after, "-o", out).stdout
    for line in (
        "Export share of the world (export_share)",
        "2000 -> 2010, goods, item TOTAL; unit share, 0 to 1; basis observed",
        "4 ranked in both (1 up, 2 down); 1 entered; Spearman 0.400, Kendall 0.333",
        "1    3    +2  CHN   China              9.0   45.0",
        "5  new        CUB   Cuba               n/d    1.0",
        "newly ranked: CUB",
    ):
        assert line in said, said
    moves = pl.read_parquet(out)
    assert MOVES.conform(moves).equals(moves)
    assert moves.select("node", "rank_before", "rank_after", "rank_change", "move").rows() == [
        ("CHN", 3, 1, 2, "up"),
        ("USA", 1, 2, -1, "down"),
        ("DEU", 2, 3, -1, "down"),
        ("GBR", 4, 4, 0, "same"),
        ("CUB", None, 5, None, "entered"),
    ]
    about = exports.read_metadata(out)
    assert about["table"] == "MOVES"
    assert [i["sha256"] for i in json.loads(about["inputs"])] == [
        hashlib.sha256(f.read_bytes()).hexdigest() for f in (before, after)
    ]
    assert json.loads(about["agreement"])[0]["spearman"] == pytest.approx(0.4)


def test_two_periods_of_one_file(flows: Path) -> None:
    every = ranked(flows, "r.parquet", "-i", "network_concentration_exports")
    said = good("compare", every, "--periods", "2010", "2020", "-i", "export_share").stdout
    assert "2010 -> 2020" in said
    assert "no longer ranked: CUB" in said
    assert "network_concentration" not in said
    whole = good("compare", every, "--periods", "2000", "2020", "-i", "network_concentration_exports").stdout
    assert "ALL" in whole
    assert "0.46" in whole, "0.6^2 + 0.3^2 + 0.09^2 + 0.01^2"
    assert "ranked in both" not in whole
    refused = wi("compare", every)
    assert refused.exit_code == 2
    assert "--periods BEFORE AFTER" in refused.stderr


def test_perturbed_rankings_say_what_is_beyond_noise(flows: Path) -> None:
    noisy = ("--draws", "40", "--noise", "0.01")
    before = ranked(flows, "a.parquet", "--period", "2000", *noisy)
    after = ranked(flows, "b.parquet", "--period", "2020", *noisy)
    result = good("compare", before, after)
    assert "beyond noise" in result.stdout
    assert "3 with intervals of ranks apart" in " ".join(result.stdout.split())
    assert result.stderr == ""
    read = json.loads(good("compare", before, after, "--json").stdout)
    assert {m["node"]: m["apart"] for m in read["moves"]} == {"CHN": True, "USA": True, "DEU": True, "GBR": False}
    assert read["agreement"][0]["apart"] == 3


def test_json_and_stdout_are_data_and_nothing_else(flows: Path) -> None:
    before, after = ranked(flows, "a.csv", "--period", "2000"), ranked(flows, "b.json", "--period", "2010")
    result = good("compare", before, after, "-o", "-")
    assert "were not checked" in result.stderr
    frame = pl.read_csv(io.StringIO(result.stdout))
    assert frame.columns == list(MOVES.schema)
    assert frame.height == 5
    document = json.loads(good("compare", before, after, "--json", "--top", "1").stdout)
    assert document["agreement"][0]["top_kept"] == 0.0
    assert len(document["moves"]) == 5
    assert json.loads(document["metadata"]["options"])["top"] == 1
    assert wi("compare", before, after, "--json", "-o", "-").exit_code == 2


def test_a_ranking_with_controls_is_not_made_like_one_without(flows: Path) -> None:
    grips = flows.parent / "grips.csv"
    grips.write_text("jurisdiction,node,channel,share,basis\nUSA,CHN,technology,0.5,assumed\n")
    plain = ("--period", "2000", "-i", "panopticon")
    before, after = ranked(flows, "a.parquet", *plain), ranked(flows, "b.parquet", *plain, "--controls", grips)
    said = " ".join(good("compare", before, after, env={"COLUMNS": "400"}).stderr.split())
    assert "different options: controls not set / grips.csv, sha256 " in said
    assert "different options" not in good("compare", after, after, env={"COLUMNS": "400"}).stderr


@pytest.mark.parametrize("extension", ["csv", "json", "arrow", "xlsx"])
def test_moves_are_written_in_every_format(flows: Path, extension: str) -> None:
    every, out = ranked(flows, "r.parquet"), flows.parent / f"m.{extension}"
    good("compare", every, "--periods", "2000", "2010", "-o", out)
    if extension == "xlsx":
        assert pl.read_excel(out, sheet_name="data")["node"][0] == "CHN"
    else:
        assert exports.read_frame(out, MOVES)["rank_change"].to_list() == [2, -1, -1, 0, None]


def test_options_that_differ_are_a_warning(flows: Path) -> None:
    before = ranked(flows, "a.parquet", "--period", "2000")
    after = ranked(flows, "b.parquet", "--period", "2010", "--top", "2")
    result = good("compare", before, after)
    assert "the rankings were cut (top not set / 2)" in " ".join(result.stderr.split())


def test_refusals(flows: Path, tmp_path: Path) -> None:
    before, after = ranked(flows, "a.parquet", "--period", "2000"), ranked(flows, "b.parquet", "--period", "2010")
    other = tmp_path / "o.parquet"
    good("rank", flows, "-i", "strength", "--period", "2010", "-o", other)
    for args, code, told in [
        ((flows, after), 1, "is a FLOWS table, not a ranking"),
        ((before, tmp_path / "absent.parquet"), 1, "no such file"),
        ((before, other), 2, "no indicator in common: export_share / strength"),
        ((before, after, "-i", "strength"), 2, "no indicator fits strength -> it has export_share"),
        ((before, after, "--item", "HS:2709", "--layer", "claims"), 2, "no layer fits claims"),
        ((before, after, "--periods", "1999", "2010"), 2, "no scores of period 1999"),
        ((before, after, "-o", before), 2, "is an input and would be replaced"),
        ((before, after, "-o", tmp_path / "m.doc"), 2, "do not know the format"),
        ((before,), 2, "give a second ranking"),
    ]:
        result = wi("compare", *args)
        assert result.exit_code == code, result.stderr
        assert told in " ".join(result.stderr.split())
        assert result.stdout == ""


def test_many_items_show_those_that_changed_most(tmp_path: Path) -> None:
    rows = []
    for k in range(8):
        for year in ("2000", "2010"):
            # Of item 5 the order is turned round.
            values = [4, 2, 1] if (year == "2000" or k != 5) else [1, 2, 4]
            rows += [
                (year, "goods", o, "GBR", f"HS17:000{k}", float(v), None, None, "USD", "observed")
                for o, v in zip(("USA", "DEU", "CHN"), values, strict=True)
            ]
    exports.write(pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row"), tmp_path / "f.parquet", table=FLOWS)
    good("rank", tmp_path / "f.parquet", "-i", "export_share", "--by", "item", "-o", tmp_path / "r.parquet")
    result = good("compare", tmp_path / "r.parquet")
    shown = [line for line in result.stdout.splitlines() if "2000 -> 2010" in line]
    assert "HS17:0005" in shown[0]
    assert len(shown) == 6
    assert "2 more groups" in result.stderr
    one = good("compare", tmp_path / "r.parquet", "--item", "HS17:0005").stdout
    assert one.count("2000 -> 2010") == 1


@pytest.mark.parametrize("extension", ["csv", "json", "arrow", "xlsx", "printed.json"])
def test_rankings_are_read_in_every_format_that_is_written(flows: Path, extension: str) -> None:
    before, after = ranked(flows, "a.parquet", "--period", "2000"), flows.parent / f"b.{extension}"
    if extension == "printed.json":
        after.write_text(good("rank", flows, "-i", "export_share", "--period", "2010", "--json").stdout)
    else:
        ranked(flows, after.name, "--period", "2010")
    result = good("compare", before, after, "-o", "-")
    reference = ranked(flows, "c.parquet", "--period", "2010")
    assert result.stdout == good("compare", before, reference, "-o", "-").stdout
    assert ("were not checked" in result.stderr) == (extension == "csv")


def scored(tmp_path: Path, name: str, period: str, scores: dict[str, float]) -> Path:
    """A ranking of these scores, ties sharing the smallest rank."""
    frame = pl.DataFrame({"node": list(scores), "score": list(scores.values())}).with_columns(
        rank=pl.col("score").rank("min", descending=True).cast(pl.Int64),
        **{k: pl.lit(v) for k, v in {"period": period, "layer": "goods", "item": "ALL", "indicator": "mine"}.items()},
        unit=pl.lit("share"),
        basis=pl.lit("observed"),
    )
    exports.write(frame, tmp_path / name, table=SCORES)
    return tmp_path / name


def test_ties_do_not_drown_the_list(tmp_path: Path) -> None:
    """Forty nodes score nothing in both and fall from rank 2 to rank 3 because one other came: no news about them."""
    idle = {f"N{k:02d}": 0.0 for k in range(40)}
    before = scored(tmp_path, "a.parquet", "2000", {"A": 0.9, "B": 0.0, **idle})
    after = scored(tmp_path, "b.parquet", "2010", {"A": 0.9, "B": 0.5, **idle})
    said = good("compare", before, after, "--top", "3").stdout
    assert "40 with 0 in both are not listed" in said
    assert "N00" not in said
    rows = [line.split() for line in said.splitlines() if line.startswith("       ") and "per" not in line]
    assert [row[:4] for row in rows] == [["1", "1", "=", "A"], ["2", "2", "=", "B"]]


def test_a_list_is_as_long_as_asked_and_the_rest_of_a_tie_is_counted(tmp_path: Path) -> None:
    before = scored(tmp_path, "a.parquet", "2000", {f"N{k:02d}": 1.0 + k for k in range(20)})
    after = scored(tmp_path, "b.parquet", "2010", {f"N{k:02d}": 5.0 for k in range(20)})
    said = good("compare", before, after, "--top", "3").stdout
    assert "and 17 more of rank 3 or better, tied with these" in said
    # N00 was last of twenty: of a tie, those that moved most come first.
    assert [n for n in ("N00", "N01", "N02", "N03") if n in said.split()] == ["N00", "N01", "N02"]


def test_who_climbed_and_who_fell_are_told_apart(tmp_path: Path) -> None:
    names = [f"N{k:02d}" for k in range(12)]
    order = [*names[:3], names[11], *names[3:11]]  # the last climbs to place 4, eight others fall by one
    before = scored(tmp_path, "a.parquet", "2000", {n: 50.0 - k for k, n in enumerate(names)})
    after = scored(tmp_path, "b.parquet", "2010", {n: 50.0 - k for k, n in enumerate(order)})
    said = good("compare", before, after, "--top", "3").stdout
    climbed, fell = said.split("climbed most below rank 3, of 1 that did")[1].split(
        "fell most below rank 3, of 8 that did"
    )
    assert "N11" in climbed
    assert "+8" in climbed
    assert [line.split()[3] for line in fell.splitlines() if "-1" in line] == ["N03", "N04", "N05"]
    assert "computed from observed flows only" in said

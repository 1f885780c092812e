"""The screen of `wi rank`: what is shown of many items, of zeros and ties, of draws, and in whose words."""

import doctest
import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from cli_support import good

from weaponized_interdependence import exports
from weaponized_interdependence.cli import ranking, show
from weaponized_interdependence.cli.ranking import MOST_ITEMS, said_of_draws
from weaponized_interdependence.harmonize import item_names
from weaponized_interdependence.schemas import FLOWS

Row = tuple[str, str, str, str, float]


def written(tmp_path: Path, rows: Sequence[Row]) -> Path:
    made = [("2020", layer, o, d, item, v, None, None, "USD", "observed") for layer, o, d, item, v in rows]
    frame = pl.DataFrame(made, schema=dict(FLOWS.schema), orient="row")
    exports.write(frame, tmp_path / "flows.parquet", table=FLOWS)
    return tmp_path / "flows.parquet"


def of_items(*items: str) -> list[Row]:
    """Of each item AAA sends 3, BBB 2, CCC 1; ZZZ receives."""
    return [("goods", o, "ZZZ", item, v) for item in items for o, v in (("AAA", 3.0), ("BBB", 2.0), ("CCC", 1.0))]


def ranked(*args: object, width: int = 80) -> str:
    return good("rank", *args, env={"COLUMNS": str(width)}).stdout


def test_each_of_a_few_items_shows_its_first(tmp_path: Path) -> None:
    flows = written(tmp_path, of_items("SITC:3", "SITC:7"))
    said = ranked(flows, "-i", "export_share", "--by", "item", "--top", 2)
    assert re.findall(r"(?m)^ +(\d) +(SITC:\d) .*([A-Z]{3}) +\d", said) == [
        ("1", "SITC:3", "AAA"),
        ("2", "SITC:3", "BBB"),
        ("1", "SITC:7", "AAA"),
        ("2", "SITC:7", "BBB"),
    ]
    assert "each of 2 items" in said
    assert said.count("Mineral fuels") == said.count("Machinery and transport equipment") == 1
    # Scored were four nodes of each item, ZZZ with nothing sent; the file keeps the first two.
    assert "4 of 8; 2 with 0" in said
    out = tmp_path / "r.csv"
    good("rank", flows, "-i", "export_share", "--by", "item", "--top", 2, "-o", out)
    assert pl.read_csv(out).height == 4


def test_of_many_items_the_largest_and_how_to_see_one(tmp_path: Path) -> None:
    flows = written(tmp_path, of_items(*(f"HS17:01{k:02d}" for k in range(MOST_ITEMS + 1))))
    said = ranked(flows, "-i", "export_share", "--by", "item", "--top", 3)
    assert f"largest over {MOST_ITEMS + 1} items" in said
    assert f"3 of {4 * (MOST_ITEMS + 1)}; {MOST_ITEMS + 1} with 0" in said
    assert "--item HS17:0100" in said
    assert "BBB" not in said


def test_an_item_alone_is_named(tmp_path: Path) -> None:
    flows = written(tmp_path, of_items("HS17:270900"))
    assert "item HS17:270900, Mineral fuels, oils" in ranked(flows, "-i", "export_share")


def test_zeros_are_counted_and_not_listed(tmp_path: Path) -> None:
    rows = [("goods", "AAA", f"R{k:02d}", "TOTAL", 1.0) for k in range(30)]
    said = ranked(written(tmp_path, rows), "-i", "export_share")
    assert "1 of 31; 30 with 0" in said
    assert "R00" not in said


def test_nothing_but_zeros_is_listed(tmp_path: Path) -> None:
    """Nobody lies between two nodes: that is the answer, and not an empty list."""
    said = ranked(written(tmp_path, [("goods", "AAA", "BBB", "TOTAL", 1.0)]), "-i", "betweenness")
    assert re.search(r"1 +AAA +0$", said, flags=re.M)
    assert "with 0" not in said


def test_where_nothing_is_defined_the_screen_says_so() -> None:
    said = ranked("--table", "sample", "-i", "cutoff_power_io", "--set", "sigma=1")
    assert "none of 2,652 is defined: `wi explain cutoff_power_io` says when" in " ".join(said.split())
    assert "rank  node" not in said
    assert "set sigma above 1" in " ".join(good("explain", "cutoff_power_io").stdout.split())


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("goods", "its imports and exports"),
        ("payments", "what it pays and what it is paid"),
        ("claims", "what it is owed and what it owes"),
    ],
)
def test_both_ways_in_the_words_of_the_layer(tmp_path: Path, layer: str, words: str) -> None:
    flows = written(tmp_path, [(layer, "USA", "RUS", "TOTAL", 1.0), (layer, "DEU", "RUS", "TOTAL", 1.0)])
    assert f"at either end count: {words}." in " ".join(ranked(flows, "-i", "chokepoint", "-t", "RUS").split())


def test_a_score_is_computed_and_not_reported(tmp_path: Path) -> None:
    said = ranked(written(tmp_path, of_items("TOTAL")), "-i", "export_share")
    assert "basis observed: computed from observed flows only" in said
    assert "re-told" not in said


def test_intervals_are_told_with_the_assumption_they_rest_on(tmp_path: Path) -> None:
    flows = written(tmp_path, of_items("TOTAL"))
    drawing = ("--draws", 50, "--noise", 0.2, "--missing", 0.1, "--seed", 7)
    said = " ".join(ranked(flows, "-i", "export_share", *drawing).split())
    told = {"draws": 50, "noise": 0.2, "missing": 0.1, "seed": 7, "confidence": 0.95}
    assert said_of_draws(told) in said
    for part in ("95 per cent of 50 draws", "seed 7", "noise 0.2", "10 per cent of ties are missing"):
        assert part in said
    assert "your assumption: the intervals are assumed" in said
    assert "basis observed" in said
    assert "draws" not in ranked(flows, "-i", "export_share")


def test_a_sum_of_many_economies_is_said_to_be_no_jurisdiction(tmp_path: Path) -> None:
    rows: list[Row] = [("goods", o, d, "TOTAL", v) for o, d, v in (("ROW", "DEU", 9.0), ("DEU", "USA", 2.0))]
    path, out = written(tmp_path, rows), tmp_path / "r.parquet"
    said = " ".join(ranked(path, "-i", "chokepoint", "-i", "panopticon", "-o", out).split())
    warning = "ROW (Rest of the world) is a sum of many economies and no jurisdiction"
    assert said.count(warning) == 1
    scores = pl.read_parquet(out)
    assert "ROW" in scores["node"].unique()  # not dropped
    assert json.loads(exports.read_metadata(out)["no_jurisdiction"]) == ["ROW"]
    assert "no jurisdiction" not in ranked(path, "-i", "export_share", "-o", out)  # a share is a share
    assert "no_jurisdiction" not in exports.read_metadata(out)
    known = written(tmp_path, of_items("TOTAL"))
    assert "no jurisdiction" not in ranked(known, "-i", "chokepoint")
    two = " ".join(
        ranked(written(tmp_path, [*rows, ("goods", "UN_899", "USA", "TOTAL", 1.0)]), "-i", "chokepoint").split()
    )
    assert "ROW (Rest of the world), UN_899 (Areas, nes) are each a sum of many economies" in two


def test_long_coalitions_fold_and_headings_stay_whole() -> None:
    said = ranked("sample:crude_oil", "-i", "interdiction", "-t", "CHN", "--set", "budget=20")
    assert max(map(len, said.splitlines())) <= 80
    assert re.search(r"rank +node +over +per cent +low", said)
    lines = said.splitlines()
    at = next(k for k, line in enumerate(lines) if "rank" in line and "per cent" in line)
    label = "".join(re.findall(r"[A-Z]{3}\+(?:[A-Z]{3}\+?)*|(?<=^ {10})[A-Z]{3}", "\n".join(lines[at:]), flags=re.M))
    assert len(label.split("+")) == 20


def test_folded_labels_lose_nothing() -> None:
    label = "+".join(f"N{k:02d}" for k in range(40))
    columns = [show.Column("node", [label], keep=True, fold=True), show.Column("per cent", ["12.3"], True)]
    lines = show.layout(columns, 40)
    assert max(map(len, lines)) <= 40
    assert "".join(line.split()[0] for line in lines[1:]) == label
    assert "per cent" in lines[0]


def test_whose_content_in_whose_exports() -> None:
    said = ranked("--table", "sample", "-i", "foreign_technology_content", "-j", "USA", "-t", "MEX")
    assert "exports that is value added of the node" in " ".join(said.split())
    assert re.search(r"rank +node .*counterpart", said)


@pytest.mark.parametrize("module", [ranking, show, item_names])
def test_examples_of_the_docstrings(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert result.failed == 0

"""Every kind of bad scenario: the fault is named, its line is right, and the mend is said."""

# ruff: noqa: E501  (a case stands on one line, so that the table of cases can be read)

import re
from datetime import date
from typing import Any

import pytest

from weaponized_interdependence.errors import ScenarioError, WiError
from weaponized_interdependence.scenario import Assumptions, Band, Exemption, Measure, Phase, Scenario, read_scenario

TOP = """
name = "a"
title = "A"
coalition = ["USA", "EU"]
target = ["RUS"]
date = 2022-12-05
"""
BAN = """
[[measure]]
id = "oil"
kind = "import_ban"
items = ["HS:2709"]
"""

# Each case: (what the fault says, the file). The line at fault bears the mark @; no other fault may be found.
CASES: dict[str, tuple[str, str]] = {
    "unknown key": ("unknown key 'shares' -> did you mean share", TOP + BAN + "shares = 0.5 @"),
    "key of the top in a table": ("belongs to the top of the file", TOP + BAN + "humanitarian_exemption = true @"),
    "key of a table at the top": ("belongs under [[measure]]", TOP + "compliance = 0.5 @" + BAN),
    "unknown table": ("unknown key 'measurez' -> did you mean measure", TOP + BAN + "[[measurez]] @\nid = 1"),
    "target in coalition": ("RUS is a target inside its own coalition", (TOP + BAN).replace('["RUS"]', '["RUS"] @').replace('"EU"', '"RUS"')),
    "target in coalition through a group": ("FRA is a target inside its own coalition (a member of EU", (TOP + BAN).replace('["RUS"]', '["FRA"] @')),
    "unknown code": ("'USX'", (TOP + BAN).replace('"EU"]', '"EU",\n"USX", @\n"JPN"]')),
    "state that was gone": ("SUN", (TOP + BAN).replace('["RUS"]', '["SUN"] @')),
    "aggregate as target": ("WLD", (TOP + BAN).replace('["RUS"]', '["WLD"] @')),
    "empty coalition": ("coalition is empty", (TOP + BAN).replace('["USA", "EU"]', "[] @")),
    "empty target": ("target is empty", (TOP + BAN).replace('["RUS"]', "[] @")),
    "code twice": ("coalition names 'USA' twice", (TOP + BAN).replace('"EU"]', '"EU", "USA"] @')),
    "text for a list": ('is not a list -> write target = ["RUS"]', (TOP + BAN).replace('["RUS"]', '"RUS" @')),
    "no measures": ("measure is missing", "@" + TOP.strip()),
    "one bracket": ("measure is not a table -> write its keys under [[measure]]", TOP + BAN.replace("[[measure]]", "[measure] @")),
    "missing title": ("title is missing", "@" + (TOP + BAN).strip().replace('title = "A"', "")),
    "blank title": ("title is blank", (TOP + BAN).replace('"A"', '"  " @')),
    "bad name": ("is not a short name", (TOP + BAN).replace('name = "a"', 'name = "A b" @')),
    "control character": ("control character", (TOP + BAN).replace('"A"', '"A\\u001b[31m" @')),
    "newer version": ("schema_version = 2 is not known", "schema_version = 2 @" + TOP + BAN),
    "version as truth": ("schema_version", "schema_version = true @" + TOP + BAN),
    "not true nor false": ("neither true nor false", TOP + 'humanitarian_exemption = "no" @' + BAN),
    "share above one": ("share = 1.5 is outside 0 to 1", TOP + BAN + "share = 1.5 @"),
    "share below zero": ("share = -0.1 is outside 0 to 1", TOP + BAN + "share = -0.1 @"),
    "share as truth": ("share = true is not a number", TOP + BAN + "share = true @"),
    "share as text": ("without quotes", TOP + BAN + 'share = "0.5" @'),
    "share not a number": ("share = nan is not a finite number", TOP + BAN + "share = nan @"),
    "share infinite": ("share = inf is not a finite number", TOP + BAN + "share = inf @"),
    "huge share": ("is not a number that can be used", TOP + BAN + f"share = 1{'0' * 400} @"),
    "band out of order": ("low <= value <= high", TOP + BAN + "share = { low = 0.5, value = 0.4, high = 0.6 } @"),
    "band too wide": ("leaves 0 to 1", TOP + BAN + "share = { low = 0.5, value = 0.6, high = 1.6 } @"),
    "band without high": ("high is missing", TOP + BAN + "share = { low = 0.5, value = 0.6 } @"),
    "band with more": ("unknown key 'mid'", TOP + BAN + "share = { low = 0, value = 0.5, high = 1, mid = 0 } @"),
    "band as dotted keys": ("value = 'x'", TOP + BAN + "share.low = 0\nshare.value = 'x' @\nshare.high = 1"),
    "unknown kind": ("did you mean import_ban", (TOP + BAN).replace('"import_ban"', '"importban" @')),
    "no kind": ("kind is missing", (TOP + BAN).replace('kind = "import_ban"\n', "").replace("[[measure]]", "[[measure]] @")),
    "tariff without rate": ("tariff needs rate", (TOP + BAN).replace('"import_ban"', '"tariff"').replace("[[measure]]", "[[measure]] @")),
    "negative rate": ("rate = -0.1 is negative", (TOP + BAN).replace('"import_ban"', '"tariff"') + "rate = -0.1 @"),
    "tariff with share": ("share has no meaning for tariff", (TOP + BAN).replace('"import_ban"', '"tariff"\nrate = 0.1') + "share = 0.9 @"),
    "quota without ceiling": ("quota needs allowed_share", (TOP + BAN).replace('"import_ban"', '"quota"').replace("[[measure]]", "[[measure]] @")),
    "quota ceiling": ("allowed_share = 2 is outside", (TOP + BAN).replace('"import_ban"', '"quota"') + "allowed_share = 2 @"),
    "secondary without compliance": ("secondary needs compliance, which has no default", TOP + '[[measure]] @\nid = "s"\nkind = "secondary"\nthird_parties = ["CHN"]'),
    "secondary without third parties": ("secondary needs third_parties", TOP + '[[measure]] @\nid = "s"\nkind = "secondary"\ncompliance = 0.3'),
    "third party in coalition": ("write the others one by one: CAN, MEX", TOP + '[[measure]]\nid = "s"\nkind = "secondary"\ncompliance = 0.3\nthird_parties = ["USMCA", @\n"TUR"]'),
    "trade_share on a ban": ("trade_share has no meaning for import_ban", TOP + BAN + "trade_share = 0.5 @"),
    "embargo of some items": ("use export_ban and import_ban", (TOP + BAN).replace('"import_ban"', '"comprehensive_embargo"').replace('"HS:2709"]', '"HS:2709"] @')),
    "wrong layer": ("import_ban does not act on the layer claims", TOP + BAN + 'layers = ["goods", "claims"] @'),
    "unknown layer": ("did you mean goods", TOP + BAN + 'layers = ["good"] @'),
    "sender outside": ("senders names CHN, outside the coalition", TOP + BAN + 'senders = ["USA", "CHN"] @'),
    "item without classification": ("'2709'", (TOP + BAN).replace('"HS:2709"]', '"HS:2710",\n"2709"] @')),
    "item as number": ("is not text", (TOP + BAN).replace('"HS:2709"]', "2709] @")),
    "unknown list": ("no_such_list", TOP + BAN + 'lists = ["no_such_list"] @'),
    "list file that is not there": ("nowhere.csv", TOP + BAN + 'lists = ["lists/nowhere.csv"] @'),
    "id twice": ("the id 'oil' is used twice", TOP + BAN + BAN.replace('"oil"', '"oil" @').replace("2709", "2710")),
    "same measure twice": ("gas overlaps oil: both reach HS:270900", TOP + BAN + BAN.replace("2709", "270900").replace('"oil"', '"gas"').replace("[[measure]]", "[[measure]] @")),
    "ban over a section": ("all overlaps oil", TOP + BAN + '[[measure]] @\nid = "all"\nkind = "comprehensive_embargo"'),
    "unknown overlap": ("overlaps names no other measure: 'gas'", TOP + BAN + 'overlaps = ["gas"] @'),
    "date as text": ("is not a date", (TOP + BAN).replace("2022-12-05", '"5 December 2022" @')),
    "date as number": ("20221205 is not a date", (TOP + BAN).replace("2022-12-05", "20221205 @")),
    "date with time": ("without a time", (TOP + BAN).replace("2022-12-05", "2022-12-05T00:00:00Z @")),
    "implausible year": ("the year 1022", (TOP + BAN).replace("2022-12-05", "1022-12-05 @")),
    "phases reversed": ("b starts 2023-01-01, not after a (2023-02-01)", TOP + BAN + '[[phase]]\nname = "a"\nstart = 2023-02-01\nmeasures = ["oil"]\n[[phase]]\nname = "b"\nstart = 2023-01-01 @\nmeasures = ["oil"]'),
    "phases on one day": ("not after a", TOP + BAN + '[[phase]]\nname = "a"\nstart = 2023-02-01\nmeasures = ["oil"]\n[[phase]]\nname = "b"\nstart = 2023-02-01 @\nmeasures = ["oil"]'),
    "phase before the date": ("before the scenario's date", TOP + BAN + '[[phase]]\nname = "a"\nstart = 2021-02-01 @\nmeasures = ["oil"]'),
    "phase name twice": ("the name 'a' is used twice", TOP + BAN + '[[phase]]\nname = "a"\nstart = 2023-02-01\nmeasures = ["oil"]\n[[phase]]\nname = "a" @\nstart = 2023-03-01\nmeasures = ["oil"]'),
    "phase that lifts nothing": ("b is the first phase and has nothing in force", TOP + BAN + '[[phase]]\nname = "b"\nstart = 2023-01-01\nmeasures = [] @\n[[phase]]\nname = "a"\nstart = 2023-02-01\nmeasures = ["oil"]'),
    "end before the last phase": ("end 2023-01-15 is before a starts (2023-02-01)", TOP.rstrip("\n") + "\nend = 2023-01-15 @\n" + BAN + '[[phase]]\nname = "b"\nstart = 2023-01-01\nmeasures = ["oil"]\n[[phase]]\nname = "a"\nstart = 2023-02-01\nmeasures = []'),
    "end before the date": ("end 2020-01-15 is before the scenario starts", TOP.rstrip("\n") + "\nend = 2020-01-15 @\n" + BAN),
    "phase with an unknown measure": ("no known measure: 'oli' -> the ids are oil", TOP + BAN + '[[phase]]\nname = "a"\nstart = 2023-02-01\nmeasures = ["oil",\n"oli"] @'),
    "measure in no phase": ("measure 'gas' is in no phase", TOP + BAN + BAN.replace("oil", "gas").replace("2709", "2711").replace("[[measure]]", "[[measure]] @") + '[[phase]]\nname = "a"\nstart = 2023-02-01\nmeasures = ["oil"]'),
    "exemption of everything": ("exempts everything", TOP + BAN + "[[exemption]] @\nshare = 0.5"),
    "exemption of the target": ("the target itself", TOP + BAN + '[[exemption]]\nparties = ["RUS"] @'),
    "exemption share": ("share = 2 is outside", TOP + BAN + '[[exemption]]\nitems = ["HS:30"]\nshare = 2 @'),
    "unknown elasticities": ("no elasticity set 'defualt' -> one of default", TOP + BAN + '[assumptions]\nelasticities = "defualt" @'),
    "elasticity file that is not there": ("no elasticity file", TOP + BAN + '[assumptions]\nelasticities = "mine/e.csv" @'),
    "over-compliance": ("over_compliance = 1.2", TOP + BAN + "[assumptions]\nover_compliance = 1.2 @"),
    "assumptions as a list": ("assumptions", TOP + BAN + "[[assumptions]] @\nover_compliance = 0.2"),
    "both spellings": ("both measure and measures", TOP + "measures = []" + BAN.replace("[[measure]]", "[[measure]] @")),
    "blank source": ("sources 2 is empty", TOP + 'sources = ["a", "" @\n]' + BAN),
    "huge text": ("title is longer than 200", (TOP + BAN).replace('"A"', '"' + "x" * 201 + '" @')),
}  # fmt: skip


def marked(text: str) -> tuple[bytes, int]:
    """The file without its mark, and the line that bore it."""
    line = text[: text.index("@")].count("\n") + 1
    return re.sub(r" ?@", "", text).encode(), line


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_named_with_its_line(name: str) -> None:
    said, text = CASES[name]
    content, line = marked(text)
    with pytest.raises(ScenarioError) as caught:
        read_scenario(content, "f.toml")
    faults = [str(fault) for fault in caught.value.faults]
    assert len(faults) == 1, faults
    assert said in faults[0]
    assert faults[0].startswith(f"f.toml:{line}: "), (faults, line)
    assert caught.value.faults[0].mend
    assert caught.value.exit_code == 1


# What is not TOML at all: one fault, its line, its mend.
SYNTAX: dict[str, tuple[str, bytes]] = {
    "empty": ("the file is empty", b"@"),
    "only comments": ("the file is empty", b"@# nothing\n\n"),
    "not utf-8": ("byte 0xe9 is not UTF-8", b'a = 1\nb = "caf\xe9" @'),
    "utf-16": ("UTF-16", b"\xff\xfea\x00@"),
    "too large": ("larger than", b"@#" + b"x" * 1_000_000),
    "no equals sign": ("a key without =", b"a = 1\nb @"),
    "no value": ("a value is not TOML", b"a = 1\nb = @"),
    "unquoted text": ("a value is not TOML", b"a = oil @"),
    "unclosed text": ("unclosed text", b'a = "oil @\nb = 1'),
    "unclosed list": ("a list is not closed", b'a = ["x" "y"] @'),
    "key twice": ("a key stands twice", b"a = 1\n\na = 2 @"),
    "table twice": ("a table is declared twice", b"[a]\n[b]\n[a] @"),
    "no such day": ("not in the calendar", b"date = 2022-02-30 @"),
    "yaml": ("a key without =", b"name: x @"),
    "json": ("not a key = value line", b'@{"name": 1}'),
    "nested lists": ("nested too deep", b"a = 1\nb = @" + b"[" * 5000),
    "nested keys": ("nested too deep", b"@" + b"a." * 5000 + b"b = 1"),
    "thousands of digits": ("too many digits", b"a = 1\nb = 9@" + b"9" * 5000),
    "zero byte": ("not a key = value line", b"@\x00"),
    "carriage returns only": ("something follows the value", b"@a = 1\rb = 2\r"),
}  # fmt: skip


@pytest.mark.parametrize("name", SYNTAX)
def test_what_is_not_toml_is_said_with_its_line(name: str) -> None:
    said, content = SYNTAX[name]
    line = content[: content.index(b"@")].count(b"\n") + 1
    with pytest.raises(ScenarioError) as caught:
        read_scenario(content.replace(b" @", b"").replace(b"@", b""), "f.toml")
    (fault,) = caught.value.faults
    assert said in fault.what
    assert fault.where == f"f.toml:{line}"
    assert fault.mend


def test_every_fault_of_a_file_is_found_in_one_pass() -> None:
    text = (
        'name = "Bad"\ntitle = " "\ncoalition = ["USA", "XQX"]\ntarget = []\ndate = 20221205\nnonsense = 1\n'
        '[[measure]]\nid = "a"\nkind = "tarif"\nshare = 2\n[[measure]]\nid = "b"\nkind = "tariff"\nlayers = ["claims"]\n'
        '[[phase]]\nname = "p"\nstart = 1\nmeasures = ["c"]\n'
    )
    with pytest.raises(ScenarioError) as caught:
        read_scenario(text.encode(), "f")
    lines = [int(fault.where.split(":")[1]) for fault in caught.value.faults]
    assert lines == sorted(lines)
    assert set(lines) == {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 14, 17, 18}
    assert str(caught.value).count("\n") == len(lines)  # one line each, under one heading


def python(**changes: Any) -> Scenario:
    given: dict[str, Any] = {
        "name": "a",
        "title": "A",
        "coalition": ("USA",),
        "target": ("RUS",),
        "date": date(2022, 12, 5),
        "measures": (Measure(id="oil", kind="import_ban", items=("HS:2709",)),),
    }
    return Scenario(**(given | changes))


def test_a_scenario_built_in_python_is_checked_the_same_way() -> None:
    scenario = python()
    assert scenario.phase_list() == (Phase(name="all", start=date(2022, 12, 5), measures=("oil",)),)
    assert scenario.measures_in(scenario.phase_list()[0]) == scenario.measures
    with pytest.raises(ScenarioError) as caught:
        python(
            target=("USA",),
            measures=(
                Measure(id="a", kind="tariff"),
                Measure(id="b", kind="import_ban", share=Band(low=0, value=0.1, high=1)),
            ),
            exemptions=(Exemption(share=0.5),),
            assumptions=Assumptions(elasticities="none_such"),
        )
    assert [fault.where for fault in caught.value.faults] == [
        "target 1",
        "measure 1, rate",
        "exemption 1",
        "assumptions.elasticities",
        "measure 2",
    ]
    with pytest.raises(ScenarioError):
        Scenario.model_validate([1])
    assert Scenario.model_validate(scenario) is scenario


@pytest.mark.parametrize(
    ("kind", "layers"),
    [
        ("import_ban", ("goods", "services", "inputs")),
        ("asset_freeze", ("claims",)),
        ("messaging_disconnection", ("payments", "claims")),
    ],
)
def test_a_measure_without_layers_takes_those_of_its_kind(kind: str, layers: tuple[str, ...]) -> None:
    assert Measure(id="a", kind=kind).affected_layers == layers  # type: ignore[arg-type]


def test_a_wrong_code_offers_the_nearest() -> None:
    with pytest.raises(WiError, match=r"Germany|DEU"):
        python(coalition=("Germny",))

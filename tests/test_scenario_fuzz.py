"""Whatever a file holds, it is read or refused with a list of faults; overlap against brute force."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import ScenarioError, WiError
from weaponized_interdependence.scenario import (
    Measure,
    Scenario,
    load_scenario,
    read_scenario,
    scenario_overrides,
    scenario_text,
)
from weaponized_interdependence.scenario.overlap import overlaps
from weaponized_interdependence.terms import Layer, MeasureKind

FILES = sorted((Path(__file__).resolve().parent.parent / "data" / "scenarios").glob("*.toml"))
FEW = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def refusal(call: Callable[[], object]) -> WiError | None:
    """The error a call is refused with; any other error is a bug and goes through."""
    try:
        call()
    except WiError as error:
        return error
    return None


def read(content: bytes) -> None:
    """Read, or be refused with every fault on a line of the file."""
    error = refusal(lambda: read_scenario(content, "f"))
    if error is None:
        return
    assert isinstance(error, ScenarioError)
    assert error.faults
    for fault in error.faults:
        file, line = fault.where.rsplit(":", 1)
        assert file == "f"
        assert 1 <= int(line) <= content.count(b"\n") + 1
        assert fault.what


@FEW
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    read(content)


@FEW
@given(st.sampled_from(FILES), st.data())
def test_a_damaged_file(file: Path, data: st.DataObject) -> None:
    content = file.read_bytes()
    lines = content.split(b"\n")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "twice", "swap", "cut", "junk"])):
            case "drop":
                lines[at : at + 1] = []
            case "twice":
                lines.insert(at, lines[at])
            case "swap":
                other = data.draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "cut":
                lines = lines[: at + 1]
            case "junk":
                lines[at] = lines[at].replace(
                    b"=", data.draw(st.sampled_from([b"= -", b"=[", b"= {a=", b"= nan #", b"=="])), 1
                )
        lines = lines or [b""]
    read(b"\n".join(lines))


scalars = (
    st.text(max_size=8)
    | st.sampled_from(
        ["USA", "EU", "RUS", "goods", "HS:2709", "import_ban", "tariff", "secondary", "a", "2022-12-05", "humanitarian"]
    )
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.dates()
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["low", "value", "high", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
tables = {
    "measures": st.dictionaries(st.sampled_from([*Measure.model_fields, "x"]), anything, max_size=6),
    "phases": st.dictionaries(st.sampled_from(["name", "start", "measures", "note", "x"]), anything, max_size=4),
    "exemptions": st.dictionaries(
        st.sampled_from(["items", "lists", "parties", "layers", "share", "x"]), anything, max_size=4
    ),
    "assumptions": anything
    | st.dictionaries(st.sampled_from(["elasticities", "over_compliance"]), anything, max_size=2),
}


@FEW
@given(st.data())
def test_any_mapping(data: st.DataObject) -> None:
    document: dict[str, Any] = {
        key: data.draw(
            st.lists(tables[key], max_size=3)
            if key in ("measures", "phases", "exemptions")
            else tables.get(key, anything),
            key,
        )
        for key in data.draw(st.lists(st.sampled_from([*Scenario.model_fields, "measure", "x"]), unique=True), "keys")
    }
    base = {
        "name": "a",
        "title": "A",
        "coalition": ["USA"],
        "target": ["RUS"],
        "date": date(2020, 1, 1),
        "measures": [{"id": "a", "kind": "import_ban"}],
    }
    for mapping in (document, {**base, **document}):
        error = refusal(lambda mapping=mapping: Scenario.model_validate(mapping))
        assert error is None or error.faults


shares = st.floats(0, 1) | st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).map(
    lambda t: dict(zip(("low", "value", "high"), sorted(t), strict=True))
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)


@FEW
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["import_ban", "export_ban", "tariff"]),
            shares,
            texts,
            st.sets(st.sampled_from(["goods", "services"])),
        ),
        min_size=1,
        max_size=3,
    ),
    texts,
    st.booleans(),
)
def test_what_is_valid_reads_back_equal(
    given_measures: list[tuple[str, Any, str, set[str]]], text: str, humanitarian: bool
) -> None:
    measures = [
        {
            "id": f"m{n}",
            "kind": kind,
            "note": note,
            "layers": sorted(layers),
            "items": [f"HS:0{n + 1}"],
            **({"rate": 0.25} if kind == "tariff" else {"share": share}),
        }
        for n, (kind, share, note, layers) in enumerate(given_measures)
    ]
    scenario = Scenario(
        name="a", title="x" + text, description=text, coalition=("USA",), target=("RUS",), date=date(2020, 1, 1),
        measures=measures, humanitarian_exemption=humanitarian,  # type: ignore[arg-type]
    )  # fmt: skip
    assert read_scenario(scenario_text(scenario).encode()) == scenario


@FEW
@given(
    st.dictionaries(
        st.text("measurcd.lowphi_1", max_size=20)
        | st.sampled_from(["measure.crude.share", "target", "phase.crude.start", "measure.crude.share.low"]),
        scalars | st.text(max_size=10),
        max_size=3,
    )
)
def test_any_override(changes: dict[str, Any]) -> None:
    scenario = load_scenario("oil_embargo_russia")
    error = refusal(lambda: scenario_overrides(scenario, changes))
    assert error is None or error.faults


# Overlap against brute force: which six-figure codes of a two-letter alphabet do both measures reach?
UNIVERSE = [f"{n:06b}" for n in range(64)]
prefixes = st.lists(
    st.sampled_from([f"{n:0{width}b}" for width in (2, 4, 6) for n in range(2**width)]), max_size=3, unique=True
)
kinds = st.sampled_from(
    [MeasureKind.IMPORT_BAN, MeasureKind.EXPORT_BAN, MeasureKind.TARIFF, MeasureKind.COMPREHENSIVE_EMBARGO]
)
one_measure = st.tuples(
    kinds, prefixes, st.sets(st.sampled_from(["USA", "JPN", "KOR"])), st.sets(st.sampled_from(["goods", "services"]))
)


def cells(kind: MeasureKind, codes: list[str], senders: set[str], layers: set[str]) -> set[tuple[str, ...]]:
    """Every single flow the measure reaches, one by one."""
    directions = {MeasureKind.EXPORT_BAN: ("out",), MeasureKind.COMPREHENSIVE_EMBARGO: ("out", "in")}.get(kind, ("in",))
    everywhere = {"goods", "services", "inputs"} | (
        {"payments", "claims"} if kind is MeasureKind.COMPREHENSIVE_EMBARGO else set()
    )
    return {
        (sender, layer, direction, code)
        for sender in senders or {"USA", "JPN", "KOR"}
        for layer in layers or everywhere
        for direction in directions
        for code in UNIVERSE
        if not codes or kind is MeasureKind.COMPREHENSIVE_EMBARGO or code.startswith(tuple(codes))
    }


@settings(max_examples=300, deadline=None)
@given(one_measure, one_measure, st.booleans())
def test_overlap_is_found_where_flows_are_shared(first: Any, second: Any, apart: bool) -> None:
    measures = [
        {
            "id": name,
            "kind": kind,
            "items": [] if kind is MeasureKind.COMPREHENSIVE_EMBARGO else [f"HS:{code}" for code in codes],
            "senders": sorted(senders),
            "layers": sorted(layers),
        }
        for name, (kind, codes, senders, layers) in zip("ab", (first, second), strict=True)
    ]
    raw: dict[str, Any] = {"coalition": ["USA", "JPN", "KOR"], "measures": measures}
    if apart:
        raw["phases"] = [{"name": "one", "measures": ["a"]}, {"name": "two", "measures": ["b"]}]
    found = list(overlaps(raw, lambda name: (name,)))
    assert bool(found) == (bool(cells(*first) & cells(*second)) and not apart)
    assert not list(
        overlaps({**raw, "measures": [measures[0], {**measures[1], "overlaps": ["a"]}]}, lambda name: (name,))
    )


def test_overlap_keeps_classifications_and_editions_apart() -> None:
    def said(a: str, b: str) -> int:
        measures = [{"id": "a", "kind": "import_ban", "items": [a]}, {"id": "b", "kind": "import_ban", "items": [b]}]
        return len(list(overlaps({"coalition": ["USA"], "measures": measures}, lambda name: (name,))))

    assert said("HS:2709", "SITC:3") == 0
    assert said("HS12:2709", "HS17:2709") == 0
    assert said("HS:27", "HS17:270900") == 1
    assert said("SITC:3", "SITC:33") == 1
    assert said("WIOD13:c1", "WIOD13:c11") == 0
    assert said("WIOD13:c1", "WIOD13:c1") == 1
    assert set(Layer) >= {"goods"}


@pytest.mark.parametrize("count", [150, 250])
def test_a_file_of_many_measures_is_checked_in_reasonable_time(count: int) -> None:
    items = ", ".join(f'"HS:{n:06d}"' for n in range(60))
    text = 'name = "a"\ntitle = "A"\ncoalition = ["EU", "USA"]\ntarget = ["RUS"]\ndate = 2022-12-05\n' + "".join(
        f'[[measure]]\nid = "m{n}"\nkind = "import_ban"\nitems = [{items}]\n' for n in range(count)
    )
    with pytest.raises(ScenarioError) as caught:
        read_scenario(text.encode(), "f")
    expected = count * (count - 1) // 2
    assert len(caught.value.faults) == expected if count <= 200 else "longer than 200" in str(caught.value)

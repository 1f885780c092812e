"""Readers on random tables with faults put in: every row is taken or given back, and what is taken adds up.

The reference here is plain Python over the csv module, row by row; it knows nothing of polars.
"""

import csv
import io
import math
import tempfile
from datetime import date
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import WiError
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sources.reading import Reason
from weaponized_interdependence.sources.registry import read, stream

CODES = {"4": "AFG", "8": "ALB", "12": "DZA", "842": "USA", "156": "CHN", "490": "TWN"}
NUMBERS = st.floats(0, 1e9, allow_nan=False).map(repr) | st.integers(0, 10**9).map(str)
BAD_NUMBERS = st.sampled_from(["", "abc", "nan", "inf", "-1", "-0.5", "1e99", "1,5", "NA", " ", "1e400", "0x10"])
COUNTRIES = st.sampled_from([*CODES, "0004", "8.0"])
BAD_COUNTRIES = st.sampled_from(["", "0", "97", "5555", "-4", "XYZ", "99999999999", "4.5"])
YEARS = st.sampled_from(["2019", "2020", "2021.0"])
BAD_YEARS = st.sampled_from(["", "20", "2999", "abcd", "20211", "-2020", "99999999999999999999"])
PRODUCTS = st.sampled_from(["010121", "10121", "270900", "854231", "999999"])
BAD_PRODUCTS = st.sampled_from(["", "2709", "abc", "1234567", "-1", "12.5"])
QUANTITIES = NUMBERS | st.sampled_from(["", "NA", "           NA", "  3.5"])
BAD_QUANTITIES = st.sampled_from(["-1", "inf", "x"])


def mostly(good: st.SearchStrategy[str], bad: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.integers(0, 9).flatmap(lambda n: bad if n == 0 else good)


BACI_ROW = st.tuples(
    mostly(YEARS, BAD_YEARS),
    mostly(COUNTRIES, BAD_COUNTRIES),
    mostly(COUNTRIES, BAD_COUNTRIES),
    mostly(PRODUCTS, BAD_PRODUCTS),
    mostly(NUMBERS, BAD_NUMBERS),
    mostly(QUANTITIES, BAD_QUANTITIES),
)


def whole(text: str) -> int | None:
    text = text.strip()
    if text.endswith(".0"):
        text = text[:-2]
    return int(text) if text.lstrip("-").isdigit() else None


def number(text: str) -> float | None:
    try:
        return float(text.strip())
    except ValueError:
        return None


def expected_baci(lines: list[tuple[str, ...]]) -> dict[tuple[str, str, str, str], tuple[float, float | None]]:
    """The good rows by a plain reading: first of each key."""
    taken: dict[tuple[str, str, str, str], tuple[float, float | None]] = {}
    for t, i, j, k, v, q in lines:
        year, one, two, product = whole(t), whole(i), whole(j), whole(k)
        value = number(v)
        quantity = None if q.strip() in ("", "NA") else number(q)
        odd_quantity = q.strip() not in ("", "NA") and quantity is None
        if year is None or not 1988 <= year <= date.today().year or product is None or not 10_000 <= product <= 999_999:
            continue
        if str(one) not in CODES or str(two) not in CODES or value is None or not 0 <= value <= 1e12:
            continue
        if odd_quantity or (quantity is not None and not 0 <= quantity < math.inf):
            continue
        key = (str(year), CODES[str(one)], CODES[str(two)], f"HS17:{product:06d}")
        taken.setdefault(key, (value * 1000, quantity))
    return taken


def as_csv(head: list[str], lines: list[tuple[str, ...]], newline: str = "\n") -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=newline)
    writer.writerows([head, *lines])
    return out.getvalue()


def table_of(flows: pl.DataFrame) -> dict[tuple[str, str, str, str], tuple[float, float | None]]:
    columns = flows.select("period", "origin", "destination", "item", "value", "quantity")
    return {row[:4]: row[4:] for row in columns.rows()}


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(BACI_ROW, min_size=1, max_size=25),
    order=st.permutations(range(6)),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_baci_takes_exactly_the_good_rows(lines: list[tuple[str, ...]], order: list[int], newline: str) -> None:
    head = list("tijkvq")
    text = as_csv([head[n] for n in order], [tuple(line[n] for n in order) for line in lines], newline)
    expected = expected_baci(lines)
    rows = [line for line in lines if any(cell.strip() for cell in line)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "BACI_HS17_x.csv"
        path.write_bytes(text.encode())
        try:
            reading = read("baci", path)
        except WiError:
            # an error of ours is right only if there was nothing to take
            assert not expected
            return
        assert reading.flows is not None
        assert table_of(reading.flows) == expected
        assert reading.flows.height + reading.rejected.height == len(rows)
        assert sum(reading.rejected_counts.values()) == reading.rejected.height
        assert set(reading.rejected_counts) <= {str(r) for r in Reason}
        FLOWS.conform(reading.flows)
        streamed = stream("baci", [path], Path(folder) / "out.parquet")
        assert pl.read_parquet(Path(folder) / "out.parquet").equals(reading.flows)
        assert streamed.rejected.equals(reading.rejected)


HEADS = (
    b"",
    b"t,i,j,k,v,q\n",
    b"ccode1,ccode2,year,flow1,flow2\n",
    b"exporter_id,importer_id,value\n",
    b"year,exporter,importer,sitc,value_kusd\n",
    b"period,origin,destination,value\n",
    b"period,reporterCode,partnerCode,flowCode,classificationCode,cmdCode,primaryValue\n",
)


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_by_us(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "BACI_HS17_2021.csv"
        for head in HEADS:
            path.write_bytes(head + data)
            for name in ("baci", "cow", "oec", "comtrade", "unctad", "table"):
                try:
                    reading = read(name, path)
                except WiError:
                    continue
                assert reading.flows is not None
                FLOWS.conform(reading.flows)


GENERIC_ROW = st.tuples(
    mostly(
        st.sampled_from(["2019", "2020-Q4", "2021-07"]), st.sampled_from(["", "2999", "next year", "2020-Q7", "1400"])
    ),
    mostly(st.sampled_from(["USA", "CHN", "DEU"]), st.sampled_from(["", "ZZZ", "WLD", "EUU"])),
    mostly(st.sampled_from(["FRA", "JPN", "Korea, Rep."]), st.sampled_from(["", "QQ", "World"])),
    mostly(NUMBERS, BAD_NUMBERS),
)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(GENERIC_ROW, min_size=1, max_size=25), ragged=st.booleans())
def test_table_takes_or_gives_back_every_row(lines: list[tuple[str, ...]], ragged: bool) -> None:
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    text = as_csv(["period", "origin", "destination", "value"], lines)
    if ragged:
        text += "2019,USA\n2019,USA,FRA,1,2,3\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text(text)
        try:
            reading = read("table", path)
        except WiError:
            return
        assert reading.flows is not None
        assert reading.flows.height + reading.rejected.height == len(lines) + 2 * ragged
        assert reading.rejected_counts.get("wrong number of cells", 0) == 2 * ragged
        assert set(reading.rejected_counts) <= {str(r) for r in Reason}
        FLOWS.conform(reading.flows)
        # what is taken adds up: each good row's number stands in the file
        first: dict[tuple[str, ...], float] = {}
        names = {"Korea, Rep.": "KOR"}
        for period, origin, destination, value in lines:
            first.setdefault((period, origin, names.get(destination, destination)), number(value) or 0.0)
        for period, origin, destination, value in reading.flows.select(
            "period", "origin", "destination", "value"
        ).rows():
            assert any(
                (number(v) or 0.0) == value
                for p, o, d, v in lines
                if (p, o, names.get(d, d)) == (period, origin, destination)
            )


COW_ROW = st.tuples(
    mostly(st.sampled_from(["2", "20", "200"]), st.sampled_from(["", "9999", "x"])),
    mostly(st.sampled_from(["710", "740", "255"]), st.sampled_from(["", "9999"])),
    mostly(st.sampled_from(["1995", "1996"]), st.sampled_from(["", "1492", "2999"])),
    mostly(NUMBERS, st.sampled_from(["-9", "", "-1", "x", "nan"])),
    mostly(NUMBERS, st.sampled_from(["-9", "", "-1", "x", "nan"])),
)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(COW_ROW, min_size=1, max_size=15))
def test_cow_makes_two_of_every_row(lines: list[tuple[str, ...]]) -> None:
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cow.csv"
        path.write_text(as_csv(["ccode1", "ccode2", "year", "flow1", "flow2"], lines))
        try:
            reading = read("cow", path)
        except WiError:
            return
        assert reading.flows is not None
        assert reading.flows.height + reading.rejected.height == 2 * len(lines)
        FLOWS.conform(reading.flows)

"""Hold a reading against the expectations of its source. Nothing here changes a number.

Hard (reading stops): no period lies in the future or before the source begins; a total that misses its band by the
expectation's `slip` factor, which only a mistaken unit explains. Soft: a figure outside its band. The lower edge of a
band is asked only of input whose reader says it is whole; the upper edge of a *value* band is asked of every input,
because no extract can be larger than the world.
"""

from datetime import date
from itertools import pairwise
from typing import Any

from weaponized_interdependence.sources.declaration import Declaration, Expectation
from weaponized_interdependence.sources.reading import Check, Reading, Severity

# Beyond the years a band was given for it widens by this much a year: trade does not stand still.
WIDENING = 1.10


def check_expectations(declaration: Declaration, reading: Reading) -> tuple[Check, ...]:
    """The checks of one reading: its periods, then each declared expectation."""
    if reading.summary is None or reading.summary.is_empty():
        return ()
    periods: list[dict[str, Any]] = reading.summary.to_dicts()
    checks = [check_periods(declaration, periods)]
    checks += [check_band(expectation, reading.scope, periods) for expectation in declaration.expectations]
    return tuple(checks)


def check_periods(declaration: Declaration, periods: list[dict[str, Any]]) -> Check:
    """Hard: every period lies between the source's first year and this year."""
    first, now = declaration.first_year, date.today().year
    wrong = sorted({p["period"] for p in periods if not first <= int(p["period"][:4]) <= now})
    span = f"{min(p['period'] for p in periods)} to {max(p['period'] for p in periods)}"
    found = f"{', '.join(wrong[:5])}" if wrong else span
    return Check("periods", f"{first} to {now}", found, not wrong, "hard")


def check_band(expectation: Expectation, scope: str, periods: list[dict[str, Any]]) -> Check:
    """One declared band, over all periods of the reading; the worst period decides."""
    whole = not expectation.scope or scope in expectation.scope
    name = {"value": "total value"}.get(expectation.measure, expectation.measure)
    asked = [p for p in periods if not expectation.unit or p["unit"] == expectation.unit]
    if not asked or (not whole and expectation.measure != "value"):
        return Check(name, "not asked", f"the input is {scope}", True, "info")
    worst: tuple[float, str, str] = (1.0, "", "")
    for p in asked:
        low, high = band_of(expectation, int(p["period"][:4]))
        value = float(p[expectation.measure])
        # how far outside, as a factor; 1 is inside
        off = max(
            value / high if high else 1.0, (low / value if value else float("inf")) if whole and low else 1.0, 1.0
        )
        if off > worst[0]:
            edge = f"{low:,.4g} to {high:,.4g}" if whole else f"at most {high:,.4g}"
            worst = (off, f"{value:,.4g} in {p['period']}", edge)
    off, found, expected = worst
    if off > 1.0:
        severity: Severity = "hard" if expectation.measure == "value" and off >= expectation.slip else "soft"
        return Check(name, f"{expected} {expectation.unit}".strip(), found, False, severity)
    low, high = band_of(expectation, int(asked[-1]["period"][:4]))
    expected = f"{low:,.4g} to {high:,.4g}" if whole else f"at most {high:,.4g} (the input is {scope})"
    latest = f"{float(asked[-1][expectation.measure]):,.4g} in {asked[-1]['period']}"
    return Check(name, f"{expected} {expectation.unit}".strip(), latest, True, "soft")


def band_of(expectation: Expectation, year: int) -> tuple[float, float]:
    """(low, high) in a year: interpolated between the years given (by ratio: trade grows so), widened outside them."""
    points = expectation.by_year
    if not points:
        return expectation.low, expectation.high
    if year <= points[0][0] or year >= points[-1][0]:
        given, low, high = points[0] if year <= points[0][0] else points[-1]
        wider = WIDENING ** abs(year - given)
        return low / wider, high * wider
    for (y0, low0, high0), (y1, low1, high1) in pairwise(points):
        if y0 <= year <= y1:
            part = (year - y0) / (y1 - y0)
            return _between(low0, low1, part), _between(high0, high1, part)
    raise AssertionError("years are sorted")


def _between(one: float, two: float, part: float) -> float:
    if one > 0 and two > 0:
        return float(one * (two / one) ** part)
    return one + part * (two - one)

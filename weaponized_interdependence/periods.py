"""Periods: text that sorts in time order (2019, 2019-Q4, 2019-07), and the calendar day a period ends on."""

import re
from datetime import date, timedelta

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.schemas import PERIOD_PATTERN


def last_day(period: str) -> date:
    """The last calendar day of a period: the day on which memberships are looked up.

    >>> last_day("2019"), last_day("2022-Q4"), last_day("2020-02")
    (datetime.date(2019, 12, 31), datetime.date(2022, 12, 31), datetime.date(2020, 2, 29))
    """
    if not re.match(PERIOD_PATTERN, period):
        raise UsageError(f"{period!r} is not a period", mend="write 2019, 2019-Q4 or 2019-07")
    year, month = int(period[:4]), 12
    if "Q" in period:
        month = 3 * int(period[-1])
    elif len(period) == 7:
        month = int(period[-2:])
    following = date(year + month // 12, month % 12 + 1, 1)
    return following - timedelta(days=1)


def first_day(period: str) -> date:
    """The first calendar day of a period.

    >>> first_day("1991"), first_day("2022-Q4"), first_day("2020-02")
    (datetime.date(1991, 1, 1), datetime.date(2022, 10, 1), datetime.date(2020, 2, 1))
    """
    last = last_day(period)
    month = 1 if len(period) == 4 else last.month - 2 if "Q" in period else last.month
    return date(last.year, month, 1)


def year_of(period: str) -> int:
    """The year a period lies in.

    >>> year_of("2022-Q4")
    2022
    """
    return last_day(period).year

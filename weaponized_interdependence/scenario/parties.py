"""Who a name of a scenario stands for on its date."""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from weaponized_interdependence.harmonize.groups import expand


@lru_cache(maxsize=4096)
def members(name: str, on: date) -> tuple[str, ...]:
    """ISO3 codes of one code or group. Remembered: a check, a run and a report ask for the same few names often."""
    return expand([name], on)


def all_members(names: Iterable[str], on: date) -> tuple[str, ...]:
    """Sorted ISO3 codes of several codes or groups.

    >>> all_members(["USMCA", "JPN"], date(2022, 1, 1))
    ('CAN', 'JPN', 'MEX', 'USA')
    """
    return tuple(sorted({code for name in names for code in members(name, on)}))

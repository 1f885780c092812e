"""Numbers that some indicators read and a user may set: each with its default, its range and what it means."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from weaponized_interdependence.errors import Fault, nearest


@dataclass(frozen=True)
class Knob:
    """One number: `least <= value <= most` (or `< most` where `below`); `whole` numbers have no fraction."""

    default: float
    meaning: str
    least: float = 0.0
    most: float = math.inf
    below: bool = False
    whole: bool = False

    @property
    def span(self) -> str:
        """The range in words."""
        kind = "a whole number" if self.whole else "a number"
        top = "" if self.most == math.inf else f" {'and below' if self.below else 'to'} {self.most:g}"
        return f"{kind} from {self.least:g}{top or ' up'}"

    def allows(self, value: float) -> bool:
        """Whether the value is in the range."""
        inside = self.least <= value <= self.most and not (self.below and value == self.most)
        return inside and not (self.whole and value != int(value))


KNOBS: Mapping[str, Knob] = MappingProxyType(
    {
        "damping": Knob(0.85, "PageRank's probability of following a flow", most=1.0, below=True),
        "max_detour": Knob(
            math.inf,
            "how much longer an admissible other chain may be: 1 is twice as long, 0 only equally short ones, inf any",
        ),
    }
)


def chosen(given: Mapping[str, float]) -> dict[str, float]:
    """All knobs, with those given set.

    >>> chosen({"damping": 0.5})["damping"]
    0.5
    """
    return {name: given.get(name, knob.default) for name, knob in KNOBS.items()}


def faults(given: Mapping[str, float], read: frozenset[str]) -> list[Fault]:
    """Everything that is wrong about the knobs given. `read` are those that the indicators asked for read: setting
    another would change nothing, and is a fault.
    """
    found = []
    for name, value in given.items():
        knob = KNOBS.get(name)
        if knob is None:
            like = nearest(name, list(KNOBS)) or list(KNOBS)
            found.append(Fault(f"there is no knob {name}", mend=f"did you mean {', '.join(like)}?"))
        elif isinstance(value, bool) or not isinstance(value, int | float) or not knob.allows(value):
            found.append(Fault(f"{name} is {value}", mend=f"{knob.meaning}; {knob.span}"))
        elif name not in read and value != knob.default:
            mend = "leave it out, or add an indicator that does"
            found.append(Fault(f"{name} is given, but no indicator asked for reads it", mend=mend))
    return found

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
        "budget": Knob(2, "how many nodes or jurisdictions may act together", least=1, most=20, whole=True),
        "damping": Knob(0.85, "PageRank's probability of following a flow", most=1.0, below=True),
        "teleport": Knob(0.0, "probability that a random walker jumps to any node alike", most=1.0, below=True),
        "least_tie": Knob(0.0, "a tie below this share of all value of its item does not count as one", most=1.0),
        "max_detour": Knob(
            math.inf,
            "how much longer an admissible other chain may be: 1 is twice as long, 0 only equally short ones, inf any",
        ),
        "reservation": Knob(
            1.0, "how much more than now, as a share, is still paid before doing without: 1 is twice as much", most=1e6
        ),
        "spare": Knob(0.0, "how much more than its flow a tie could carry, as a share: 0.5 is half more, inf any"),
        "paths": Knob(3, "how many shortest chains a flow is shared over", least=1, most=1000, whole=True),
        "samples": Knob(
            500, "random orders of joining a coalition, where not all can be scored", least=2, most=10_000, whole=True
        ),
        "error": Knob(
            0.01, "how far an interval of a sampled share may reach from its estimate", least=1e-4, most=1.0, below=True
        ),
        "confidence": Knob(
            0.95, "probability that all intervals of a sample hold at once", least=0.5, most=1.0, below=True
        ),
        "seed": Knob(0, "which random numbers are drawn: the same seed draws the same", most=2**32, whole=True),
        "hhi_threshold": Knob(0.4, "a Herfindahl-Hirschman index above this is concentrated", most=1.0),
        "extra_import_threshold": Knob(0.5, "imports from outside above this share of all make dependent", most=1.0),
        "import_export_threshold": Knob(1.0, "imports from outside above this many times exports make dependent"),
        "inside_exports": Knob(
            0.0, "1 counts what members sell each other among an area's exports, 0 does not", most=1.0, whole=True
        ),
        "sigma": Knob(6.0, "assumed elasticity of substitution between sources of goods, services or inputs"),
        "sigma_finance": Knob(1.76, "assumed elasticity of substitution between sources of claims or payments"),
        "rho": Knob(1.36, "assumed elasticity of substitution between items; 1 is Cobb-Douglas", most=1000.0),
        "theta": Knob(5.0, "assumed elasticity of trade shares to trade costs, all sectors together", most=1000.0),
        "elasticity_spread": Knob(
            2.0, "an assumed sigma - 1, rho - 1 or theta is divided and multiplied by this for the band", 1.0, 100.0
        ),
        "rd_intensity": Knob(
            0,
            "R&D intensity from which a sector's value added counts as technology: 0 any, 1 medium-high, 2 high",
            most=2,
            whole=True,
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

"""The scenario file: who coerces whom, with what, when, with which exemptions and assumptions."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from weaponized_interdependence.terms import Layer, MeasureKind

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Band(_Strict):
    """A number with its band: low <= value <= high."""

    low: float
    value: float
    high: float


class Measure(_Strict):
    """One instrument."""

    id: Name
    kind: MeasureKind
    title: str = ""
    layers: tuple[Layer, ...] = ()  # empty: the kind's own layers
    items: tuple[str, ...] = ()  # HS:2709, HS22:854231, SITC:3, WIOD13:c2 ...; empty with no lists and no sectors: all
    lists: tuple[str, ...] = ()  # named product lists: common_high_priority, humanitarian ...
    senders: tuple[str, ...] = ()  # a part of the coalition; empty: all of it
    third_parties: tuple[str, ...] = ()  # kind secondary: who is threatened
    share: Share | Band = 1.0  # part of the named flows that is denied
    rate: Annotated[float, Field(ge=0)] | None = None  # kind tariff
    allowed_share: Share | None = None  # kind quota
    compliance: Share | Band | None = (
        None  # kind secondary: part of the threatened parties' flows that stops; no default
    )
    trade_share: Share | Band | None = None  # financial kinds: part of the target's trade with senders that loses its payment route; no default
    note: str = ""
    source: str = ""


class Exemption(_Strict):
    """Flows that the measures leave alone."""

    items: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    share: Share = 1.0  # part of the flow that is really let through
    note: str = ""


class Phase(_Strict):
    """From `start` on, the named measures are in force."""

    name: Name
    start: date
    measures: tuple[Name, ...]
    note: str = ""


class Assumptions(_Strict):
    """What is chosen, not known. Shown with every result."""

    elasticities: str = "default"  # a set in data/reference/elasticities/, or a path
    over_compliance: Share | Band = Band(low=0.0, value=0.25, high=0.5)


class Scenario(_Strict):
    """A hypothetical: coalition, target, measures, phases, exemptions, assumptions."""

    schema_version: Literal[1] = 1
    name: Name
    title: str
    description: str = ""
    coalition: tuple[str, ...]
    target: tuple[str, ...]
    date: date
    measures: tuple[Measure, ...]
    phases: tuple[Phase, ...] = ()
    humanitarian_exemption: bool = True
    exemptions: tuple[Exemption, ...] = ()
    assumptions: Assumptions = Assumptions()
    sources: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return self

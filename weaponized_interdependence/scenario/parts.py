"""The parts of a scenario, and what each kind of measure needs. Each field's own rule stands here; rules that
compare fields with each other, or with the reference lists, stand in `rules.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from weaponized_interdependence.terms import Layer, MeasureKind

Direction = Literal["sales", "purchases"]  # of the senders: sales run sender -> target, purchases target -> sender

MOST_MEASURES = 200  # far above any real regime; keeps the comparison of every pair of measures cheap
MOST_ITEMS = 5000


def _clean(text: str) -> str:
    # A title is printed to terminals and web pages: escape sequences and other control characters have no place in it.
    if bad := sorted(
        {character for character in text if ord(character) < 32 and character not in "\n\t"} | ({"\x7f"} & {*text})
    ):
        raise ValueError(f"has the control character {bad[0]!r}; take it out")
    return text


def _day(value: Any) -> Any:
    # pydantic would read 20221205 as seconds since 1970 and cut the time off a date-time: both are refused here.
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a date; write the day as 2022-12-05") from None
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError(f"{str(value)[:40]} is not a date; write the day as 2022-12-05, without a time")
    if not 1800 <= value.year <= 2200:
        raise ValueError(f"the year {value.year} is outside 1800 to 2200; correct it")
    return value


def _in_unit(value: "float | Band") -> "float | Band":
    if isinstance(value, Band) and not (value.low >= 0 and value.high <= 1):
        raise ValueError(f"the band {value.low} to {value.high} leaves 0 to 1; a share is a part, 0.25 is 25 per cent")
    return value


def _number_or_band(value: Any) -> str:
    return "<band>" if isinstance(value, Mapping | BaseModel) else "<number>"


def _version(value: Any) -> Any:
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a whole number; write schema_version = 1")
    return value


Version = Annotated[Literal[1], BeforeValidator(_version)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Text = Annotated[str, AfterValidator(_clean)]
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S"), AfterValidator(_clean)]
Citation = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\S"), AfterValidator(_clean)]
Reference = Annotated[
    str, Field(min_length=1, max_length=4096, pattern=r"\S"), AfterValidator(_clean)
]  # a name or a path
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=80)]
Day = Annotated[date, BeforeValidator(_day)]
Parties = Annotated[tuple[Label, ...], Field(max_length=MOST_ITEMS)]
Items = Annotated[tuple[Label, ...], Field(max_length=MOST_ITEMS)]


class Part(BaseModel):
    """Base of every part: unknown keys are faults, nothing changes after it was checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Band(Part):
    """A number that is not known well: low <= value <= high."""

    low: Number
    """Smallest value that could be defended."""
    value: Number
    """Central value."""
    high: Number
    """Largest value that could be defended."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"low {self.low}, value {self.value}, high {self.high} are out of order; write low <= value <= high"
            )
        return self


Share = Annotated[
    Annotated[Fraction, Tag("<number>")] | Annotated[Band, Tag("<band>")],
    Discriminator(_number_or_band),
    AfterValidator(_in_unit),
]


def as_band(share: float | Band) -> Band:
    """A share as a band: a plain number is a band without width.

    >>> as_band(0.5)
    Band(low=0.5, value=0.5, high=0.5)
    """
    return share if isinstance(share, Band) else Band(low=share, value=share, high=share)


class Measure(Part):
    """One instrument. `KINDS` says which fields each kind needs and which have no meaning for it."""

    id: Name
    """Short name of the measure, used by phases and results: small letters, digits, underscore."""
    kind: MeasureKind
    """The instrument."""
    title: Text = ""
    """What a reader sees instead of the id."""
    layers: tuple[Layer, ...] = ()
    """Kinds of tie the measure acts on; left out: those usual for the kind. `inputs` stands in for goods and services
    where the data have neither."""
    items: Items = ()
    """Goods, services or sectors, CLASSIFICATION:code with any number of digits (HS:2709, HS22:854231, SITC:3,
    WIOD13:c2). Name several classifications to make the file fit several data sets: those of the data apply.
    Left out, with no lists: everything."""
    lists: tuple[Reference, ...] = ()
    """Named product lists (common_high_priority, humanitarian ...) or the path of a CSV, relative to this file."""
    senders: Parties = ()
    """The members of the coalition that apply it, codes or groups; left out: all."""
    third_parties: Parties = ()
    """Kind secondary: who is threatened, codes or groups."""
    share: Share = 1.0
    """Part of the named flows that is denied, 0 to 1, or a band { low, value, high }."""
    rate: Annotated[Number, Field(ge=0)] | None = None
    """Kind tariff: the added ad valorem duty; 0.25 is 25 per cent."""
    allowed_share: Fraction | None = None
    """Kind quota: part of the baseline value that is still let in."""
    compliance: Share | None = None
    """Kind secondary: part of the threatened parties' flows with the target that stops. There is no default."""
    trade_share: Share | None = None
    """Messaging disconnection and correspondent denial: part of the target's trade with the senders that loses its
    payment route. There is no default: left out, no effect on trade is computed, and the result says so."""
    overlaps: tuple[Name, ...] = ()
    """Ids of measures that reach the same flows on purpose: denied shares then combine as 1 - (1 - a)(1 - b)."""
    note: Text = ""
    """What is assumed, and why."""
    source: Text = ""
    """Legal act or publication the measure follows."""

    @property
    def affected_layers(self) -> tuple[Layer, ...]:
        """The layers named, else those usual for the kind."""
        return self.layers or KINDS[self.kind].layers


class Exemption(Part):
    """Flows that the measures leave alone. What is named narrows: items *and* parties *and* layers must fit."""

    items: Items = ()
    """Items that stay allowed, as in a measure."""
    lists: tuple[Reference, ...] = ()
    """Named product lists that stay allowed."""
    parties: Parties = ()
    """Senders or third parties whose flows stay allowed, codes or groups; left out: everyone's."""
    layers: tuple[Layer, ...] = ()
    """Kinds of tie that stay allowed; left out: all."""
    share: Fraction = 1.0
    """Part of those flows that is really let through, 0 to 1."""
    note: Text = ""
    """Why, and what is assumed."""


class Phase(Part):
    """From `start` until the next phase starts, exactly the measures it names are in force."""

    name: Name
    """Short name, shown in results."""
    start: Day
    """First day, written 2022-12-05."""
    measures: Annotated[tuple[Name, ...], Field(max_length=MOST_MEASURES)]
    """Ids of all measures in force in this phase: those of an earlier phase that go on are named again. An empty list
    in a later phase lifts everything: the off-ramp is taken."""
    note: Text = ""
    """What changes with this phase."""


class Assumptions(Part):
    """What is chosen, not known. Shown with every result."""

    elasticities: Reference = "default"
    """Set of trade elasticities: a name in data/reference/elasticities, or a path relative to this file."""
    over_compliance: Share = Band(low=0.0, value=0.25, high=0.5)
    """Part of exempt flows that stops all the same, because banks, shippers and sellers keep away."""


@dataclass(frozen=True)
class KindRule:
    """What a kind of measure acts on and which fields it takes."""

    layers: tuple[Layer, ...]  # where the measure names none
    allowed: tuple[Layer, ...]
    stops: frozenset[Direction]
    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field with a meaning for the kind."""
        return ("id", "kind", "title", "layers", *self.required, *self.optional, "overlaps", "note", "source")


_SALES: frozenset[Direction] = frozenset({"sales"})
_PURCHASES: frozenset[Direction] = frozenset({"purchases"})
_BOTH = _SALES | _PURCHASES
_TRADE = (Layer.GOODS, Layer.SERVICES, Layer.INPUTS)
_STOCKS = (Layer.CLAIMS, Layer.OWNERSHIP)
_FINANCE = (Layer.PAYMENTS, Layer.CLAIMS)  # claims: those that can no longer be serviced
_NAMED = ("senders", "items", "lists", "share")
_BY_BANK = ("senders", "share", "trade_share")

KINDS: dict[MeasureKind, KindRule] = {
    MeasureKind.COMPREHENSIVE_EMBARGO: KindRule((*_TRADE, *_FINANCE), tuple(Layer), _BOTH, (), ("senders", "share")),
    MeasureKind.EXPORT_BAN: KindRule(_TRADE, _TRADE, _SALES, (), _NAMED),
    MeasureKind.IMPORT_BAN: KindRule(_TRADE, _TRADE, _PURCHASES, (), _NAMED),
    MeasureKind.TARIFF: KindRule(_TRADE, _TRADE, _PURCHASES, ("rate",), ("senders", "items", "lists")),
    MeasureKind.QUOTA: KindRule(_TRADE, _TRADE, _PURCHASES, ("allowed_share",), ("senders", "items", "lists")),
    MeasureKind.EXPORT_CONTROL: KindRule(_TRADE, _TRADE, _SALES, (), _NAMED),
    # Claims run creditor -> debtor: what the target holds abroad is target -> sender, what it is lent sender -> target.
    MeasureKind.ASSET_FREEZE: KindRule((Layer.CLAIMS,), _STOCKS, _PURCHASES, (), ("senders", "items", "share")),
    MeasureKind.MESSAGING_DISCONNECTION: KindRule(_FINANCE, _FINANCE, _BOTH, (), _BY_BANK),
    MeasureKind.CORRESPONDENT_DENIAL: KindRule(_FINANCE, _FINANCE, _BOTH, (), _BY_BANK),
    MeasureKind.INVESTMENT_BAN: KindRule((Layer.CLAIMS,), _STOCKS, _SALES, (), ("senders", "items", "share")),
    MeasureKind.SECONDARY: KindRule(
        _TRADE, tuple(Layer), _BOTH, ("third_parties", "compliance"), ("senders", "items", "lists")
    ),
}

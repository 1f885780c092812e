"""What the text of a scenario does to the flows: one SHOCK row for every flow that a measure touches.

A measure is turned into *legs* (who sells to whom, on which layers, what share stops), the legs are laid over the
flows that have the target at one end, and the shares are combined:

    denied    = (1 - e) [1 - prod_m (1 - s_m)]                       what the text stops, after exemptions
    effective = denied + e [1 - (1 - d_pay)(1 - o)]                  what stops in fact

with e the exempt share of the flow, s_m the share that measure m denies, d_pay the part of `prod` that comes from
payment denial, and o over-compliance. The models use `denied`; `effective` feeds the humanitarian rows only.

A claim is a stock: most measures stop new ones, or their payment, which data on outstanding claims do not show. Only
what blocks the claim itself (BLOCKING) takes it out of its owner's hands: `blocked`, combined like `denied`.

A share that is chosen makes the row `assumed`: a share below one or with a band, a compliance, a trade share, the share
of an exemption. What a text lays down (a quota, a duty, a full ban) is the question, not an assumption in its answer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.harmonize.groups import expand
from weaponized_interdependence.harmonize.products import match_items, match_list, product_list, split_item
from weaponized_interdependence.scenario import KINDS, Band, Exemption, Measure, Phase, Scenario, as_band
from weaponized_interdependence.schemas import FLOWS, Column, Table
from weaponized_interdependence.sums import steady_sum
from weaponized_interdependence.terms import Basis, Layer, MeasureKind, Role

Shares = npt.NDArray[np.float64]  # (3, rows): low, value, high

CASES = ("low", "value", "high")
TRADE = (Layer.GOODS, Layer.SERVICES)
BLOCKING = (MeasureKind.ASSET_FREEZE, MeasureKind.COMPREHENSIVE_EMBARGO)

_TEXT, _NUMBER = pl.String, pl.Float64
SHOCK = Table(
    "SHOCK",
    "what the measures in force in one phase do to one flow",
    (
        Column("phase", _TEXT, "name of the phase", key=True),
        Column("period", _TEXT, "period of the flow", key=True),
        Column("layer", _TEXT, "layer of the flow", key=True, vocabulary=Layer),
        Column("origin", _TEXT, "where the flow starts", key=True),
        Column("destination", _TEXT, "where the flow ends", key=True),
        Column("item", _TEXT, "item of the flow", key=True),
        Column("value", _NUMBER, "flow before the measures", unit="see column unit"),
        Column("denied_low", _NUMBER, "share the text stops, low", unit="0 to 1"),
        Column("denied", _NUMBER, "share the text stops, after exemptions", unit="0 to 1"),
        Column("denied_high", _NUMBER, "share the text stops, high", unit="0 to 1"),
        Column("effective_low", _NUMBER, "share that stops in fact, low", unit="0 to 1"),
        Column("effective", _NUMBER, "stops in fact, with payment denial and over-compliance", unit="0 to 1"),
        Column("effective_high", _NUMBER, "share that stops in fact, high", unit="0 to 1"),
        Column("blocked_low", _NUMBER, "share of an outstanding claim its owner loses, low", unit="0 to 1"),
        Column("blocked", _NUMBER, "share of an outstanding claim its owner loses access to", unit="0 to 1"),
        Column("blocked_high", _NUMBER, "share of an outstanding claim its owner loses, high", unit="0 to 1"),
        Column("tariff", _NUMBER, "ad valorem duty added, after exemptions", unit="share of the price"),
        Column("exempt", _NUMBER, "share of the flow that the text lets through", unit="0 to 1"),
        Column("humanitarian", pl.Boolean, "on the humanitarian list; null: items cannot be looked up", nullable=True),
        Column("measures", _TEXT, "ids of the measures that touch the flow, in order"),
        Column("origin_role", _TEXT, "who the origin is", vocabulary=Role),
        Column("destination_role", _TEXT, "who the destination is", vocabulary=Role),
        Column("unit", _TEXT, "unit of value"),
        Column("basis", _TEXT, "weakest basis of the flow and of the shares laid on it", vocabulary=Basis),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Parties:
    """Who is who on the day of the scenario, as sorted ISO3 codes."""

    senders: tuple[str, ...]
    target: tuple[str, ...]

    def role(self, economy: pl.Expr) -> pl.Expr:
        """The role of each economy: target, sender or third_party."""
        return (
            pl.when(economy.is_in(list(self.target)))
            .then(pl.lit(Role.TARGET.value))
            .when(economy.is_in(list(self.senders)))
            .then(pl.lit(Role.SENDER.value))
            .otherwise(pl.lit(Role.THIRD_PARTY.value))
        )


def parties_of(scenario: Scenario) -> Parties:
    """Coalition and target, groups expanded on the scenario's date (that they are apart, the scenario has checked)."""
    return Parties(tuple(sorted(scenario.senders())), tuple(sorted(scenario.targets())))


@dataclass(frozen=True)
class Shock:
    """SHOCK rows of one phase, what could not be applied, and which measures found nothing."""

    table: pl.DataFrame
    notes: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Leg:
    """One direction of one measure: a share denied, or a duty, on flows from some to others."""

    layers: tuple[Layer, ...]
    origins: tuple[str, ...]
    destinations: tuple[str, ...]
    share: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tariff: float = 0.0
    payment: bool = False  # stops because it cannot be paid for, whatever the text exempts
    blocks: bool = False  # an existing claim is lost to its owner, not only new ones refused
    chosen: bool = False  # the share is an assumption about the world, not the text of the measure


def build_shock(
    scenario: Scenario,
    phase: Phase,
    flows: pl.DataFrame,
    parties: Parties,
    *,
    wider: Mapping[str, str | None] | None = None,
) -> Shock:
    """Lay the measures in force in `phase` over `flows` (FLOWS of one period a layer).

    `wider`: item -> the wider item (a sector) it belongs to; a measure that names either meets the item, once.

    Returns the SHOCK rows (every flow touched by at least one measure, also those wholly exempt), notes on what could
    not be applied, and the ids of the measures that match no flow at all. Nothing is substituted here.
    """
    ends = [*parties.target]
    touched = flows.filter(
        (pl.col("value") > 0)
        & (pl.col("origin") != pl.col("destination"))
        & (pl.col("origin").is_in(ends) | pl.col("destination").is_in(ends))
    )
    touched = _once(touched)
    claims = touched["layer"].is_in([Layer.CLAIMS.value]).to_numpy()
    present = tuple(Layer(name) for name in flows["layer"].unique().sort())
    items, row_item = _distinct(touched["item"])
    sectors = _wider(items, wider)
    notes: list[str] = []
    kept = np.ones((3, touched.height))  # share that survives every denial so far
    paid = np.ones((3, touched.height))  # share that survives payment denial alone
    held = np.ones((3, touched.height))  # share of a claim that stays in its owner's hands
    chosen = np.zeros(touched.height, dtype=bool)
    duty = np.zeros(touched.height)
    hits: dict[str, npt.NDArray[np.bool_]] = {}
    for measure in scenario.measures_in(phase):
        wanted = _item_mask(measure.id, measure.items, measure.lists, items, notes, sectors)[row_item]
        hit = np.zeros(touched.height, dtype=bool)
        for leg in _legs(scenario, measure, present, notes):
            mask = wanted & _mask(touched, leg)
            share = np.asarray(leg.share)[:, None]
            kept[:, mask] *= 1 - share
            if leg.payment:
                paid[:, mask] *= 1 - share
            if leg.blocks:
                held[:, mask & claims] *= 1 - share
            chosen |= mask & leg.chosen
            duty[mask] += leg.tariff
            hit |= mask
        if (hit & claims).any() and measure.kind not in BLOCKING:
            notes.append(
                f"measure {measure.id}: a {measure.kind.replace('_', ' ')} does not take outstanding claims from their "
                "owner; the data hold no new claims, so what it reaches is shown as denied value, never as a loss"
            )
        hits[measure.id] = hit
    exempt, humanitarian = _exempt(scenario, touched, items, row_item, notes)
    chosen |= (exempt > 0) & (exempt < 1)
    over = np.asarray(band(scenario.assumptions.over_compliance))[:, None]
    denied = (1 - exempt) * (1 - kept)
    # A flow that no measure would have stopped frightens no bank: over-compliance needs a denial to comply with.
    chilled = np.where(kept < 1, 1 - paid * (1 - over), 0.0)
    table = touched.with_columns(
        pl.lit(phase.name).alias("phase"),
        *(pl.Series(_named("denied", case), denied[k]) for k, case in enumerate(CASES)),
        *(pl.Series(_named("effective", case), (denied + exempt * chilled)[k]) for k, case in enumerate(CASES)),
        *(pl.Series(_named("blocked", case), ((1 - exempt) * (1 - held))[k]) for k, case in enumerate(CASES)),
        pl.Series("tariff", (1 - exempt) * duty),
        pl.Series("exempt", exempt),
        humanitarian,
        _listed(hits, touched.height),
        pl.when(pl.Series(chosen)).then(pl.lit(Basis.ASSUMED.value)).otherwise(pl.col("basis")).alias("basis"),
        parties.role(pl.col("origin")).alias("origin_role"),
        parties.role(pl.col("destination")).alias("destination_role"),
    ).select(list(SHOCK.schema))
    anywhere = np.any(list(hits.values()), axis=0) if hits else np.zeros(touched.height, dtype=bool)
    unmatched = tuple(name for name, hit in hits.items() if not hit.any())
    table = table.filter(pl.Series(anywhere)).sort(SHOCK.key)
    return Shock(table, tuple(dict.fromkeys(notes)), unmatched)


def humanitarian_imports(flows: pl.DataFrame, parties: Parties) -> pl.DataFrame:
    """The target's imports of goods on the humanitarian list, from everyone: the base of the humanitarian shares."""
    goods = flows.filter(
        (pl.col("layer") == Layer.GOODS.value)
        & pl.col("destination").is_in(list(parties.target))
        & (pl.col("origin") != pl.col("destination"))
    )
    items, row_item = _distinct(goods["item"])
    listed, _ = _humanitarian(items)
    return goods.filter(pl.Series(listed[row_item]))


def band(share: float | Band | None) -> tuple[float, float, float]:
    """(low, value, high) of a share that may be one number or a band; none is no share at all."""
    full = as_band(0.0 if share is None else share)
    return full.low, full.value, full.high


def weakest_basis() -> pl.Expr:
    """Aggregation: the weakest basis of the rows of a group, as `terms.weakest` for one."""
    return _basis(_rank("basis").max()).alias("basis")


def weakest_of(*columns: str) -> pl.Expr:
    """The weakest of several basis columns, row by row."""
    return _basis(pl.max_horizontal(_rank(column) for column in columns))


# Bases from the strongest to the weakest are 0, 1, 2. Chains of when/then: `replace_strict` inside an aggregation gives
# nulls in polars before 2.
def _rank(column: str) -> pl.Expr:
    return pl.coalesce(pl.when(pl.col(column) == str(b)).then(pl.lit(n)) for n, b in enumerate(Basis))


def _basis(rank: pl.Expr) -> pl.Expr:
    return pl.coalesce(pl.when(rank == n).then(pl.lit(str(b))) for n, b in enumerate(Basis))


def classifications(items: Iterable[str]) -> tuple[str, ...]:
    """The classifications that `items` are written in, for messages."""
    return tuple(sorted({split_item(item)[0] for item in items}))


def trade_layers(flows: pl.DataFrame) -> list[str]:
    """The layers that are trade in these flows: goods and services, or inputs where both are absent."""
    present = set(flows["layer"].unique())
    trade = [layer.value for layer in TRADE if layer.value in present]
    return trade or [Layer.INPUTS.value]


# ---- measures to legs -------------------------------------------------------------------------------------------


def _legs(scenario: Scenario, measure: Measure, present: Sequence[Layer], notes: list[str]) -> list[_Leg]:
    """The directions, layers and shares of one measure; which of them a kind has is said once, in scenario KINDS."""
    kind, target = measure.kind, scenario.targets()
    threatened = kind is MeasureKind.SECONDARY
    others = scenario.third_parties(measure) if threatened else scenario.senders(measure)
    ways = {"sales": (others, target), "purchases": (target, others)}
    layers = _present(measure.affected_layers, present)
    by_bank = kind in (MeasureKind.MESSAGING_DISCONNECTION, MeasureKind.CORRESPONDENT_DENIAL)
    match kind:
        case MeasureKind.TARIFF:
            share, tariff = band(0.0), measure.rate or 0.0
        case MeasureKind.QUOTA:
            share, tariff = band(1 - (measure.allowed_share or 0.0)), 0.0
        case MeasureKind.SECONDARY:
            share, tariff = band(measure.compliance), 0.0
        case _:
            share, tariff = band(measure.share), 0.0
    stops = sorted(KINDS[kind].stops)
    chosen = threatened or (kind not in (MeasureKind.TARIFF, MeasureKind.QUOTA) and share != (1.0, 1.0, 1.0))
    blocks = kind in BLOCKING
    legs = [_Leg(layers, *ways[way], share, tariff, by_bank, blocks, chosen) for way in stops]
    if by_bank and measure.trade_share is not None:
        trade = _present(TRADE, present)
        legs += [_Leg(trade, *ways[way], band(measure.trade_share), payment=True, chosen=True) for way in stops]
    elif by_bank:
        notes.append(
            f"measure {measure.id}: its effect on trade is not computed, because no trade_share (part of the trade "
            "that loses its payment route) is given and no defensible default is known"
        )
    if kind is MeasureKind.EXPORT_CONTROL:
        notes.append(
            f"measure {measure.id}: an export control may reach foreign-made goods; that needs a table of legal "
            "reach (CONTROLS) and is not counted here"
        )
    return legs


def _present(layers: Sequence[Layer], present: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers that count here: inputs are a part of goods and services, and stand in only where both are absent."""
    if any(layer in present for layer in TRADE):
        return tuple(layer for layer in layers if layer is not Layer.INPUTS)
    return (*layers, Layer.INPUTS) if set(layers) & set(TRADE) else tuple(layers)


# ---- masks ------------------------------------------------------------------------------------------------------


def _mask(flows: pl.DataFrame, leg: _Leg) -> npt.NDArray[np.bool_]:
    return flows.select(
        pl.col("layer").is_in([layer.value for layer in leg.layers])
        & pl.col("origin").is_in(list(leg.origins))
        & pl.col("destination").is_in(list(leg.destinations))
    ).to_series().to_numpy()  # fmt: skip


def _once(flows: pl.DataFrame) -> pl.DataFrame:
    """Repeated keys summed: a shock has one row a flow."""
    if flows.select(pl.struct(FLOWS.key).n_unique()).item() == flows.height:
        return flows
    summed = flows.group_by(FLOWS.key, maintain_order=True)
    return summed.agg(steady_sum("value"), pl.col("unit").first(), weakest_basis())


def _distinct(items: pl.Series) -> tuple[pl.Series, npt.NDArray[np.int64]]:
    """The distinct items, and for each row the position of its item: patterns are then matched once an item."""
    distinct = items.unique().sort()
    position = pl.DataFrame({"item": distinct}).with_row_index("at")
    at = pl.DataFrame({"item": items}).join(position, on="item", how="left", maintain_order="left")["at"]
    return distinct, at.to_numpy().astype(np.int64)


def _wider(items: pl.Series, wider: Mapping[str, str | None] | None) -> pl.Series | None:
    """The wider item of each item; one without any is its own."""
    if wider is None:
        return None
    return pl.Series("item", [wider.get(item) or item for item in items], dtype=pl.String)


def _item_mask(
    who: str,
    patterns: Sequence[str],
    lists: Sequence[str],
    items: pl.Series,
    notes: list[str],
    sectors: pl.Series | None = None,
) -> npt.NDArray[np.bool_]:
    """Which items (or the sectors they belong to) fit a pattern or stand on a list; all of them where neither is named.

    Remarks go to `notes`.
    """
    if not patterns and not lists:
        return np.ones(len(items), dtype=bool)
    match = match_items(items, patterns)
    mask = match.mask.to_numpy()
    if sectors is not None:
        mask = mask | match_items(sectors, patterns).mask.to_numpy()
    # A file names items in several classifications to fit several data sets: that some find nothing is no remark here.
    notes.extend(f"{who}: {fault}" for fault in (match.edition_faults if mask.any() else match.faults))
    for name in lists:
        listed, said = _list_mask(name, items)
        notes.extend(f"{who}: {text}" for text in said)
        mask = mask | listed
    return mask


def _list_mask(name: str, items: pl.Series, *, predecessors: bool = False) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which items are on a product list, and what of the list these items cannot show."""
    match = match_list(product_list(name), items, predecessors=predecessors)
    return match.mask.to_numpy(), [str(fault) for fault in match.faults]


def _humanitarian(items: pl.Series) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Items on the humanitarian list. In an older edition the wider goods that a code came from count too: to miss half
    of the list would show food and medicine as banned that no text bans.
    """
    return _list_mask("humanitarian", items, predecessors=True)


def _is_hs6(item: str) -> bool:
    classification, code = split_item(item)
    return classification.startswith("HS") and len(code) == 6


def _exempt(
    scenario: Scenario, flows: pl.DataFrame, items: pl.Series, row_item: npt.NDArray[np.int64], notes: list[str]
) -> tuple[npt.NDArray[np.float64], pl.Series]:
    """Exempt share of each flow, and whether its item is humanitarian (null where that cannot be known)."""
    share = np.zeros(flows.height)
    goods = (flows["layer"] == Layer.GOODS.value).to_numpy()
    on_list, said = _humanitarian(items)
    listed = on_list[row_item] & goods
    known = any(_is_hs6(item) for item in items)
    if scenario.humanitarian_exemption:
        if goods.any() and not known:
            said = ["it cannot be applied, nothing is exempted by it: " + text for text in said]
        notes.extend(f"humanitarian exemption: {text}" for text in said if goods.any())
        share = np.maximum(share, listed)
    for number, exemption in enumerate(scenario.exemptions, 1):
        who = f"exemption {number}"
        mask = _item_mask(who, exemption.items, exemption.lists, items, notes)[row_item]
        mask &= _exemption_ends(exemption, flows, scenario.date)
        if not mask.any():
            notes.append(f"{who} matches no flow of the target in the data")
        share = np.where(mask, np.maximum(share, exemption.share), share)
    flag = listed if known else [None] * flows.height
    return share, pl.Series("humanitarian", flag, dtype=pl.Boolean)


def _exemption_ends(exemption: Exemption, flows: pl.DataFrame, on: date) -> npt.NDArray[np.bool_]:
    layers = [layer.value for layer in exemption.layers or Layer]
    fits = pl.col("layer").is_in(layers)
    if exemption.parties:
        named = list(expand(exemption.parties, on))
        fits &= pl.col("origin").is_in(named) | pl.col("destination").is_in(named)
    return flows.select(fits).to_series().to_numpy()


def _listed(hits: dict[str, npt.NDArray[np.bool_]], height: int) -> pl.Series:
    names = pl.DataFrame({name: pl.Series(hit) for name, hit in hits.items()}) if hits else pl.DataFrame()
    if not names.width:
        return pl.Series("measures", [""] * height, dtype=pl.String)
    each: Callable[[str], pl.Expr] = lambda name: pl.when(pl.col(name)).then(pl.lit(name))  # noqa: E731
    return names.select(
        pl.concat_str([each(n) for n in names.columns], separator=",", ignore_nulls=True).alias("measures")
    ).to_series()


def _named(stem: str, case: str) -> str:
    return stem if case == "value" else f"{stem}_{case}"

"""The closed vocabularies of the tool. Each word has one owner and one meaning, said here and shown by `wi explain`."""

from enum import StrEnum


class Term(StrEnum):
    """A word of a closed vocabulary that carries its own meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> "Term":  # noqa: D102
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class Basis(Term):
    """How a number came to be known. Mixed inputs take the weakest: observed > estimated > assumed."""

    OBSERVED = "observed", "reported by a publisher and only re-told here"
    ESTIMATED = "estimated", "computed from observed numbers by a stated method"
    ASSUMED = "assumed", "chosen; a different choice would be as defensible"


class Layer(Term):
    """One kind of tie between economies."""

    GOODS = "goods", "merchandise that moves origin -> destination; the route is direct"
    SERVICES = "services", "services sold origin -> destination; the route is direct"
    INPUTS = "inputs", "intermediate inputs origin -> destination; routes are production paths"
    CLAIMS = "claims", "outstanding claims: origin (creditor) -> destination (debtor)"
    PAYMENTS = "payments", "payments origin (payer) -> destination (payee); routes are correspondent chains"
    OWNERSHIP = "ownership", "origin owns a share of destination"


class Role(Term):
    """Who a party is in a scenario."""

    TARGET = "target", "whom the measures are aimed at"
    SENDER = "sender", "a member of the coalition"
    COALITION = "coalition", "all senders together"
    THIRD_PARTY = "third_party", "everyone else"
    WORLD = "world", "all parties together"


class Panel(Term):
    """The sides of the scale."""

    PRESSURE = "pressure", "loss of the target"
    COLLATERAL = "collateral", "loss of the senders themselves and of the target's civilians"
    THIRD_PARTIES = "third_parties", "loss or gain of everyone else"


class MeasureKind(Term):
    """One instrument of coercion."""

    COMPREHENSIVE_EMBARGO = "comprehensive_embargo", "no trade in either direction, on every layer named"
    EXPORT_BAN = "export_ban", "senders stop selling named items or sectors to the target"
    IMPORT_BAN = "import_ban", "senders stop buying named items or sectors from the target"
    TARIFF = "tariff", "ad valorem duty on senders' imports from the target (0.25 = 25 per cent)"
    QUOTA = "quota", "ceiling on senders' imports from the target, as a share of baseline value that is still let in"
    EXPORT_CONTROL = (
        "export_control",
        "licence requirement on senders' sales; `share` is the part refused; may reach foreign-made goods",
    )
    ASSET_FREEZE = "asset_freeze", "senders block the target's claims on them: a stock, not a flow"
    MESSAGING_DISCONNECTION = "messaging_disconnection", "the target's banks lose the messaging network"
    CORRESPONDENT_DENIAL = "correspondent_denial", "senders' banks close correspondent accounts of the target's banks"
    INVESTMENT_BAN = "investment_ban", "senders stop new claims on the target"
    SECONDARY = (
        "secondary",
        "third parties that deal with the target are threatened with loss of the senders' market or finance",
    )


class PhaseChange(Term):
    """What a phase of a scenario does to what was in force before it."""

    IMPOSE = "impose", "measures come into force where none were"
    TIGHTEN = "tighten", "all that was in force goes on, and more comes"
    EASE = "ease", "a part of what was in force goes on"
    LIFT = "lift", "nothing is in force any longer: the off-ramp is taken"
    SNAP_BACK = "snap_back", "what had been lifted comes back"
    PROLONG = "prolong", "the same measures go on"
    REPLACE = "replace", "some measures go, others come"


class Channel(Term):
    """The way a measure reaches a party."""

    IMPORTS = "imports", "goods or services the party can no longer buy, or buys dearer"
    EXPORTS = "exports", "goods or services the party can no longer sell, or sells cheaper"
    UPSTREAM = "upstream", "output lost because customers buy less (Leontief)"
    DOWNSTREAM = "downstream", "output lost because inputs are missing (Ghosh)"
    EXTRACTION = (
        "extraction",
        "value added lost when the denied flows are taken out of the table (hypothetical extraction)",
    )
    CLAIMS = "claims", "claims the measures reach; a loss only where blocked: the creditor's loss of access to a stock"
    PAYMENTS = "payments", "payments that lose their route"
    REVENUE = "revenue", "tariff revenue: what the levying party collects counts against its loss"
    ALL = "all", "all channels of the model together"


class ReachKind(Term):
    """How a jurisdiction has a grip on a node."""

    TERRITORY = "territory", "the node is seated there"
    OWNERSHIP = "ownership", "those seated there own enough of it"
    CURRENCY = "currency", "it pays and is paid in that currency, which clears there"
    TECHNOLOGY = "technology", "its exports hold value added or technology from there"


class Metric(Term):
    """What an IMPACTS row measures. Losses are positive, gains negative, and neither is clipped."""

    BASELINE_VALUE = "baseline_value", "flow before the measure"
    DENIED_VALUE = "denied_value", "flow that the measures stop, at baseline value, before anyone substitutes"
    LOSS = "loss", "loss of the party, in money; negative is a gain"
    OUTPUT_LOSS = "output_loss", "gross output lost, in money; value added is the part of it that is a loss"
    LOSS_GDP = "loss_gdp", "loss as a share of the party's GDP; negative is a gain"
    LOSS_RATIO = (
        "loss_ratio",
        "loss of the target in money for each unit of money the coalition loses; absent where equal by construction",
    )
    LOSS_GDP_RATIO = (
        "loss_gdp_ratio",
        "loss of the target as a share of GDP, over loss of the coalition as a share of its GDP",
    )
    REAL_INCOME_LOSS = (
        "real_income_loss",
        "real income lost as a share of income before, 1 - (income change / price index change); negative is a gain",
    )
    REAL_WAGE_LOSS = "real_wage_loss", "real wage lost as a share of the wage before; negative is a gain"
    PRICE_INDEX_CHANGE = (
        "price_index_change",
        "change of the price of what the party's households buy, against world value added; positive is dearer",
    )
    HUMANITARIAN_PRICE_CHANGE = (
        "humanitarian_price_change",
        "change of what the target pays in the sectors of its humanitarian imports, against world value added",
    )
    TERMS_OF_TRADE_LOSS = (
        "terms_of_trade_loss",
        "first-order loss through dearer imports and cheaper exports; a decomposition, not the exact real income loss",
    )
    VOLUME_OF_TRADE_LOSS = (
        "volume_of_trade_loss",
        "first-order loss of tariff revenue through smaller imports; a decomposition, not the exact real income loss",
    )
    OUTPUT_LOSS_SHARE = "output_loss_share", "gross output lost as a share of output before; negative is a gain"
    UNMET_DEMAND = (
        "unmet_demand",
        "final demand of the party that nobody serves, in money; not to be added to what it does not earn",
    )
    HUMANITARIAN_BANNED_SHARE = (
        "humanitarian_banned_share",
        "share of the target's humanitarian imports that the text of the measures bans",
    )
    HUMANITARIAN_EFFECTIVE_SHARE = (
        "humanitarian_effective_share",
        "share of the target's humanitarian imports that stops once payment denial and over-compliance are counted",
    )


class Benchmark(Term):
    """What the measures of a coalition are held against (Chowdhry, Hinz, Kamin and Wanner 2024)."""

    ACTUAL = "actual", "the measures, by the coalition"
    HORIZONTAL = "horizontal", "the measures, by every economy"
    VERTICAL = "vertical", "an embargo, by the coalition"
    AUTARKY = "autarky", "an embargo, by every economy"


class CoalitionPart(Term):
    """Which question of `wi coalition` a row answers."""

    BENCHMARKS = "benchmarks", "what the target loses, against what it could be made to lose"
    MEMBERS = "members", "what each member adds to the target's loss, and loses itself"
    TRANSFERS = "transfers", "what members pay each other for all to lose the same share of income"
    GREEDY = "greedy", "a coalition built one member at a time, by payoff; not the best there is"


class CoalitionMetric(Term):
    """What a COALITIONS row measures. Losses are positive, gains negative, and neither is clipped."""

    TARGET_LOSS = "target_loss", "loss of the targets together, in money"
    TARGET_LOSS_SHARE = "target_loss_share", "loss of the targets together, of their income before"
    COALITION_LOSS = (
        "coalition_loss",
        "loss of the coalition's members together, in money; of a greedy coalition, of those who have joined",
    )
    OTHERS_LOSS = "others_loss", "loss of all who are neither target nor in the coalition, in money"
    WORLD_LOSS = "world_loss", "loss of all economies together, in money"
    PAYOFF = (
        "payoff",
        "money the target loses for each unit of money lost by all who lay the measures; none where they do not lose",
    )
    REALISED = "realised", "the target's loss under the actual measures, of its loss under the benchmark"
    MULTILATERAL = "multilateral", "what a member adds: the target's loss with all members less that without this one"
    MULTILATERAL_SHARE = "multilateral_share", "what a member adds, of the target's income before"
    UNILATERAL = "unilateral", "the target's loss when this member acts alone, in money"
    UNILATERAL_SHARE = "unilateral_share", "the target's loss when this member acts alone, of its income before"
    OWN_LOSS = "own_loss", "loss of the member in the whole coalition, in money"
    OWN_LOSS_SHARE = "own_loss_share", "loss of the member in the whole coalition, of its income before"
    ALONE_LOSS = "alone_loss", "loss of the member when it acts alone, in money"
    PAYOFF_ALONE = (
        "payoff_alone",
        "money the target loses for each unit of money the member loses, acting alone; none where it does not lose",
    )
    GINI = (
        "gini",
        "inequality of the members' losses as shares of income: 0 where all lose the same; none where a member gains",
    )
    TRANSFER = "transfer", "money the member receives; negative where it pays"
    LOSS_SHARE_BEFORE = "loss_share_before", "loss of the member before transfers, of its income before the measures"
    LOSS_SHARE_AFTER = "loss_share_after", "loss of the member after transfers, of its income before the measures"


class Move(Term):
    """What became of a node between two rankings."""

    UP = "up", "nearer to rank 1 than before"
    DOWN = "down", "farther from rank 1 than before"
    SAME = "same", "the same rank as before"
    ENTERED = "entered", "ranked after and not before"
    LEFT = "left", "ranked before and not after"


class Horizon(Term):
    """How long after the measure."""

    SHORT = "short", "up to one year: suppliers are hard to replace"
    MEDIUM = (
        "medium",
        "two to six years: elasticities between short and long (geometric mean of theta), assumed",
    )
    LONG = "long", "seven to ten years: suppliers are replaced as published long-run elasticities say"
    NONE = "none", "the model has no time in it"


HORIZONS = (Horizon.SHORT, Horizon.MEDIUM, Horizon.LONG)  # those that are a time, in its order


def weakest(*bases: str) -> Basis:
    """The basis of a number computed from numbers of these bases.

    >>> weakest("observed", "assumed", "estimated").value
    'assumed'
    """
    order = list(Basis)
    return order[max((order.index(Basis(b)) for b in bases), default=0)]

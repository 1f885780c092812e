"""Every indicator by name, what each means in words, and the page of the documentation that says so.

A new indicator is one decorated function in a file of its family, imported here.
"""

from weaponized_interdependence.errors import UsageError, nearest
from weaponized_interdependence.indicators.base import REGISTERED, Indicator
from weaponized_interdependence.indicators.denial import (  # noqa: F401  (importing registers)
    capacity,
    chokepoint,
    cuts,
    detour,
    interdiction,
    removal,
)
from weaponized_interdependence.indicators.dependency import (  # noqa: F401  (importing registers)
    concentration,
    cutoff_power,
    dependence,
    eu_dependency,
    fragility,
    friend_enemy,
    strength,
)
from weaponized_interdependence.indicators.finance import (  # noqa: F401  (importing registers)
    core_periphery,
    counting,
    current_flow,
    liquidity,
    sinkrank,
)
from weaponized_interdependence.indicators.knobs import KNOBS
from weaponized_interdependence.indicators.observation import (  # noqa: F401  (importing registers)
    coalition,
    overlap,
    panopticon,
    provenance,
    routing_k,
)
from weaponized_interdependence.indicators.routing import (
    reach,
)
from weaponized_interdependence.indicators.routing.routes import ROUTES
from weaponized_interdependence.indicators.topology import (  # noqa: F401  (importing registers)
    group_betweenness,
    pagerank,
    paths,
    structure,
)
from weaponized_interdependence.indicators.value_chains import (  # noqa: F401  (importing registers)
    content,
    extraction,
    position,
    reliance,
    structural_paths,
)

INDICATORS: dict[str, Indicator] = dict(sorted(REGISTERED.items()))

_FAMILIES = {
    "panopticon": "Panopticon: who can observe",
    "routing_k": "Panopticon over the k shortest chains",
    "provenance": "Panopticon by provenance",
    "chokepoint": "Chokepoint: who can deny",
    "capacity": "Chokepoint and betweenness by capacity",
    "detour": "Chokepoint by the cost of another way",
    "cuts": "Cuts: who holds together what",
    "interdiction": "Interdiction: the worst few",
    "coalition": "Coalitions: what each member adds",
    "overlap": "Observability: who sees what others see",
    "strength": "Strength and shares",
    "concentration": "Concentration",
    "dependence": "Bilateral dependence",
    "eu_dependency": "Dependency of an area: the European Union's core indicators",
    "cutoff_power": "Cut-off power: what the loss of a supplier costs",
    "friend_enemy": "Friends and enemies: exposure in general equilibrium",
    "fragility": "Fragility of an item's trade",
    "removal": "Removal loss",
    "paths": "Betweenness",
    "group_betweenness": "Group betweenness",
    "pagerank": "PageRank",
    "structure": "The whole network over time: concentration, rich club, percolation",
    "position": "Position in production chains",
    "structural_paths": "Structural paths",
    "content": "Value added in exports",
    "reliance": "Reliance on foreign inputs and markets",
    "extraction": "Hypothetical extraction",
    "current_flow": "Current-flow betweenness",
    "sinkrank": "SinkRank",
    "counting": "Random-walk centrality and counting betweenness",
    "core_periphery": "Core and periphery",
    "liquidity": "Liquidity hubs",
}


def find(name: str) -> Indicator:
    """The indicator of this name; UsageError with the nearest names where there is none."""
    if name not in INDICATORS:
        like = nearest(name, list(INDICATORS)) or [k for k in INDICATORS if name.casefold() in k]
        mend = f"did you mean {', '.join(like)}?" if like else f"choose from {', '.join(INDICATORS)}"
        raise UsageError(f"no indicator {name!r}", mend=mend)
    return INDICATORS[name]


def explain(name: str) -> str:
    """What an indicator's number means, in plain text: formula, weights, unit, route by layer, citation, example."""
    indicator = find(name)
    parts = {
        "Formula": indicator.formula,
        "Weights": indicator.weight_meaning,
        "Unit": indicator.unit,
        "Scored": "node and counterpart" if indicator.pair else "node",
        "Reads": _reads(indicator),
        "Notes": indicator.notes,
        "Source": indicator.citation,
    }
    lines = [f"{indicator.name}: {indicator.title}", "", indicator.summary, ""]
    lines += [f"{label}: {text}" for label, text in parts.items() if text]
    if indicator.routed:
        lines += ["", "A route is"]
        lines += [f"  on {layer}: {route.value}, {route.meaning}" for layer, route in ROUTES.items()]
    return "\n".join([*lines, "", "Example", "", *(f"  {line}".rstrip() for line in indicator.example.splitlines())])


def _reads(indicator: Indicator) -> str:
    knobs = (f"{name} ({KNOBS[name].default:g} unless set: {KNOBS[name].meaning})" for name in sorted(indicator.knobs))
    return ", ".join([indicator.reads, *sorted(indicator.needs - {indicator.reads}), *knobs])


def page() -> str:
    """docs/indicators.md, made from the registry so that it cannot disagree with the program."""
    lines = [
        "# Indicators",
        "",
        "<!-- Do not edit: made by `python -m weaponized_interdependence.indicators.registry > docs/indicators.md` -->",
        "",
        "A score is a named network statistic of one node (or of a node and its counterpart). `wi explain NAME` prints",
        "the same text; `wi rank FLOWS --indicator NAME` computes it. Rank 1 is the largest; ties share the smallest.",
        "",
        "## What a route is",
        "",
        "| layer | route | meaning |",
        "|---|---|---|",
        *(f"| {layer} | {route.value} | {route.meaning} |" for layer, route in ROUTES.items()),
        "",
        "Goods and services go directly, so betweenness over bilateral trade is a descriptive proxy and not a route,",
        "and a chokepoint is the same with and without rerouting: finding another partner is substitution, which the",
        "simulation answers. Ownership is a tie and not a flow: no route is defined on it.",
        "",
        "## Legal reach",
        "",
        *(reach.__doc__ or "").strip().splitlines(),
    ]
    for family, title in _FAMILIES.items():
        lines += ["", f"## {title}"]
        for indicator in (i for i in REGISTERED.values() if i.family == family):
            lines += ["", *_entry(indicator)]
    return "\n".join(lines) + "\n"


def _entry(indicator: Indicator) -> list[str]:
    facts = {
        "Formula": f"`{indicator.formula}`",
        "Weights": indicator.weight_meaning,
        "Unit": indicator.unit,
        "Reads": _reads(indicator),
        "Notes": indicator.notes,
        "Source": indicator.citation,
    }
    return [
        f"### {indicator.name}",
        "",
        f"{indicator.title}. {indicator.summary}",
        "",
        *(f"- {label}: {text}" for label, text in facts.items() if text),
        "",
        "```text",
        *indicator.example.splitlines(),
        "```",
    ]


if __name__ == "__main__":
    print(page(), end="")

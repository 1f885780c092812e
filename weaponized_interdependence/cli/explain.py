"""`wi explain`: what an indicator, a model, a table, a knob, an item or a word means, with its formula and source."""

from typing import Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson
from weaponized_interdependence.cli.completing import complete_explainable

_LISTED = (
    ("Models", "model"),
    ("Tables", "table"),
    ("Vocabularies", "vocabulary"),
    ("Knobs (--set)", "knob"),
    ("Draws", "option of draws"),
)

# What one would type for a vocabulary whose name is another.
_ALSO = {"reach": "reachkind", "routes": "route", "measure": "measurekind", "ranks": "rank_low", "interval": "draws"}
_DRAWING = {
    "draws": "how often wi rank perturbs the flows and ranks again, for intervals of scores and ranks; in each draw "
    "every tie is multiplied by a factor of its own, the same in every period, whose mean is one. In "
    "wi simulate: how often what the equilibrium model assumes is drawn (64 unless said, 0 for none); see band",
    "noise": "standard deviation of the log of a flow's error in a draw: 0.1 is about 10 per cent. How noisy flows are "
    "no source says: it is the user's assumption, has no default, and the interval is no better than it",
    "missing": "probability that a draw leaves a tie out, from 0 to below 1; what stays counts 1 / (1 - missing) "
    "times. The user's assumption; default 0",
    "seed": "of draws: which random numbers are drawn; the same seed gives the same intervals in wi rank, and the "
    "same bands in wi simulate, whose scenarios on one table share their draws",
    "band": "low and high of a loss in wi simulate. Of equilibrium: the 5th and 95th percentile of its draws; with "
    "--draws 0, and of all other models, corners: the smallest and largest answer with all assumptions at their low, "
    "central or high end together. An end is open (null, n/d) where a ratio has no bound: the coalition does not lose "
    "there",
    "sensitivity": "with wi simulate --sensitivity: which assumption moves the equilibrium model's answer, as Sobol "
    "indices, the part of the variance of a loss that an assumption makes by itself and with all others",
}


def explain(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="indicator, model, table, knob, word or item (SITC:7); left out: all",
            autocompletion=complete_explainable,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain an indicator, a model, a table, a knob, an item or a word; without NAME list them all."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.errors import UsageError, nearest
    from weaponized_interdependence.terms import Horizon

    if name is None:
        overview(as_json)
        return
    found = entries(name)
    if not found:
        known = [n for n in explainable() if n != Horizon.NONE]  # `none` is near to many words, and meant by few
        close = [n for n in alike(name) if n in known] or nearest(name, known)
        mend = f"did you mean {' or '.join(close)}?" if close else "`wi explain` lists all names"
        raise UsageError(f"nothing is called {name!r}", mend=mend)
    if as_json:
        show.json_document({"name": name, "entries": found})
        return
    for number, entry in enumerate(found):
        if number:
            show.say()
        page(entry)


def entries(name: str) -> list[dict[str, Any]]:
    """Everything that goes by this name: a word may stand in several vocabularies."""
    if ":" in name:
        return _item(name)
    wanted = name.casefold().replace("-", "_")
    wanted = _ALSO.get(wanted, wanted)
    return [e for e in _everything() if e["name"].casefold() == wanted]


def alike(name: str, most: int = 6) -> list[str]:
    """Names that begin with what was typed, then those that hold it: `hhi` means hhi_imports or hhi_exports."""
    wanted = name.casefold().replace("-", "_")
    holding = [n for n in explainable() if wanted and wanted in n.casefold()]
    return sorted(holding, key=lambda n: not n.casefold().startswith(wanted))[:most]


def explainable() -> list[str]:
    """All names that `wi explain` knows."""
    return list(dict.fromkeys(e["name"] for e in _everything()))


def _everything() -> list[dict[str, Any]]:
    return [*_indicators(), *_models(), *_tables(), *_knobs(), *_drawing(), *_words(), *_columns()]


def _indicators() -> list[dict[str, Any]]:
    from weaponized_interdependence.indicators.knobs import KNOBS
    from weaponized_interdependence.indicators.registry import INDICATORS
    from weaponized_interdependence.indicators.routing.routes import ROUTES

    return [
        {
            "what": "indicator",
            "name": i.name,
            "family": i.family,
            "title": i.title,
            "meaning": i.summary,
            "formula": i.formula,
            "weights": i.weight_meaning,
            "unit": i.unit,
            "notes": i.notes,
            "reads": sorted(i.needs) if i.reads == "table" else ["flows", *sorted(i.needs)],
            "knobs": {name: f"{KNOBS[name].default:g}" for name in sorted(i.knobs)},
            "routes": {str(on): f"{r.value}, {r.meaning}" for on, r in ROUTES.items()} if i.routed else {},
            "scores": "items as a whole" if i.of_item else "pairs of nodes" if i.pair else "nodes",
            "source": i.citation,
            "example": i.example,
        }
        for i in INDICATORS.values()
    ]


def _models() -> list[dict[str, Any]]:
    import inspect
    from importlib import import_module

    from weaponized_interdependence.simulation.models import MODELS
    from weaponized_interdependence.terms import Horizon

    made = []
    for model in MODELS.values():
        module = import_module(f"weaponized_interdependence.simulation.{model.module}")
        made.append(
            {
                "what": "model",
                "name": model.name,
                "meaning": model.meaning,
                "reads": [model.needs],
                "assumes": model.assumes,
                "horizons": ", ".join(model.horizons) if model.horizons != (Horizon.NONE,) else "no time in it",
                "runs": f"only where asked for: --model {model.name}" if model.asked else "where its input is there",
                "method": inspect.getdoc(module) or "",
            }
        )
    return made


def _tables() -> list[dict[str, Any]]:
    from weaponized_interdependence.schemas import TABLES

    return [
        {
            "what": "table",
            "name": t.name,
            "meaning": f"one row is {t.meaning}",
            "columns": [
                {"name": c.name, "type": str(c.dtype), "unit": c.unit, "key": c.key, "meaning": c.meaning}
                for c in t.columns
            ],
        }
        for t in TABLES.values()
    ]


def _knobs() -> list[dict[str, Any]]:
    from weaponized_interdependence.indicators.knobs import KNOBS
    from weaponized_interdependence.indicators.registry import INDICATORS

    return [
        {
            "what": "knob",
            "name": name,
            "meaning": knob.meaning,
            "set with": f"--set {name}={knob.default:g}",
            "default": f"{knob.default:g}",
            "range": knob.span,
            "read by": ", ".join(i.name for i in INDICATORS.values() if name in i.knobs),
        }
        for name, knob in KNOBS.items()
    ]


def _drawing() -> list[dict[str, Any]]:
    from weaponized_interdependence.cli.rank import CONFIDENCE

    said = _DRAWING | {
        "confidence": f"of draws: the part of them that low and high, rank_low and rank_high hold, from quantile (1 - "
        f"confidence) / 2 to (1 + confidence) / 2; {100 * CONFIDENCE:g} per cent in wi rank"
    }
    return [{"what": "option of draws", "name": name, "meaning": meaning} for name, meaning in said.items()]


def _columns() -> list[dict[str, Any]]:
    """Columns by name, each with what it means in every table that has it."""
    from weaponized_interdependence.schemas import TABLES

    found: dict[str, list[dict[str, str]]] = {}
    for table in TABLES.values():
        for column in table.columns:
            found.setdefault(column.name, []).append({"word": table.name, "meaning": column.meaning})
    return [
        {"what": "column", "name": name, "meaning": f"column of {', '.join(w['word'] for w in words)}", "words": words}
        for name, words in found.items()
    ]


def _item(item: str) -> list[dict[str, Any]]:
    """What an item is: of which classification, in which part of it, and what it is elsewhere."""
    import polars as pl

    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.harmonize.products import (
        CLASSIFICATIONS,
        TARGETS,
        item_faults,
        item_name,
        item_place,
        translate,
    )

    head, _, code = item.partition(":")
    if faults := item_faults([item]):
        raise UsageError(f"{item} is no item", faults=faults)
    place, title = item_place(item)
    inside = "" if place.endswith(f" {code}") or not place else f"part of {place}, "
    elsewhere = []
    if head.startswith("HS") and head in CLASSIFICATIONS:
        for name, about in TARGETS.items():
            to = translate(pl.Series([item]), name)
            if found := to.items[0]:
                told = ": ".join(t for t in (about.partition(",")[0], item_name(found)) if t)
                elsewhere.append({"word": found, "meaning": f"{told} (most of it, not all)" if to.faults else told})
    if head not in CLASSIFICATIONS and head not in TARGETS:
        meaning = f"an item of {head}, a classification that is not this tool's: its names are with its publisher"
    else:
        meaning = f"{inside}{title}" if title else "no name of it is kept here, only the form of its code"
    known = CLASSIFICATIONS.get(head)
    return [
        {
            "what": "item",
            "name": item,
            "meaning": meaning,
            "classification": known.title if known else TARGETS.get(head, head),
            "words": elsewhere,
        }
    ]


def _words() -> list[dict[str, Any]]:
    from weaponized_interdependence import terms
    from weaponized_interdependence.indicators.routing.routes import Route

    vocabularies = [
        v for v in vars(terms).values() if isinstance(v, type) and issubclass(v, terms.Term) and v is not terms.Term
    ] + [Route]
    made: list[dict[str, Any]] = []
    for v in vocabularies:
        said = (v.__doc__ or "").strip()
        words = [{"word": str(m), "meaning": m.meaning} for m in v]
        made.append({"what": "vocabulary", "name": v.__name__, "meaning": said, "words": words})
        made += [{"what": f"word of {v.__name__}", "name": w["word"], "meaning": w["meaning"]} for w in words]
    return made


def overview(as_json: bool) -> None:
    """All names, by what they are."""
    from weaponized_interdependence.cli import show

    everything = _everything()
    if as_json:
        kept = ("what", "name", "title", "meaning", "unit")
        show.json_document({"entries": [{k: e[k] for k in kept if k in e} for e in everything]})
        return
    indicators = [e for e in everything if e["what"] == "indicator"]
    show.say("Indicators", "bold")
    show.table(
        [
            show.Column("name", [e["name"] for e in indicators], keep=True),
            show.Column("title", [e["title"] for e in indicators]),
            show.Column("unit", [e["unit"] for e in indicators]),
        ]
    )
    for title, what in _LISTED:
        rows = [e for e in everything if e["what"] == what]
        show.heading(title)
        show.table(
            [
                show.Column("name", [e["name"] for e in rows], keep=True),
                show.Column("meaning", [e["meaning"] for e in rows]),
            ],
            headers=False,
        )
    show.note("more on one: wi explain NAME (the words of the vocabularies too, such as `wi explain chokepoint`)")


_FACTS = ("assumes", "horizons", "runs", "default", "range", "set with", "read by", "classification")


def page(entry: dict[str, Any]) -> None:
    """One entry."""
    from weaponized_interdependence.cli import show

    title = f": {entry['title']}" if entry.get("title") else ""
    show.say(f"{entry['name']} ({entry['what']}){title}", "bold")
    show.say(entry["meaning"], indent=2)
    reads = entry.get("reads")
    show.pairs(
        [
            ("formula", entry.get("formula")),
            ("weights", entry.get("weights")),
            ("unit", entry.get("unit")),
            ("scores", entry.get("scores")),
            ("reads", ", ".join(reads) if reads else None),
            ("knobs", ", ".join(f"{knob} ({default} unless set)" for knob, default in entry.get("knobs", {}).items())),
            *((fact, entry.get(fact)) for fact in _FACTS),
            ("notes", entry.get("notes")),
            ("source", entry.get("source")),
        ]
    )
    if routes := entry.get("routes"):
        show.say("a route is", indent=2)
        show.pairs(((f"on {layer}", meaning) for layer, meaning in routes.items()), indent=4)
    for block in ("example", "method"):
        if entry.get(block):
            show.say()
            show.verbatim(entry[block], indent=2)
    if columns := entry.get("columns"):
        show.table(
            [
                show.Column("column", [c["name"] for c in columns], keep=True),
                show.Column("type", [c["type"] for c in columns], keep=True),
                show.Column("key", ["key" if c["key"] else "" for c in columns], keep=True),
                show.Column("unit", [c["unit"] for c in columns]),
                show.Column("meaning", [c["meaning"] for c in columns]),
            ]
        )
    if words := entry.get("words"):
        show.table(
            [
                show.Column("word", [w["word"] for w in words], keep=True),
                show.Column("meaning", [w["meaning"] for w in words]),
            ],
            headers=False,
        )

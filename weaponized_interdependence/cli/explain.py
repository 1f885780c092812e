"""`wi explain`: what an indicator, a model, a table or a word means, with its formula and its source."""

from typing import Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson
from weaponized_interdependence.cli.completing import complete_explainable


def explain(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="indicator, model, table or word; left out: all", autocompletion=complete_explainable
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain an indicator, a model, a table or a word of the vocabularies; without NAME list them all."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.errors import UsageError, nearest

    if name is None:
        overview(as_json)
        return
    found = entries(name)
    if not found:
        close = alike(name) or nearest(name, explainable())
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
    wanted = name.casefold().replace("-", "_")
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
    return [*_indicators(), *_models(), *_tables(), *_words()]


def _indicators() -> list[dict[str, Any]]:
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
            "reads": ["flows", *sorted(i.needs)],
            "routes": {str(on): f"{r.value}, {r.meaning}" for on, r in ROUTES.items()} if i.routed else {},
            "scores": "pairs of nodes" if i.pair else "nodes",
            "source": i.citation,
            "example": i.example,
        }
        for i in INDICATORS.values()
    ]


def _models() -> list[dict[str, Any]]:
    import inspect

    from weaponized_interdependence.simulation.simulate import MODELS

    made = []
    for model in MODELS.values():
        from importlib import import_module

        module = import_module(f"weaponized_interdependence.simulation.{model.name}")
        made.append(
            {
                "what": "model",
                "name": model.name,
                "meaning": model.meaning,
                "reads": [model.needs],
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


def _words() -> list[dict[str, Any]]:
    from weaponized_interdependence import terms

    vocabularies = [
        v for v in vars(terms).values() if isinstance(v, type) and issubclass(v, terms.Term) and v is not terms.Term
    ]
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
    for title, what in (("Models", "model"), ("Tables", "table"), ("Vocabularies", "vocabulary")):
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

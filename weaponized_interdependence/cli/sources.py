"""`wi sources`: what each publisher's data is, under which licence, and how to fetch it."""

import typing
from pathlib import Path
from typing import Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson, option
from weaponized_interdependence.cli.completing import complete_source

sources = typer.Typer(
    help="Publishers' data: licence, citation, columns, download.", no_args_is_help=True, rich_markup_mode=None
)

SourceName = Annotated[str, typer.Argument(metavar="NAME", help="name of the source", autocompletion=complete_source)]


@sources.command("list")
def list_sources(as_json: AsJson = False) -> None:
    """List the sources that can be read."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.sources.declaration import declared, load_declaration

    known = [load_declaration(name) for name in declared()]
    if as_json:
        show.json_document(
            {"sources": [{k: getattr(d, k) for k in ("name", "title", "publisher", "layer", "licence")} for d in known]}
        )
        return
    show.table(
        [
            show.Column("name", [d.name for d in known], keep=True),
            show.Column("layer", [d.layer or "-" for d in known], keep=True),
            show.Column("what", [d.title for d in known]),
            show.Column("publisher", [d.publisher for d in known]),
        ],
        indent=0,
    )
    show.note("more on one: wi sources show NAME")


@sources.command("show")
def show_source(name: SourceName, as_json: AsJson = False) -> None:
    """Show one source: licence, citation, columns, options, expectations."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.sources.declaration import describe

    facts = describe(name)
    options = _reader_options(name)
    if as_json:
        show.json_document({**facts, "reader_options": options})
        return
    show.say(facts["title"], style="bold")
    plain = ("name", "publisher", "homepage", "licence", "citation", "cadence", "layer", "unit")
    show.pairs((key, facts.get(key)) for key in plain)
    show.pairs([("file names end in", ", ".join(facts["accepts"]))])
    if facts["columns"]:
        show.heading("Columns of the publisher's file")
        show.table(
            [
                show.Column("column", [c["name"] for c in facts["columns"]], keep=True),
                show.Column("needed", ["yes" if c["required"] else "no" for c in facts["columns"]], keep=True),
                show.Column("unit", [c["unit"] for c in facts["columns"]]),
                show.Column("meaning", [c["meaning"] for c in facts["columns"]]),
            ]
        )
    if options:
        show.heading(f"Options of the reader (wi load {name} ... --option key=value)")
        show.table(
            [
                show.Column("key", list(options), keep=True),
                show.Column("default", [o["default"] for o in options.values()]),
                show.Column("type", [o["type"] for o in options.values()]),
            ]
        )
    if facts["expectations"]:
        show.heading("Expectations, checked after every reading")
        show.bullets(facts["expectations"])
    if facts["downloads"]:
        show.heading(f"Downloads (wi sources fetch {name})")
        for d in facts["downloads"]:
            given = ", ".join(f"{k}={v or 'you give it'}" for k, v in d["parameters"].items())
            show.pairs([(d["name"], d["url"]), ("", given), ("", d["note"])])
    if facts["notes"]:
        show.heading("Notes")
        show.bullets(facts["notes"])


@sources.command()
def fetch(
    name: SourceName,
    year: Annotated[int | None, option(help="which year, where the publisher has a file a year")] = None,
    edition: Annotated[str | None, option(help="which edition, such as HS17; default: the first declared")] = None,
    version: Annotated[str | None, option(help="the publisher's version, such as 202401b")] = None,
    dest: Annotated[Path | None, option(help="folder for the files; default: the user's cache")] = None,
    refresh: Annotated[bool, option("--refresh", help="download again, and forget the recorded checksum")] = False,
    as_json: AsJson = False,
) -> None:
    """Download the official file: resumed, retried, its checksum verified.

    A file that is there already and fits its checksum is not downloaded again. Proxies come from HTTPS_PROXY.
    """
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.sources.fetch import fetch_files

    with show.downloading(name) as progress:
        got = fetch_files(
            name, year=year, edition=edition, version=version, dest=dest, refresh=refresh, progress=progress
        )
    if as_json:
        show.json_document({"source": name, "files": got})
        return
    for file in got:
        show.say(str(file))


def _reader_options(name: str) -> dict[str, dict[str, str]]:
    import inspect

    from weaponized_interdependence.sources.registry import READERS

    if name not in READERS:
        return {}
    return {
        key: {
            "default": "" if p.default in (None, inspect.Parameter.empty) else str(p.default),
            "type": _type_in_words(p.annotation),
        }
        for key, p in READERS[name].options.items()
    }


def _type_in_words(annotation: Any) -> str:
    if choices := typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ():
        return " or ".join(map(str, choices))
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    if "Mapping" in text:
        return "pairs, written name:value,name:value"
    if "Sequence" in text or "tuple" in text:
        return "list, written a,b,c"
    plain = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "path"}
    for long, short in (("typing.", ""), ("collections.abc.", ""), (" | None", ""), ("pathlib.", "")):
        text = text.replace(long, short)
    return plain.get(text, text)

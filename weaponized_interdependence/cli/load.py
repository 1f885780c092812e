"""`wi load`: a publisher's files in, one checked Parquet out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson, option
from weaponized_interdependence.cli.completing import complete_reader

if TYPE_CHECKING:
    from weaponized_interdependence.sources.registry import Reader, Reading

# Their files become one labelled table, which Parquet alone can hold: said before a large file is read, not after.
MAKE_TABLES = frozenset({"icio", "wiod"})


def load(
    reader: Annotated[
        str,
        typer.Argument(
            metavar="READER",
            help="baci, comtrade, icio ...; `wi sources list` names all",
            autocompletion=complete_reader,
        ),
    ],
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="files or patterns, plain, .gz or .zip")],
    out: Annotated[Path, option("-o", "--out", help="where to write: .parquet (or .csv .json .arrow .xlsx)")],
    period: Annotated[str | None, option(help="only this period or these (2019 or 2015,2019)")] = None,
    aggregate: Annotated[str | None, option(help="sum products: hs4, hs2 or total")] = None,
    edition: Annotated[
        str | None, option(help="HS edition of the file, such as HS17, where its name does not say")
    ] = None,
    options: Annotated[
        list[str] | None,
        option("--option", help="key=value, the reader's own; `wi sources show READER` lists them; repeat"),
    ] = None,
    strict: Annotated[bool, option("--strict", help="a rejected row or a failed check is an error")] = False,
    rejected: Annotated[Path | None, option(help="also write the rejected rows, with their reasons")] = None,
    as_json: AsJson = False,
) -> None:
    """Read a publisher's files into one checked table.

    Trade, claims, remittances and services become FLOWS; input-output files become a table file; World Bank indicators
    become MACRO. Rows that cannot be taken are counted by reason and never dropped in silence. A failed hard check, or
    any under --strict, ends with exit code 1 and writes nothing; a failed soft check is a warning.
    """
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.arguments import pairs_of, refuse_same, try_output, typed
    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.sources.registry import reader as reader_named

    chosen = reader_named(reader)
    texts = pairs_of(options or (), "--option")
    called = {}
    for name, value in (("period", period), ("aggregate", aggregate), ("edition", edition)):
        if value is not None:
            called[own := _own_name(name, chosen)] = f"--{name}"
            if own in texts:
                raise UsageError(f"--{name} and --option {own}= say the same thing twice", mend="keep one")
            texts[own] = value
    out = try_output(out, (".parquet",) if reader in MAKE_TABLES else ())
    refuse_same(out, paths)
    if rejected is not None:
        rejected = try_output(rejected)
        refuse_same(rejected, paths)
    options_given = typed(texts, chosen.options, called)
    with show.working(f"reading {show.count(len(paths), 'path')} with {reader}"):
        reading = read_and_write(chosen, paths, out, strict=strict, options=options_given)
    if rejected is not None:
        write_rejected(reading, rejected)
    if as_json:
        show.json_document(summary_of(reading, out, rejected))
        return
    screen(reading, out, rejected)


def _own_name(name: str, chosen: "Reader") -> str:
    """A reader may say `periods` or `years` where the command line says --period."""
    candidates = ("period", "periods", "years", "year") if name == "period" else (name,)
    return next((c for c in candidates if c in chosen.options), name)


def read_and_write(
    chosen: "Reader", paths: list[str], out: Path, *, strict: bool, options: dict[str, Any]
) -> "Reading":
    """Read, and write what came: flows (streamed where the reader can), an input-output table, or macro figures."""
    from weaponized_interdependence import exports
    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.schemas import FLOWS, MACRO
    from weaponized_interdependence.sources.registry import metadata_of, read, stream

    if chosen.streamer is not None and out.suffix.lower() == ".parquet":
        return stream(chosen.name, paths, out, strict=strict, **options)
    reading = read(chosen.name, *paths, strict=strict, **options)
    if reading.table is not None:
        from weaponized_interdependence.io_table import write_table

        if out.suffix.lower() != ".parquet":
            raise UsageError("an input-output table is written as Parquet only", mend="end the name in .parquet")
        write_table(reading.table, out, metadata=metadata_of(reading))
    elif reading.flows is not None:
        exports.write(reading.flows, out, table=FLOWS, metadata=metadata_of(reading))
    elif reading.macro is not None:
        exports.write(reading.macro, out, table=MACRO, metadata=metadata_of(reading))
    return reading


def write_rejected(reading: "Reading", path: Path) -> None:
    """The rejected rows as a REJECTED table; an empty one where nothing was rejected."""
    from weaponized_interdependence import exports
    from weaponized_interdependence.schemas import REJECTED
    from weaponized_interdependence.sources.registry import metadata_of

    exports.write(reading.rejected, path, table=REJECTED, metadata=metadata_of(reading))


def summary_of(reading: "Reading", out: Path, rejected: Path | None) -> dict[str, Any]:
    """What the screen says, as one document."""
    from weaponized_interdependence.cli.arguments import sha256

    document: dict[str, Any] = {
        "reader": reading.name,
        "files": reading.files,
        "scope": reading.scope,
        "rows": rows_taken(reading),
        "periods": reading.summary,
        "economies": economies_in(reading, out),
        "rejected": reading.rejected_counts,
        "checks": reading.checks,
        "notes": reading.notes,
        "written": {"path": str(out), "sha256": sha256(out), "bytes": out.stat().st_size},
    }
    if reading.table is not None:
        document["table"] = table_facts(reading.table)
    if rejected is not None:
        document["rejected_written"] = {"path": str(rejected), "rows": reading.rejected.height}
    return document


def rows_taken(reading: "Reading") -> int | None:
    """Rows of the table made; None for an input-output table, which has no rows."""
    if reading.summary is not None:
        return int(reading.summary["rows"].sum())
    return None if reading.macro is None else reading.macro.height


def economies_in(reading: "Reading", out: Path) -> int | None:
    """Distinct economies: both ends of the flows, read back from the file where they were streamed there."""
    import polars as pl

    if reading.table is not None:
        return len(reading.table.economies)
    if reading.macro is not None:
        return reading.macro["economy"].n_unique()
    flows = reading.flows.lazy() if reading.flows is not None else pl.scan_parquet(out, glob=False)
    ends = pl.concat([flows.select(end=side) for side in ("origin", "destination")])
    return int(ends.select(pl.col("end").n_unique()).collect(engine="streaming").item())


def table_facts(table: Any) -> dict[str, Any]:
    """Size and totals of an input-output table."""
    economies, sectors, demands = table.size
    return {
        "period": table.period,
        "classification": table.classification,
        "economies": economies,
        "sectors": sectors,
        "final_demand_categories": demands,
        "gross_output": float(table.x.sum()),
        "value_added": float(table.VA.sum()),
        "unit": table.unit,
        "basis": table.basis,
    }


def screen(reading: "Reading", out: Path, rejected: Path | None) -> None:
    """Everything that was read, kept out, checked and written, in that order."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.arguments import sha256

    show.say(f"{reading.name}: {show.count(len(reading.files), 'file')} read", style="bold")
    show.pairs((Path(f.path).name, f"{show.size(f.bytes)}, sha256 {f.sha256[:16]}") for f in reading.files)
    show.heading("Taken")
    rows = rows_taken(reading) if reading.table is None else None
    economies = economies_in(reading, out)
    show.pairs(
        [("rows", f"{rows:,}" if rows is not None else None), ("economies", f"{economies:,}" if economies else None)]
    )
    if reading.summary is not None and reading.summary.height and reading.table is None:
        summary_table(reading)
    if reading.table is not None:
        facts = table_facts(reading.table)
        show.pairs((k.replace("_", " "), _fact(k, v, facts["unit"])) for k, v in facts.items() if k != "economies")
    show.heading("Rejected")
    total = sum(reading.rejected_counts.values())
    if total:
        reasons = reading.rejected_counts
        show.table(
            [show.Column("rows", [f"{n:,}" for n in reasons.values()], True), show.Column("reason", list(reasons))]
        )
    else:
        show.say("  none")
    checks_table(reading)
    if reading.notes:
        show.heading("Notes")
        show.bullets(reading.notes)
    show.heading("Wrote")
    show.pairs([(str(out), f"{show.size(out.stat().st_size)}, sha256 {sha256(out)[:16]}")])
    if rejected is not None:
        kept = reading.rejected.height
        show.pairs(
            [(str(rejected), f"{show.count(kept, 'row')}{'' if kept == total else f', the first of {total:,}'}")]
        )
    elif total:
        show.note("to see the rejected rows: wi load ... --rejected rejected.parquet")
    if failed := reading.failed:
        show.warn(f"{show.count(len(failed), 'check')} failed, see above: is this the file you meant, and is it whole?")


def _fact(name: str, value: Any, unit: str) -> str:
    from weaponized_interdependence.cli.show import money

    return money(value, unit) if name in ("gross_output", "value_added") else str(value)


def summary_table(reading: "Reading", most: int = 30) -> None:
    """One line a period: rows, total, ends, items."""
    from weaponized_interdependence.cli import show

    assert reading.summary is not None
    s, every = reading.summary.tail(most), reading.summary
    if every.height > most:
        # A line is a period, layer and unit: figures of two units are not summed, and every input may have its own.
        per_unit = every["unit"].n_unique() > 1 and every["unit"].n_unique() * every["period"].n_unique() > most
        s = every.sort("period", "value", "unit", descending=[False, True, False]).head(most) if per_unit else s
        kind = f"the {most} largest" if per_unit else f"the last {most}"
        lines = "line (period, layer and unit)" if per_unit else "period"
        plural = "lines (period, layer and unit)" if per_unit else ""
        show.say(f"  {kind} of {show.count(every.height, lines, plural)}")
    columns = [
        show.Column("period", s["period"].to_list(), keep=True),
        show.Column("indicator" if reading.macro is not None else "layer", s["layer"].to_list(), keep=True),
        show.Column("rows", [f"{n:,}" for n in s["rows"]], True),
        show.Column("total", [show.money(v, u) for v, u in zip(s["value"], s["unit"], strict=True)], True),
    ]
    counted = (
        {"origins": "economies"} if reading.macro is not None else dict.fromkeys(("origins", "destinations", "items"))
    )
    counts = [show.Column(shown or name, [f"{n:,}" for n in s[name]], True) for name, shown in counted.items()]
    show.table([*columns, *counts])


def checks_table(reading: "Reading") -> None:
    """Each expectation of the source and how the input answered it; those that do not apply are only in --json."""
    from weaponized_interdependence.cli import show

    checks = [c for c in reading.checks if c.severity != "info" or c.expected != "not asked"]
    if not checks:
        return
    show.heading("Checks")
    said = [("info" if c.severity == "info" else "ok") if c.ok else "FAILED" for c in checks]
    show.table(
        [
            show.Column("", said, keep=True),
            show.Column("check", [c.name for c in checks]),
            show.Column("found", [c.found for c in checks]),
            show.Column("expected", [c.expected for c in checks]),
        ]
    )

"""`wi groups` and `wi codes`: who belongs to a group on a day, and which economy a code means."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from weaponized_interdependence.cli.arguments import AsJson, option
from weaponized_interdependence.cli.completing import complete_group, complete_scheme

OnDate = Annotated[datetime | None, option("--date", formats=["%Y-%m-%d"], metavar="DATE", help="day, as 2022-12-05")]


def groups(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="a group, such as EU; left out: all groups", autocompletion=complete_group),
    ] = None,
    on: OnDate = None,
    file: Annotated[Path | None, option("--file", help="a file with groups of your own")] = None,
    as_json: AsJson = False,
) -> None:
    """List the groups of economies, or the members of one on a day (default today)."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.harmonize.economies import name_of
    from weaponized_interdependence.harmonize.groups import expand

    day = on.date() if on else date.today()
    if name is None:
        _all_groups(day, file, as_json)
        return
    members = expand([name], day, extra=file)
    sources = _sources(name, file)
    if as_json:
        show.json_document({"group": name, "date": day, "members": members, "sources": sources})
        return
    show.say(f"{name} on {day}: {show.count(len(members), 'member')}", "bold")
    for source in sources:
        show.say(f"source: {source}", indent=2)
    show.table(
        [show.Column("code", members, keep=True), show.Column("name", [name_of(m) for m in members])], headers=False
    )


def _sources(name: str, file: Path | None) -> list[str]:
    """Where the membership of a group is from; nothing for the name of one economy."""
    from weaponized_interdependence.harmonize.groups import groups as all_groups

    table = all_groups(extra=file) if file else all_groups()
    mine = table.filter(table["group"].str.to_lowercase() == name.lower())["source"]
    return [source for source in mine.unique(maintain_order=True) if source]


def _all_groups(day: date, file: Path | None, as_json: bool) -> None:
    import polars as pl

    from weaponized_interdependence.cli import show
    from weaponized_interdependence.harmonize.groups import groups as all_groups

    table = all_groups(extra=file) if file else all_groups()
    inside = (pl.col("valid_from").is_null() | (pl.col("valid_from") <= day)) & (
        pl.col("valid_to").is_null() | (pl.col("valid_to") >= day)
    )
    rows = (
        table.group_by("group", maintain_order=True)
        .agg(
            members=pl.col("iso3").filter(inside).n_unique(),
            first=pl.col("valid_from").min(),
            source=pl.col("source").first(),
        )
        .sort("group")
        .to_dicts()
    )
    if as_json:
        show.json_document({"date": day, "groups": rows})
        return
    show.table(
        [
            show.Column("group", [r["group"] for r in rows], keep=True),
            show.Column("members", [str(r["members"]) for r in rows], True),
            show.Column("known from", [str(r["first"] or "") for r in rows], keep=True),
            show.Column("source", [r["source"] or "" for r in rows], one_line=True),
        ],
        indent=0,
    )
    show.note(f"members on {day}; who they are and the source in full: wi groups NAME")


def codes(
    asked: Annotated[
        list[str] | None, typer.Argument(metavar="CODE...", help="codes or names; left out: all economies")
    ] = None,
    scheme: Annotated[
        str, option(help="iso3, iso2, m49, baci, cow, gw, oec, bic, bis, name or any", autocompletion=complete_scheme)
    ] = "any",
    on: OnDate = None,
    as_json: AsJson = False,
) -> None:
    """Say which economy each code or name means. Exit code 1 if one is unknown, with the nearest matches."""
    import polars as pl

    from weaponized_interdependence.cli import show
    from weaponized_interdependence.harmonize.economies import economies, to_iso3

    known = economies()
    if asked:
        meant = to_iso3(pl.Series("asked", asked, dtype=pl.String), scheme, on=on.date() if on else None)
        wanted = pl.DataFrame({"asked": asked, "iso3": meant})
        rows = wanted.join(known, on="iso3", how="left", maintain_order="left").to_dicts()
    else:
        rows = [{"asked": r["iso3"], **r} for r in known.to_dicts()]
    if as_json:
        show.json_document({"codes": rows})
        return
    columns = [show.Column("asked", [r["asked"] for r in rows])] if asked else []
    columns += [
        show.Column("iso3", [r["iso3"] for r in rows], keep=True),
        show.Column("name", [_named(r) for r in rows]),
        *(
            show.Column(key, [r[key] or "" for r in rows], keep=True)
            for key in ("iso2", "m49", "baci", "cow", "gw", "bis")
        ),
        show.Column("kind", [r["kind"] for r in rows], keep=True),
    ]
    show.table(columns, indent=0)


def _named(row: dict[str, Any]) -> str:
    dates = f" ({row['valid_from'] or '...'} to {row['valid_to']})" if row["valid_to"] else ""
    return f"{row['name']}{dates}"

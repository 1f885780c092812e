"""`wi reach`: who has a legal grip on whom, as the CONTROLS that `wi rank --controls` takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from weaponized_interdependence.cli.arguments import AsJson, option

if TYPE_CHECKING:
    import polars as pl

ON_SCREEN = 10


def reach(
    table: Annotated[
        str | None, option(help="input-output table, for technology content: a Parquet of `wi load`, or sample")
    ] = None,
    by_currency: Annotated[
        str | None, option("--by-currency", help="FLOWS whose items are currencies, as ISO4217:USD")
    ] = None,
    entities: Annotated[Path | None, option(help="ENTITIES file: where firms, banks and vessels are seated")] = None,
    ownership: Annotated[Path | None, option(help="OWNERSHIP file: owner, owned, share; needs --entities")] = None,
    controls: Annotated[Path | None, option(help="CONTROLS of your own, to join with what is computed")] = None,
    jurisdiction: Annotated[
        list[str] | None,
        option("--jurisdiction", "-j", help="only the reach of this state, or group and members; repeat"),
    ] = None,
    held: Annotated[
        float | None, option(help="share of ownership from which an entity is held; 0.5 unless set")
    ] = None,
    clears: Annotated[
        list[str] | None, option("--clears", help="who clears a currency, as XDR=USA; repeat; issuers are known")
    ] = None,
    rule: Annotated[
        str | None, option(help="technology: de_minimis (unless set) or direct_product, which needs --source")
    ] = None,
    de_minimis: Annotated[
        float | None,
        option("--de-minimis", help="content above which exports are within reach: 0.25 (unless set), 0.10 or 0"),
    ] = None,
    source: Annotated[
        list[str] | None, option("--source", help="industry that counts as technology; repeat; default all")
    ] = None,
    product: Annotated[
        list[str] | None, option("--product", help="industry whose exports can come within reach; repeat; default all")
    ] = None,
    top: Annotated[int, option(min=1, help="how many rows to show for a jurisdiction and channel")] = ON_SCREEN,
    out: Annotated[
        Path | None, option("-o", "--out", help="file to write (.parquet, .csv ...), or - for stdout")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute legal reach: whose law grips which node, by territory, ownership, currency and technology.

    The file given by -o holds CONTROLS, for `wi rank --controls`.
    """
    from weaponized_interdependence import exports
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.cli.arguments import open_flows, open_table, pairs_of, refuse_same, try_output
    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.reach import Rule, compute_reach
    from weaponized_interdependence.reach.ownership import HALF
    from weaponized_interdependence.reach.technology import GENERAL
    from weaponized_interdependence.schemas import CONTROLS, ENTITIES, OWNERSHIP

    if as_json and str(out) == "-":
        raise UsageError("--json and -o - both want stdout", mend="choose one")
    if out is not None:
        out = try_output(out, stdout=True)
        refuse_same(out, (table, by_currency, entities, ownership, controls))
    asked = {"rule": rule, "threshold": de_minimis, "sources": source, "products": product}
    options = {key: value for key, value in asked.items() if value not in (None, [])}
    clearing = pairs_of(clears or (), "--clears", keep_dashes=True)
    with show.working("computing reach"):
        found = compute_reach(
            entities=exports.read_frame(entities, ENTITIES) if entities is not None else None,
            owned=exports.read_frame(ownership, OWNERSHIP) if ownership is not None else None,
            by_currency=open_flows(by_currency).frame.collect() if by_currency is not None else None,
            table=open_table(table)[0] if table is not None else None,
            given=exports.read_frame(controls, CONTROLS) if controls is not None else None,
            jurisdictions=jurisdiction or None,
            threshold=held,
            clears=clearing,
            technology_options=options,
        )
    stated = {
        "jurisdictions": jurisdiction,
        "held": (HALF if held is None else held) if ownership is not None else None,
        "clears": clearing,
        **({"rule": str(Rule.DE_MINIMIS), "threshold": GENERAL, **options} if table is not None else {}),
    }
    metadata = _metadata(stated, found.notes, (table, by_currency, entities, ownership, controls))
    if out is not None:
        exports.write(found.controls, out, table=CONTROLS, metadata=metadata)
    if as_json:
        show.json_document({"metadata": metadata, "controls": found.controls})
    elif str(out) != "-":
        screen(found.controls, found.notes, top)
        if out is not None:
            show.heading("Wrote")
            show.pairs([(str(out), f"{show.count(found.controls.height, 'grip')}, {show.size(out.stat().st_size)}")])


def screen(controls: "pl.DataFrame", notes: Sequence[str], top: int) -> None:
    """The firmest grips of every jurisdiction by channel, and what a reader must know about them."""
    from weaponized_interdependence.cli import show
    from weaponized_interdependence.harmonize.economies import name_of
    from weaponized_interdependence.terms import ReachKind

    if controls.is_empty():
        show.say("nobody grips anybody: nothing is within reach by these rules")
    for (jurisdiction, channel), rows in controls.group_by("jurisdiction", "channel", maintain_order=True):
        show.heading(f"{name_of(str(jurisdiction))}, by {channel}")
        show.say(f"{ReachKind(str(channel)).meaning}; basis {', '.join(rows['basis'].unique().sort())}", indent=2)
        first = rows.sort("share", "node", descending=[True, False]).head(top)
        names = [name_of(node) for node in first["node"]]
        columns = [
            show.Column("node", first["node"].to_list(), keep=True),
            show.Column("", [name if name != node else "" for name, node in zip(names, first["node"], strict=True)]),
            show.Column("per cent", show.numbers(first["share"].to_list(), 0.01), True),
        ]
        show.table(columns, indent=4)
        if rows.height > first.height:
            show.say(f"{first.height} of {rows.height:,}", indent=4)
    for said in notes:
        show.note(said)


def _metadata(stated: dict[str, Any], notes: Sequence[str], inputs: Sequence[str | Path | None]) -> dict[str, str]:
    import json

    from weaponized_interdependence import __version__
    from weaponized_interdependence.cli.arguments import is_sample
    from weaponized_interdependence.sources.reading import stamp

    read = [path for path in inputs if path is not None]
    files = [stamp(path) for path in read if not is_sample(str(path)) and str(path) != "-"]
    return {
        "tool": f"weaponized_interdependence {__version__}",
        "inputs": json.dumps([{"path": s.path, "sha256": s.sha256, "bytes": s.bytes} for s in files]),
        "embedded": json.dumps([str(path) for path in read if is_sample(str(path))]),
        "options": json.dumps({k: v for k, v in stated.items() if v not in (None, [], {})}),
        "notes": json.dumps(list(notes), ensure_ascii=False),
    }

"""Currency: what is paid in a currency is cleared, in the end, over accounts in the issuer's own banking system."""

from collections.abc import Mapping

import polars as pl

from weaponized_interdependence import settings
from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.harmonize.groups import canonical
from weaponized_interdependence.periods import last_day
from weaponized_interdependence.schemas import CONTROLS, FLOWS
from weaponized_interdependence.sums import steady_sum
from weaponized_interdependence.terms import ReachKind, weakest

CLASSIFICATION = "ISO4217"


def holders() -> dict[str, str]:
    """Which jurisdiction clears a currency, by ISO 4217 code: its issuer; for the euro the EU.

    >>> holders()["USD"], holders()["EUR"]
    ('USA', 'EU')
    """
    table = pl.read_csv(settings.data_dir() / "reference" / "currencies.csv", infer_schema=False, comment_prefix="#")
    return dict(table.select("currency", "jurisdiction").rows())


def currency(flows: pl.DataFrame, *, clears: Mapping[str, str] | None = None) -> pl.DataFrame:
    """CONTROLS of channel currency: the part of what a node sends and receives that is in a jurisdiction's currency.

    share(J, n) = sum of flows with n at an end, in currencies that J clears / sum of flows with n at an end

    Parameters
    ----------
    flows
        FLOWS of one period, layer and unit whose items are currencies: ISO4217:USD. The value is in one unit for all.
    clears
        Currency -> jurisdiction, beside and before `holders()`: a node, an economy or a group, in any spelling.

    Raises
    ------
    InputError
        Items that are no currency, or whose clearing jurisdiction is not known: every one of them.
    UsageError
        Flows of several periods, layers or units; `clears` of a currency that no flow is in, or by nobody known.

    Examples
    --------
    >>> rows = [("2022", "payments", "TUR", "RUS", "ISO4217:USD", 3.0, "USD", "observed"),
    ...         ("2022", "payments", "TUR", "RUS", "ISO4217:TRY", 1.0, "USD", "observed")]
    >>> names = ["period", "layer", "origin", "destination", "item", "value", "unit", "basis"]
    >>> found = currency(pl.DataFrame(rows, schema=names, orient="row"))
    >>> found.filter(pl.col("jurisdiction") == "USA").select("node", "share").rows()
    [('RUS', 0.75), ('TUR', 0.75)]
    """
    rows = FLOWS.conform(flows, where="flows by currency").filter(pl.col("value") > 0)
    for column in ("period", "layer", "unit"):
        if rows[column].n_unique() > 1:
            found = ", ".join(rows[column].unique().sort().head(5))
            raise UsageError(f"flows by currency are of several {column}s: {found}", mend="keep one")
    codes = {item: item.removeprefix(f"{CLASSIFICATION}:") for item in rows["item"].unique().sort()}
    if idle := sorted({*(clears or {})} - {*codes.values()}):
        raise UsageError(
            f"who clears {', '.join(idle)} is told, but no flow is in it", mend="leave it out, or write it as the flows"
        )
    nodes = {*rows["origin"], *rows["destination"]}
    told = {
        code: who if who in nodes else canonical(who, last_day(rows["period"][0]))
        for code, who in (clears or {}).items()
    }
    known = holders() | told
    if wrong := [item for item, code in codes.items() if code == item or code not in known]:
        raise InputError(
            f"{len(wrong)} item(s) are no currency whose clearing is known",
            faults=[Fault(item) for item in wrong[:20]],
            mend=f"write {CLASSIFICATION}:USD; say who clears others with --clears XYZ=JURISDICTION",
        )
    held = {item: known[code] for item, code in codes.items()}
    ends = pl.concat(
        [
            rows.select("value", "basis", node=end, jurisdiction=pl.col("item").replace_strict(held))
            for end in ("origin", "destination")
        ]
    )
    whole = ends.group_by("node").agg(whole=steady_sum("value"))
    parts = ends.group_by("jurisdiction", "node").agg(part=steady_sum("value"), basis=pl.col("basis").unique())
    shares = parts.join(whole, on="node").with_columns(share=(pl.col("part") / pl.col("whole")).clip(upper_bound=1.0))
    return CONTROLS.conform(
        shares.filter(pl.col("jurisdiction") != pl.col("node"))
        .select(
            "jurisdiction",
            "node",
            pl.lit(str(ReachKind.CURRENCY)).alias("channel"),
            "share",
            pl.col("basis").map_elements(lambda b: str(weakest(*b)), return_dtype=pl.String),
        )
        .sort("jurisdiction", "node")
    )

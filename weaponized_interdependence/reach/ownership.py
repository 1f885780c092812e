"""Ownership: an entity answers to the state whose own hold enough of it, directly or through others they hold.

The rule is that of sanctions law and not of accounting: what is held counts whole and passes the grip on whole. With
threshold h, the entities held by jurisdiction J are the smallest set B with

    e in B  if  e is seated in J,  or  sum over o in B of share(o, e) >= h

X holds half of A, and A half of B: B is held, although X's stake in it is a quarter. (US Treasury, OFAC, FAQ 398 and
401, for blocked persons; here the holders are those seated in a state.)
"""

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.harmonize.economies import name_of
from weaponized_interdependence.schemas import CONTROLS, ENTITIES, OWNERSHIP
from weaponized_interdependence.terms import ReachKind, weakest

HALF = 0.5
_ROUNDING = 1e-9  # three thirds and the like, which floating point may put just below or above


def ownership(owned: pl.DataFrame, entities: pl.DataFrame, *, threshold: float = HALF) -> pl.DataFrame:
    """CONTROLS of channel ownership: the whole of every entity that a jurisdiction holds and that is seated elsewhere.

    Parameters
    ----------
    owned
        OWNERSHIP: owner, owned, share (0 to 1).
    entities
        ENTITIES: where owners are seated. An owner that is a state's ISO3 code needs no row; one that has no seat
        passes no grip on, and counts for nobody.
    threshold
        Share from which on an entity is held; 0.5 in the law of the USA and the EU.

    Raises
    ------
    InputError
        Stakes in an entity that add up to more than the whole.

    Examples
    --------
    >>> owned = pl.DataFrame([("X", "A", 0.5, "observed"), ("A", "B", 0.5, "observed")],
    ...                      schema=["owner", "owned", "share", "basis"], orient="row")
    >>> seats = pl.DataFrame({"id": ["X"], "jurisdiction": ["USA"], "basis": ["observed"]})
    >>> ownership(owned, seats)["node"].to_list()
    ['A', 'B']
    """
    if not 0 < threshold <= 1:
        raise UsageError(
            f"the share from which an entity is held is {threshold}", mend="choose above 0 and up to 1; usual is 0.5"
        )
    ties = OWNERSHIP.conform(owned, where="ownership").filter(pl.col("owner") != pl.col("owned"))
    seats = dict(ENTITIES.conform(entities, where="entities").select("id", "jurisdiction").rows())
    _refuse_more_than_whole(ties)
    stakes: dict[str, list[tuple[str, float]]] = {}
    for owner, held, share in ties.select("owner", "owned", "share").rows():
        stakes.setdefault(owner, []).append((held, share))
    named = {*ties["owner"], *ties["owned"]}
    states = {seats.get(name, name) for name in ties["owner"] if name in seats or _is_state(name)}
    basis = str(weakest(*ties["basis"].unique(), *entities["basis"].unique())) if ties.height else "observed"
    rows = [
        (state, name, str(ReachKind.OWNERSHIP), 1.0, basis)
        for state in sorted(states)
        for name in sorted(_held(stakes, {n for n in named if seats.get(n, n) == state}, threshold))
        if seats.get(name, name) != state
    ]
    return CONTROLS.conform(pl.DataFrame(rows, schema=dict(CONTROLS.schema), orient="row"))


def _held(stakes: dict[str, list[tuple[str, float]]], own: set[str], threshold: float) -> set[str]:
    """The least fixed point: every entity is taken up once, so cross-holdings end."""
    held, queue, sums = set(own), sorted(own), dict[str, float]()
    while queue:
        for name, share in stakes.get(queue.pop(), ()):
            sums[name] = sums.get(name, 0.0) + share
            if name not in held and sums[name] >= threshold - _ROUNDING:
                held.add(name)
                queue.append(name)
    return held


def _is_state(name: str) -> bool:
    return name_of(name) != name and len(name) == 3


def _refuse_more_than_whole(ties: pl.DataFrame) -> None:
    sums = ties.group_by("owned").agg(pl.col("share").sum()).filter(pl.col("share") > 1 + _ROUNDING).sort("owned")
    if sums.height:
        raise InputError(
            "stakes add up to more than the whole",
            faults=[Fault(f"{name}: {share:.6g}") for name, share in sums.head(20).rows()],
            mend="shares run from 0 to 1; is one stake in it twice?",
        )

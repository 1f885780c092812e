"""Hypothetical extraction: the world's output without a producer, without part of it, or without some deliveries.

    complete   rows and columns of a producer are taken out: x - x* = L_:R z, L_RR z = x_R
    partial    a share of them: the system is corrected, (I - A + C)^-1, C the coefficients that are gone
    edges      named deliveries, likewise

However many scenarios, I - A is factored once (`io_table/cuts.py` says how). Losses are of gross output, in the table's
unit; `by_economy` sums them, as output or as value added. Nobody substitutes and prices stand still: bounds.

References: Dietzenbacher, van der Linden and Steenge (1993), Economic Systems Research 5(2); Dietzenbacher and Lahr
(2013), Expanding Extractions, Economic Systems Research 25(3), on parts of a producer.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from weaponized_interdependence.errors import Fault, InputError, UsageError, nearest
from weaponized_interdependence.io_table import Array, Cut, IOTable, LeontiefSystem, cut_of
from weaponized_interdependence.io_table.cuts import Cells


class Edge(NamedTuple):
    """Deliveries of one industry to one economy that stop: to `use`, a sector or final demand; None is to all."""

    origin: str
    sector: str
    destination: str
    use: str | None = None
    share: float = 1.0


def extract(system: LeontiefSystem, cuts: Sequence[Cut]) -> Array:
    """Output lost by every industry in each scenario, (rows, scenarios).

    Parameters
    ----------
    system
        The table, factored once for all of them.
    cuts
        From `cut_of` (shares), `economy_cut` (a producer or part of it) or `edge_cut` (named deliveries).

    Raises
    ------
    ModelError
        I - A is singular, or production chains never end.

    Examples
    --------
    A sells inputs of 4 to B, and 1 to final users; B makes 10 of them. Half of the inputs stop.

    >>> from weaponized_interdependence.simulation.production.examples import small
    >>> t = small([[0.0, 4.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 10.0]], ("A", "B"))
    >>> extract(LeontiefSystem(t), [edge_cut(t, [Edge("A", "s1", "B", "s1", 0.5)])]).tolist()
    [[2.0], [0.0]]
    """
    system.require_ending()
    return system.extract(cuts)


def extract_economies(system: LeontiefSystem, groups: Iterable[Collection[str]] | None = None) -> Array:
    """Output lost by every industry when an economy's (or a group's) producers are gone, (rows, groups).

    Complete extraction of each group in turn: none of its industries sells or buys. Its consumers stay and go on
    buying from others. Default groups: every economy by itself. One factorisation, one block of L each, one solve.

    Examples
    --------
    >>> from weaponized_interdependence.simulation.production.examples import small
    >>> t = small([[0.0, 4.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 10.0]], ("A", "B"))
    >>> extract_economies(LeontiefSystem(t)).T.tolist()
    [[5.0, 0.0], [4.0, 10.0]]
    """
    system.require_ending()
    table = system.table
    named = [(e,) for e in table.economies] if groups is None else [tuple(dict.fromkeys(g)) for g in groups]
    _known(table, [e for group in named for e in group])
    out = np.zeros((len(table.x), len(named)))
    for size in sorted({len(group) for group in named} - {0}):  # blocks of one size are cut out together
        which = [k for k, group in enumerate(named) if len(group) == size]
        rows = np.array([_rows(table, named[k]) for k in which])
        out[rows, np.array(which)[:, None]] = system.taken_out(rows)
    return system.leontief(out)


def economy_cut(table: IOTable, economies: Collection[str], share: float = 1.0) -> Cut:
    """The cut that takes a share of some economies' producers out: what they sell and buy, inside the group too.

    Sales to final demand everywhere are among it; what their own consumers buy from others is not. With a share of one
    it is the complete extraction that `extract_economies` gives, as far as the table's rows add up to its output.
    """
    _known(table, economies)
    n, j, _ = table.size
    rows = _rows(table, economies)
    inputs, final = np.zeros((n * j, n)), np.zeros((n * j, n))
    inputs[rows], final[rows] = share, share
    inputs[:, [table.economies.index(e) for e in economies]] = share
    return cut_of(table, inputs, final)


def edge_cut(table: IOTable, edges: Iterable[Edge]) -> Cut:
    """The cut of named deliveries; where two edges name the same delivery the larger share holds.

    Raises
    ------
    InputError
        Names the table does not have and shares outside 0 to 1: every fault, each with what is near.
    """
    _, j, f = table.size
    faults: list[Fault] = []
    inputs: dict[tuple[int, int], float] = {}
    final: dict[tuple[int, int], float] = {}
    economy, sector, demand = (
        {name: k for k, name in enumerate(names)} for names in (table.economies, table.sectors, table.demands)
    )
    for edge in edges:
        wrong = [
            *_absent("economy", (edge.origin, edge.destination), economy),
            *_absent("sector", (edge.sector,), sector),
            *_absent("sector or final demand", () if edge.use is None else (edge.use,), [*sector, *demand]),
        ]
        if not 0 <= edge.share <= 1:
            wrong.append(Fault(f"share {edge.share} of {edge.origin} {edge.sector} is not between 0 and 1"))
        if wrong:
            faults += wrong
            continue
        row, buyer = economy[edge.origin] * j + sector[edge.sector], economy[edge.destination]
        uses = [edge.use] if edge.use is not None else [*sector, *demand]
        for use in uses:
            held, column = (inputs, buyer * j + sector[use]) if use in sector else (final, buyer * f + demand[use])
            held[row, column] = max(edge.share, held.get((row, column), 0.0))
    if faults:
        raise InputError("these deliveries are not in the table", faults=dict.fromkeys(faults))
    return Cut(_single(inputs), _single(final))


def by_economy(system: LeontiefSystem, lost: Array, *, value_added: bool = True) -> Array:
    """Losses of industries (rows, ...) summed to economies (N, ...): of value added, or of gross output."""
    n, j, _ = system.table.size
    weight = system.value_added_share if value_added else np.ones(n * j)
    return np.asarray((lost.T * weight).T.reshape(n, j, *lost.shape[1:]).sum(axis=1))


def _single(cells: dict[tuple[int, int], float]) -> Cells:
    places = np.array(sorted(cells), dtype=np.int64).reshape(-1, 2)
    shares = np.array([cells[row, column] for row, column in sorted(cells)], dtype=np.float64)
    return Cells(places[:, 0], places[:, 1], shares, 1)


def _rows(table: IOTable, economies: Iterable[str]) -> list[int]:
    return [row for e in economies for row in range(len(table.x))[table.rows_of(e)]]


def _known(table: IOTable, economies: Iterable[str]) -> None:
    if faults := _absent("economy", economies, table.economies):
        raise UsageError("the table has no such economy", faults=faults, mend=f"it has {', '.join(table.economies)}")


def _absent(kind: str, names: Iterable[str], known: Collection[str]) -> list[Fault]:
    return [
        Fault(f"no {kind} {name!r}", mend=f"did you mean {', '.join(close)}?" if close else "")
        for name in dict.fromkeys(names)
        if name not in known
        for close in [nearest(name, list(known))]
    ]

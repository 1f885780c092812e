"""Who stands between when flows take every way at once, as current does: current-flow betweenness."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import in_threads, on_one_blas_thread
from weaponized_interdependence.errors import Fault, ModelError
from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.base import by_network as each_network
from weaponized_interdependence.indicators.finance.walks import MOST_NODES, alike, chain_on, inverse, strong_classes
from weaponized_interdependence.network import Floats, Ints, Network, to_sparse
from weaponized_interdependence.terms import Basis

_NEWMAN = "Newman (2005), A measure of betweenness centrality based on random walks, Social Networks 27(1): 39-54"
_NOTHING = 1e-12  # shares below are what is left of subtracting all from all
_MOST_STEPS = 5e11  # of the directed kernel: some minutes of CPU
_MOST_SORTED = 2e10  # numbers to sort: some minutes of CPU
_CHUNK = 100_000  # numbers sorted at a time: they stay in the cache
_TIES = 2_000  # ties a part of the work: by the data, so that threads change nothing


@register(
    title="Current-flow betweenness",
    formula="b(i) = sum over pairs s < t other than i of I_i^st / ((n - 1)(n - 2) / 2), I_i^st = 1/2 sum_j w_ij |U_i - "
    "U_j| with U the potentials when one unit of current enters at s and leaves at t",
    weight_meaning="conductance of a pair is the value of its flows in both directions together; self-loops are left "
    "out",
    unit="share of current, 0 to 1",
    citation=f"{_NEWMAN}; Brandes and Fleischer (2005), Centrality measures based on current flow, STACS 2005, LNCS "
    "3404: 533-544",
    notes="Directions are summed, so who sends does not matter; current_flow_betweenness_directed keeps them. Pairs "
    "without connection carry no current. Not defined (null) with fewer than three nodes. One n x n matrix, and "
    "m n log n steps: at most 8,000 nodes and 2e10 for pairs of partners times nodes. Shares below 1e-12 are zero, "
    "scores within a relative 1e-10 equal.",
    best=Basis.ESTIMATED,
)
@on_one_blas_thread
def current_flow_betweenness(context: Context) -> pl.DataFrame:
    """Share of a current between two other nodes that runs through the node, on average over all pairs.

    Examples
    --------
    On a path all current from one side passes: B has 2 of 3 pairs, A-C and A-D.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("current_flow_betweenness", [("A", "B", 1), ("B", "C", 1), ("C", "D", 1)])
    {'A': 0.0, 'B': 0.666666666667, 'C': 0.666666666667, 'D': 0.0}
    """
    _refuse(context, _sorted_in, _MOST_SORTED)
    return each_network(context, _undirected)


@register(
    title="Current-flow betweenness, directed",
    formula="b(i) = sum over ordered pairs s, t other than i of I_i^st / ((n - 1)(n - 2)), with I_i^st = 1/2 sum_j "
    "|V_i P_ij - V_j P_ji|, V_i the mean number of visits to i of a walk from s before it reaches t and P_ij = v_ij / "
    "sum_k v_ik",
    weight_meaning="flow value is the strength of a tie; a walker follows a tie with probability proportional to it; "
    "self-loops are left out (they would change nothing)",
    unit="net passages a pair of nodes",
    citation=f"{_NEWMAN}, whose current is the net passages of an absorbed walk; the same walk on directed ties is "
    "this project's reading",
    notes="Equal to current_flow_betweenness where every pair sends each other the same value. On directed ties net "
    "passages may run in circles while the walker looks for a target that is rarely reached, so a score can exceed 1, "
    "and such targets weigh most in the mean. Walks stay inside a strongly connected class, pairs of different classes "
    "have none and count as zero. Not defined (null) with fewer than three nodes, and where a class is nearly in "
    "pieces. Two n x n matrices, and n^2 steps for each pair of partners: at most 8,000 nodes and 5e11 steps. Shares "
    "below 1e-12 are zero, scores within a relative 1e-10 equal.",
    best=Basis.ESTIMATED,
)
@on_one_blas_thread
def current_flow_betweenness_directed(context: Context) -> pl.DataFrame:
    """How often a walker between two other nodes passes the node, to and fro over the same tie cancelled.

    Examples
    --------
    In a circle of three, of two ordered pairs of others one leads past the node.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("current_flow_betweenness_directed", [("A", "B", 5), ("B", "C", 1), ("C", "A", 1)])
    {'A': 0.5, 'B': 0.5, 'C': 0.5}
    """
    _refuse(context, _steps_in, _MOST_STEPS)
    return each_network(context, _directed)


def _undirected(net: Network) -> Floats:
    """Component by component: potentials from one grounded inverse, then one sort for each pair of partners."""
    n = len(net.nodes)
    if n < 3:
        return np.full(n, np.nan)
    label, sizes, pairs = _components(net)
    through, place = np.zeros(n), np.empty(n, dtype=np.int64)
    for c in np.flatnonzero(sizes > 2):
        members = np.flatnonzero(label == c)
        place[members] = np.arange(len(members))
        within = label[pairs.row] == c
        ends = place[pairs.row[within]], place[pairs.col[within]]
        through[members] = _currents(*ends, pairs.data[within], len(members))
    return _settled(through / ((n - 1) * (n - 2) / 2))


def _components(net: Network) -> tuple[Ints, Ints, Any]:
    """Component of every node, their sizes, and the pairs of partners with their conductance."""
    from scipy.sparse import triu
    from scipy.sparse.csgraph import connected_components

    flows = to_sparse(net)
    both = (flows + flows.T).tocsr()
    count, label = connected_components(both, directed=False)
    of_node = np.asarray(label, dtype=np.int64)
    return of_node, np.bincount(of_node, minlength=count), triu(both, 1).tocoo()


def _currents(first: Ints, second: Ints, weight: Floats, n: int) -> Floats:
    """Current through every node of a connected network, summed over the pairs of others, (n,).

    The current over {i, j} from s to t is d_s - d_t with d_s = w (T_is - T_js), T the potentials; over all pairs the
    absolute differences of n numbers add up to sum_k (2k - n + 1) d_(k), k = 0.. in ascending order.
    """
    potential = _potentials(first, second, weight, n)
    ranks = 2.0 * np.arange(n) - n + 1
    step = max(1, _CHUNK // n)

    def part(begin: int) -> tuple[Ints, Ints, Floats, Floats]:
        i, j = first[begin : begin + step], second[begin : begin + step]
        d = weight[begin : begin + step, None] * (potential[i] - potential[j])
        k = np.arange(len(i))
        own_i, own_j = np.abs(d - d[k, i][:, None]).sum(axis=1), np.abs(d - d[k, j][:, None]).sum(axis=1)
        d.sort(axis=1)
        d *= ranks
        total = d.sum(axis=1)
        return i, j, total - own_i, total - own_j

    through = np.zeros(n)
    for i, j, at_i, at_j in in_threads(part, range(0, len(first), step)):
        through += np.bincount(i, at_i / 2, minlength=n) + np.bincount(j, at_j / 2, minlength=n)
    return through


def _potentials(first: Ints, second: Ints, weight: Floats, n: int) -> Floats:
    """T (n, n), symmetric: potential of i when a unit enters at s and leaves at the grounded node.

    Grounded is the node of greatest conductance, and rows and columns are scaled by the root of their own: then digits
    are lost to how badly current mixes, and not to how far conductances are apart.
    """
    from scipy.linalg import lapack

    own = np.bincount(first, weight, minlength=n) + np.bincount(second, weight, minlength=n)
    root = np.sqrt(own)
    ground = int(np.argmax(own))
    system = np.zeros((n, n), order="F")
    system[first, second] = system[second, first] = -weight / (root[first] * root[second])
    system[np.diag_indices(n)] = 1.0
    system[ground] = system[:, ground] = 0.0  # a node by itself
    system[ground, ground] = 1.0
    factor, failed = lapack.dpotrf(system, lower=True, overwrite_a=True)
    solved, failed = lapack.dpotri(factor, lower=True, overwrite_c=True) if not failed else (factor, failed)
    if failed:
        raise ModelError(
            "current cannot be computed: the network hangs together by ties that are too weak for double precision",
            mend="leave out flows that are tiny beside the others of both their ends",
        )
    solved += np.tril(solved, -1).T - np.triu(solved, 1)
    solved[ground, ground] = 0.0
    solved /= root
    solved /= root[:, None]
    return np.ascontiguousarray(solved)


def _directed(net: Network) -> Floats:
    """Class by class, from the walks of each."""
    n = len(net.nodes)
    if n < 3:
        return np.full(n, np.nan)
    flows = to_sparse(net)
    through = np.zeros(n)
    for members in strong_classes(flows):
        through[members] = _net_passages(flows[members][:, members])
    return _settled(through / ((n - 1) * (n - 2)))


def _net_passages(flows: Any) -> Floats:
    """Net passages through every node of a strongly connected network, summed over ordered pairs of others, (n,)."""
    from scipy.sparse import triu

    from weaponized_interdependence.indicators.kernels.current import net_passages

    chain = chain_on(flows)
    walks = None if chain is None else inverse(chain)
    n = flows.shape[0]
    if chain is None or walks is None:
        return np.full(n, np.nan)
    steps, law = chain.matrix, walks.stationary
    Z = np.ascontiguousarray(walks.G.T)
    H = np.ascontiguousarray((walks.G.diagonal() - walks.G) / law)
    pairs = triu(steps + steps.T, 1).tocoo()
    i, j = pairs.row.astype(np.int64), pairs.col.astype(np.int64)
    forth, back = (np.asarray(steps[ends], dtype=np.float64).ravel() for ends in ((i, j), (j, i)))

    def part(begin: int) -> Floats:
        own = slice(begin, begin + _TIES)
        through = np.zeros(n)
        net_passages(i[own], j[own], forth[own], back[own], Z, H, law, through)
        return through

    return np.asarray(sum(in_threads(part, range(0, len(i), _TIES)), np.zeros(n)))


def _settled(scores: Floats) -> Floats:
    return alike(np.where(np.abs(scores) < _NOTHING, 0.0, scores))


def _sorted_in(net: Network) -> tuple[int, float]:
    """Nodes of the largest component, and the numbers to sort."""
    label, sizes, pairs = _components(net)
    return int(sizes.max(initial=0)), float(sizes[label[pairs.row]].sum())


def _steps_in(net: Network) -> tuple[int, float]:
    """Nodes of the largest class, and the steps of all."""
    flows = to_sparse(net)
    sizes = [(len(members), float(flows[members][:, members].nnz)) for members in strong_classes(flows)]
    return max((n for n, _ in sizes), default=0), sum(ties * n**2 for n, ties in sizes)


def _refuse(context: Context, size: Callable[[Network], tuple[int, float]], most: float) -> None:
    """Raise ModelError, before any work, where one network is too large or all together take too long."""
    sizes = [(item, *size(net)) for item, net in context.networks()]
    nodes, steps = max((n for _, n, _ in sizes), default=0), sum(s for *_, s in sizes)
    if nodes > MOST_NODES or steps > most:
        worst = sorted(sizes, key=lambda each: -each[2])[:5]
        raise ModelError(
            f"{nodes} nodes, and {steps:.1g} steps over {len(sizes):,} item(s), are too many for current-flow "
            "betweenness",
            faults=[Fault(f"{item}: {n} nodes that hang together, {s:.1g} steps") for item, n, s in worst],
            mend=f"aggregate to at most {MOST_NODES} nodes and {most:.0g} steps in all, leave out small flows, rank "
            "fewer items at a time, or use counting_betweenness, which takes one inverse",
        )

"""Largest and cheapest flows in whole numbers, and what is left of them when some arcs may carry less.

A graph is a tuple of int64 arrays (tail (m,), head (m,), out_first (n+1,), in_first (n+1,), in_arc (m,)): arcs are
sorted by tail, so those that leave v are out_first[v] to out_first[v+1]; in_arc lists arcs by head. The state of a flow
is a tuple (cap (m,), flow (m,), balance (n,), mark (m,), touched (m,), count (1,)): `balance` is what is left to send
on from a node (above zero) or what it still needs (below); `touched` lists the arcs whose flow or capacity is no longer
that of the base, so that only these are put back.

Why a removal needs no new flow. Let f be a largest flow of value F and take arcs away. Where they carried something,
their tails now have an excess and their heads a need. Fill the needs, from the source or from excesses, along paths of
the residual graph. What cannot be filled, N in sum, is exactly the value lost: the needs and excesses are a stand-in
source and sink which together complete the flow to one of value F. No path is left from an excess to a need, so N runs
from the stand-in to the old sink; and a path that brought more than F - N to the sink would, along the flow that leaves
a need, also have reached that need. So the work is that of what passed the arcs taken, not of the whole flow.
"""

from heapq import heappop, heappush
from typing import Any

import numpy as np

from weaponized_interdependence.compiled import compiled
from weaponized_interdependence.network import Floats, Ints

Graph = tuple[Ints, Ints, Ints, Ints, Ints]
State = tuple[Ints, Ints, Ints, Any, Ints, Ints]  # the fourth is bool


@compiled
def state_of(n: int, cap: Ints, flow: Ints) -> State:
    """The state of a flow over n nodes of which nothing has been changed."""
    m = len(cap)
    mark, touched, count = np.zeros(m, np.bool_), np.zeros(m, np.int64), np.zeros(1, np.int64)
    return cap.copy(), flow.copy(), np.zeros(n, np.int64), mark, touched, count


@compiled
def touch(arc: int, state: State) -> None:
    """Note that an arc is about to differ from the base."""
    _, _, _, mark, touched, count = state
    if not mark[arc]:
        mark[arc] = True
        touched[count[0]] = arc
        count[0] += 1


@compiled
def restore(state: State, cap: Ints, flow: Ints) -> None:
    """Put the arcs touched, and all balances, back to those of the base."""
    caps, flows, balance, mark, touched, count = state
    for k in range(count[0]):
        arc = touched[k]
        caps[arc], flows[arc], mark[arc] = cap[arc], flow[arc], False
    count[0] = 0
    balance[:] = 0


@compiled
def rounded(capacity: float, most: int) -> int:
    """The nearest whole number, at most `most`."""
    return most if capacity >= most else int(np.rint(capacity))


@compiled
def squeeze(graph: Graph, state: State, raw: Floats, most: int, nodes: Ints, keep: Floats) -> int:
    """Scale the arcs of some nodes by what both their ends keep; what flowed beyond that becomes excess and need.

    A capacity is the whole number nearest to raw x keep x keep, and at most `most`. Gives how much was cut off.
    """
    tail, head, out_first, in_first, in_arc = graph
    cap, flow, balance, _, _, _ = state
    cut = 0
    for node in nodes:
        outs = out_first[node + 1] - out_first[node]
        for i in range(outs + in_first[node + 1] - in_first[node]):
            arc = out_first[node] + i if i < outs else in_arc[in_first[node] + i - outs]
            share = keep[tail[arc]] * keep[head[arc]]
            now = rounded(raw[arc] * share, most)
            if now < cap[arc]:
                touch(arc, state)
                cap[arc] = now
                over = flow[arc] - now
                if over > 0:
                    flow[arc] = now
                    balance[tail[arc]] += over
                    balance[head[arc]] -= over
                    cut += over
    return cut


@compiled
def lacking(balance: Ints) -> int:
    """Sum of all needs."""
    need = 0
    for left in balance:
        if left < 0:
            need -= left
    return need


@compiled
def push(graph: Graph, state: State, path: Ints, steps: int, start: int, end: int) -> None:
    """Send along a path as much as its start has, its end needs and its arcs let pass; arc ~a is a, undone."""
    cap, flow, balance, _, _, _ = state
    amount = min(balance[start], -balance[end])
    for k in range(steps):
        arc = path[k]
        amount = min(amount, cap[arc] - flow[arc] if arc >= 0 else flow[~arc])
    for k in range(steps):
        arc = path[k]
        if arc >= 0:
            touch(arc, state)
            flow[arc] += amount
        else:
            touch(~arc, state)
            flow[~arc] -= amount
    balance[start] -= amount
    balance[end] += amount


@compiled
def fill(graph: Graph, state: State) -> None:
    """Fill needs from what nodes have left, as far as arcs allow: Dinic's algorithm, searching back from the needs.

    A round sends what can be sent by shortest paths from one node that is nearest to a need.
    """
    tail, head, out_first, in_first, in_arc = graph
    cap, flow, balance, _, _, _ = state
    n = len(balance)
    level, queue = np.full(n, -1), np.empty(n, np.int64)
    step, path = np.zeros(n, np.int64), np.empty(n, np.int64)
    while True:
        size, start, k = 0, -1, 0
        for v in range(n):
            if balance[v] < 0:
                level[v] = 0
                queue[size] = v
                size += 1
        while k < size and start < 0:
            v = queue[k]
            k += 1
            ins = in_first[v + 1] - in_first[v]
            # The last first: the source has a high number, and once it is met its whole level need not be.
            for i in range(ins + out_first[v + 1] - out_first[v] - 1, -1, -1):
                arc = out_first[v] + i - ins if i >= ins else in_arc[in_first[v] + i]
                u = head[arc] if i >= ins else tail[arc]
                if level[u] < 0 and (flow[arc] > 0 if i >= ins else flow[arc] < cap[arc]):
                    level[u] = level[v] + 1
                    queue[size] = u
                    size += 1
                    if balance[u] > 0:
                        start = u
                        break
        if start < 0:
            return
        _drain(graph, state, level, step, path, start)
        for k in range(size):
            level[queue[k]], step[queue[k]] = -1, 0


@compiled
def _drain(graph: Graph, state: State, level: Ints, step: Ints, path: Ints, start: int) -> None:
    """Send what a node has left down the levels; `step` remembers which arcs of a node lead nowhere any more."""
    tail, head, out_first, in_first, in_arc = graph
    cap, flow, balance, _, _, _ = state
    depth, v = 0, start
    while balance[start] > 0:
        if level[v] == 0:
            push(graph, state, path, depth, start, v)
            depth, v = 0, start
            continue
        outs = out_first[v + 1] - out_first[v]
        every = outs + in_first[v + 1] - in_first[v]
        while step[v] < every:
            i = step[v]
            arc = out_first[v] + i if i < outs else in_arc[in_first[v] + i - outs]
            w = head[arc] if i < outs else tail[arc]
            free = flow[arc] < cap[arc] if i < outs else flow[arc] > 0
            if free and level[w] == level[v] - 1 and (level[w] > 0 or balance[w] < 0):
                path[depth] = arc if i < outs else ~arc
                break
            step[v] += 1
        if step[v] < every:
            depth += 1
            v = w
        elif depth == 0:
            return
        else:
            depth -= 1
            v = tail[path[depth]] if path[depth] >= 0 else head[~path[depth]]
            step[v] += 1


@compiled
def fill_cheaply(graph: Graph, state: State, cost: Floats, potential: Floats) -> None:
    """Fill needs at least cost: successive shortest paths, on costs reduced by potentials so that none is negative.

    A flow that no cycle of the residual graph makes cheaper stays one when arcs are taken away, so a base that is the
    cheapest of its value is completed to the cheapest of what is left. `potential` belongs to the flow and is changed.
    """
    tail, head, out_first, in_first, in_arc = graph
    cap, flow, balance, _, _, _ = state
    n = len(balance)
    path, back = np.empty(n, np.int64), np.empty(n, np.int64)
    while True:
        far, done = np.full(n, np.inf), np.zeros(n, np.bool_)
        heap = [(0.0, np.int64(0))]
        heap.pop()
        for v in range(n):
            if balance[v] > 0:
                far[v], back[v] = 0.0, 0
                heappush(heap, (0.0, np.int64(v)))
        end = -1
        while heap:
            length, nearest = heappop(heap)
            v = int(nearest)
            if done[v]:
                continue
            done[v] = True
            if balance[v] < 0:
                end = v
                break
            outs = out_first[v + 1] - out_first[v]
            for i in range(outs + in_first[v + 1] - in_first[v]):
                arc = out_first[v] + i if i < outs else in_arc[in_first[v] + i - outs]
                w = head[arc] if i < outs else tail[arc]
                if done[w] or not (flow[arc] < cap[arc] if i < outs else flow[arc] > 0):
                    continue
                reduced = (cost[arc] if i < outs else -cost[arc]) + potential[v] - potential[w]
                if length + max(reduced, 0.0) < far[w]:  # below zero by rounding only
                    far[w] = length + max(reduced, 0.0)
                    back[w] = arc if i < outs else ~arc
                    heappush(heap, (far[w], np.int64(w)))
        if end < 0:
            return
        for v in range(n):
            potential[v] += min(far[v], far[end])
        steps, v = 0, end
        while balance[v] <= 0:
            path[steps] = back[v]
            steps += 1
            v = tail[back[v]] if back[v] >= 0 else head[~back[v]]
        push(graph, state, path, steps, v, end)


@compiled
def denied(
    graph: Graph, raw: Floats, most: int, cap: Ints, flow: Ints, source: int, first: Ints, held: Ints, grip: Floats
) -> Ints:
    """Value that a largest flow (cap, flow) from `source` loses, for each list of nodes held and how firmly: (k,).

    List j holds held[first[j]:first[j+1]].
    """
    n = len(graph[2]) - 1
    state = state_of(n, cap, flow)
    keep, lost = np.ones(n), np.zeros(len(first) - 1, np.int64)
    balance = state[2]
    for j in range(len(first) - 1):
        nodes = held[first[j] : first[j + 1]]
        keep[nodes] = 1.0 - grip[first[j] : first[j + 1]]
        if squeeze(graph, state, raw, most, nodes, keep):
            balance[source] = 2**62
            fill(graph, state)
            lost[j] = lacking(balance)
        restore(state, cap, flow)
        keep[nodes] = 1.0
    return lost


@compiled
def dearer(
    graph: Graph,
    raw: Floats,
    most: int,
    cap: Ints,
    flow: Ints,
    cost: Floats,
    potential: Floats,
    first: Ints,
    held: Ints,
    grip: Floats,
) -> Floats:
    """How much more a cheapest flow costs once some nodes are held, for each list of nodes: (k,). As `denied`."""
    n = len(graph[2]) - 1
    state = state_of(n, cap, flow)
    keep, more = np.ones(n), np.zeros(len(first) - 1)
    _, flows, _, _, touched, count = state
    for j in range(len(first) - 1):
        nodes = held[first[j] : first[j + 1]]
        keep[nodes] = 1.0 - grip[first[j] : first[j + 1]]
        if squeeze(graph, state, raw, most, nodes, keep):
            fill_cheaply(graph, state, cost, potential.copy())
            for k in range(count[0]):
                arc = touched[k]
                more[j] += cost[arc] * (flows[arc] - flow[arc])
        restore(state, cap, flow)
        keep[nodes] = 1.0
    return more


@compiled
def within_reach(graph: Graph, raw: Floats, most: int, source: int, sink: int, nodes: Ints, grip: Floats) -> int:
    """What could arrive if only the arcs that leave `source` were limited: those with a path on to the sink."""
    tail, _, out_first, in_first, in_arc = graph
    n = len(out_first) - 1
    keep, seen, queue = np.ones(n), np.zeros(n, np.bool_), np.empty(n, np.int64)
    keep[nodes] = 1.0 - grip
    queue[0], seen[sink], size, k, found = sink, True, 1, 0, 0
    while k < size and found < most:
        v = queue[k]
        k += 1
        for p in range(in_first[v], in_first[v + 1]):
            u = tail[in_arc[p]]
            if u == source:
                found += rounded(raw[in_arc[p]] * keep[v], most)
            elif not seen[u] and keep[u] > 0:
                seen[u] = True
                queue[size] = u
                size += 1
    return min(found, most)


@compiled
def between_all(graph: Graph, cap: Ints, unit: Floats, sources: Ints) -> tuple[Floats, Floats]:
    """Largest flows between all pairs from these sources: what those of others lose without each node, and what they
    are, (n,) each. Capacities of arcs between nodes of one component are in its `unit` (n,).
    """
    n, m = len(graph[2]) - 1, len(cap)
    state = state_of(n, cap, np.zeros(m, np.int64))
    _, flows, balance, _, touched, count = state
    flow, still, raw, keep = np.zeros(m, np.int64), np.zeros(m, np.int64), cap.astype(np.float64), np.ones(n)
    lost, others, passed = np.zeros(n), np.zeros(n), np.zeros(n, np.bool_)
    values = np.zeros(n)
    most = int(cap.max())
    tail, head = graph[0], graph[1]
    for s in sources:
        values[s] = 0.0
        for t in range(n):
            if t == s:
                continue
            wanted = 0
            for p in range(graph[3][t], graph[3][t + 1]):
                wanted += cap[graph[4][p]]
            balance[s], balance[t] = 2**62, -wanted
            fill(graph, state)
            values[t] = (wanted + balance[t]) * unit[s]
            passed[:] = False
            for k in range(count[0]):
                arc = touched[k]
                flow[arc] = flows[arc]
                if flow[arc] > 0:
                    passed[tail[arc]] = True
                    passed[head[arc]] = True
            used = touched[: count[0]].copy()
            restore(state, cap, flow)
            for i in range(n):
                if passed[i] and i not in (s, t):
                    keep[i] = 0.0
                    nodes = np.array([i])
                    squeeze(graph, state, raw, most, nodes, keep)
                    balance[s] = 2**62
                    fill(graph, state)
                    lost[i] += lacking(balance) * unit[s]
                    restore(state, cap, flow)
                    keep[i] = 1.0
            for arc in used:
                flow[arc] = flows[arc] = still[arc]
        # All values but that of i, by sums from either end: a difference of sums would drown what is small.
        before, after = 0.0, 0.0
        for i in range(n):
            k = n - 1 - i
            if i != s:
                others[i] += before
            if k != s:
                others[k] += after
            before += values[i]
            after += values[k]
    return lost, others


@compiled
def smallest_cut(graph: Graph, cap: Ints, wanted: int, source: int, sink: int) -> tuple[int, Any]:
    """Value of a smallest cut, at most `wanted`, and the nodes on the sink's side of the one that is nearest to it."""
    tail, head, out_first, in_first, in_arc = graph
    n = len(out_first) - 1
    state = state_of(n, cap, np.zeros(len(cap), np.int64))
    _, flow, balance, _, _, _ = state
    balance[source], balance[sink] = 2**62, -wanted
    fill(graph, state)
    side, queue = np.zeros(n, np.bool_), np.empty(n, np.int64)
    side[sink], queue[0], size, k = True, sink, 1, 0
    while k < size:
        v = queue[k]
        k += 1
        ins = in_first[v + 1] - in_first[v]
        for i in range(ins + out_first[v + 1] - out_first[v]):
            arc = in_arc[in_first[v] + i] if i < ins else out_first[v] + i - ins
            u = tail[arc] if i < ins else head[arc]
            if not side[u] and (flow[arc] < cap[arc] if i < ins else flow[arc] > 0):
                side[u] = True
                queue[size] = u
                size += 1
    return wanted + balance[sink], side

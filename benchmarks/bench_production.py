"""World tables of up to 3,420 industries: multipliers, every economy extracted in turn, 200 partial extractions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness import benchmark

SECTORS = 45
SIZES = (990, 1_980, 3_420)  # 22, 44 and 76 economies
FEW, SCENARIOS, SENDERS = 3, 200, 20  # solving anew takes a factorisation each: a few of them are enough to see it


def prepare(folder: Path, size: int) -> str:
    """A dense table whose industries use four tenths to seven tenths of their output as inputs, mostly from at home."""
    import numpy as np

    economies = size // SECTORS
    rng = np.random.default_rng(2016)
    output = rng.lognormal(3.0, 1.5, size)
    home = np.kron(np.eye(economies), np.ones((SECTORS, SECTORS)))
    deliveries = rng.gamma(0.3, 1.0, (size, size)) * (30 * home + 1) * output[:, None]
    deliveries *= rng.uniform(0.4, 0.7, size) / deliveries.sum(axis=0) * output
    # nobody delivers more than nine tenths of what it makes to other industries
    deliveries *= np.minimum(1.0, 0.9 * output / deliveries.sum(axis=1))[:, None]
    weights = rng.gamma(0.5, 1.0, (size, economies)) + 20 * home[:, ::SECTORS]
    final = weights / weights.sum(axis=1, keepdims=True) * (output - deliveries.sum(axis=1))[:, None]
    shares = rng.uniform(0.2, 1.0, (SCENARIOS, 2, SENDERS, SECTORS))
    senders = np.array([rng.permutation(economies)[: SENDERS + 1] for _ in range(SCENARIOS)])  # the target comes first
    made = {"Z": deliveries, "Y": final, "x": output, "shares": shares, "parties": senders}
    for name, array in made.items():
        np.save(folder / f"{name}.npy", array)
    return f"generated table of {economies} economies by {SECTORS} sectors, every cell above zero."


def _arrays(folder: Path) -> tuple[Any, Any, Any]:
    import numpy as np

    deliveries, final, output = (np.load(folder / f"{name}.npy") for name in ("Z", "Y", "x"))
    return deliveries, final, output


def _system(folder: Path) -> Any:
    import numpy as np

    from weaponized_interdependence.io_table import IOTable, LeontiefSystem

    deliveries, final, output = _arrays(folder)
    table = IOTable(
        period="2020",
        economies=tuple(f"E{k:02}" for k in range(final.shape[1])),
        sectors=tuple(f"s{k:02}" for k in range(SECTORS)),
        demands=("final",),
        Z=deliveries,
        Y=final,
        VA=output - deliveries.sum(axis=0),
        x=output,
        other=np.zeros(len(output)),
        classification="MADE",
        basis="assumed",
    )
    return LeontiefSystem(table)


def _denied(folder: Path, k: int) -> Any:
    """Shares of scenario k, (rows, economies): the target's trade with 20 senders, both ways, sector by sector."""
    import numpy as np

    shares, parties = np.load(folder / "shares.npy", mmap_mode="r")[k], np.load(folder / "parties.npy")[k]
    economies = np.load(folder / "Y.npy", mmap_mode="r").shape[1]
    denied = np.zeros((economies, SECTORS, economies))
    denied[parties[1:], :, parties[0]] = shares[0]
    denied[parties[0]][:, parties[1:]] = shares[1].T
    return denied.reshape(-1, economies)


# ---- A, L and multipliers ---------------------------------------------------------------------------------------


def pymrio_multipliers(folder: Path) -> Any:
    import numpy as np
    import pymrio

    deliveries, _, output = _arrays(folder)
    inverse = pymrio.calc_L(pymrio.calc_A(deliveries, output))
    added = (1 - deliveries.sum(axis=0) / output)[None, :]
    return np.concatenate([inverse.sum(axis=0), np.ravel(pymrio.calc_M(added, inverse))])


def our_multipliers(folder: Path) -> Any:
    import numpy as np

    from weaponized_interdependence.simulation.production import multipliers

    found = multipliers(_system(folder))
    return np.concatenate([found.output, found.value_added])


def numpy_multipliers(folder: Path) -> Any:
    import numpy as np

    deliveries, _, output = _arrays(folder)
    inverse = np.linalg.inv(np.eye(len(output)) - deliveries / output)
    return np.concatenate([inverse.sum(axis=0), (1 - deliveries.sum(axis=0) / output) @ inverse])


# ---- every economy in turn --------------------------------------------------------------------------------------


def economies_anew(folder: Path) -> Any:
    """Output the world loses without the first economies, inverting anew for each."""
    import numpy as np

    deliveries, final, output = _arrays(folder)
    coefficients, demand, lost = deliveries / output, final.sum(axis=1), []
    for k in range(FEW):
        gone = slice(k * SECTORS, (k + 1) * SECTORS)
        left, wanted = coefficients.copy(), demand.copy()
        left[gone], left[:, gone], wanted[gone] = 0.0, 0.0, 0.0
        lost.append((output - np.linalg.inv(np.eye(len(output)) - left) @ wanted).sum())
    return np.array(lost)


def our_economies(folder: Path) -> Any:
    from weaponized_interdependence.simulation.production import extract_economies

    return extract_economies(_system(folder)).sum(axis=0)[:FEW]  # all of them are extracted


# ---- 200 parts --------------------------------------------------------------------------------------------------


def parts_anew(folder: Path) -> Any:
    import numpy as np

    deliveries, final, output = _arrays(folder)
    coefficients, lost = deliveries / output, []
    for k in range(FEW):
        denied = _denied(folder, k)
        left = np.eye(len(output)) - coefficients * (1 - np.repeat(denied, SECTORS, axis=1))
        lost.append(output - np.linalg.inv(left) @ (final * (1 - denied)).sum(axis=1))
    return np.array(lost)


def our_parts(folder: Path) -> Any:
    from weaponized_interdependence.io_table import cut_of
    from weaponized_interdependence.simulation.production import extract

    system = _system(folder)
    shares = (_denied(folder, k) for k in range(SCENARIOS))
    cuts = [cut_of(system.table, denied, denied) for denied in shares]
    return extract(system, cuts)[:, :FEW].T


_SHARED: dict[str, Any] = {
    "prepare": prepare,
    "sizes": SIZES,
    "imports": (
        "numpy",
        "scipy.linalg",
        "scipy.sparse.csgraph",
        "polars",
        "weaponized_interdependence.simulation.production",
    ),
    "agree": 1e-9,
    "packages": ("numpy", "scipy"),
}
_THREADS = (
    "The peers leave their matrices to as many threads as there are, which spin while they wait: on a busy machine "
    "their CPU time is several times what it is on a quiet one. Ours takes one thread for each matrix."
)


def register(name: str, question: str, contenders: dict[str, Callable[[Path], Any]], **more: Any) -> None:
    benchmark(name, question, contenders=contenders, **more, **_SHARED)


PYMRIO, OURS = "pymrio: calc_A, calc_L, calc_M", "ours: multipliers()"
NUMPY = "numpy: inv(), column sums"
register(
    "production_multipliers",
    "What do the multipliers of every industry of a world table cost?",
    {PYMRIO: pymrio_multipliers, NUMPY: numpy_multipliers, OURS: our_multipliers},
    requires={PYMRIO: ("pymrio",)},
    limits={OURS: {"cpu": 1.0, "cpu s": 3.4}},
    notes="Ours factors I - A and solves twice; L itself is not made. " + _THREADS,
)
ANEW, ALL = f"numpy: inv() anew for {FEW} economies", "ours: extract_economies(), every economy"
register(
    "production",
    "What does the output lost without each economy cost, from one factorisation?",
    {ANEW: economies_anew, ALL: our_economies},
    limits={ALL: {"cpu": 1.0, "cpu s": 5.0}},
    notes=f"The peer extracts {FEW} economies, ours all of them: 22, 44 and 76. Compared are the first {FEW}. "
    + _THREADS,
)
PARTLY, SWEEP = f"numpy: inv() anew for {FEW} scenarios", f"ours: extract(), {SCENARIOS} scenarios"
register(
    "production_sweep",
    f"What do {SCENARIOS} partial extractions cost that share one factorisation?",
    {PARTLY: parts_anew, SWEEP: our_parts},
    limits={SWEEP: {"cpu": 1.0, "cpu s": 15.0, "peak MB": 1_500}},
    notes=f"Each scenario denies other shares, sector by sector, of one target's trade with {SENDERS} senders, both "
    f"ways. The peer solves {FEW} of them, ours all {SCENARIOS}. Compared are the first {FEW}. " + _THREADS,
)

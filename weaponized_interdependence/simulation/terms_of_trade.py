"""The `terms_of_trade` model: a first-order account of where an equilibrium's gains and losses come from.

Not a second opinion on the loss: it is the differential of welfare evaluated at changes that are not small (Caliendo
and Parro 2015, whose published welfare effects are of this kind). It can differ from the exact real income loss in size
and in sign, so its rows have metrics of their own, no share of GDP and no place in any sum or comparison of losses.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from weaponized_interdependence.simulation.equilibrium.decomposition import decompose
from weaponized_interdependence.simulation.general_equilibrium import World, basis_of, counterfactuals, solved_case
from weaponized_interdependence.simulation.impact import ALL, Answer, answer_rows, no_answer
from weaponized_interdependence.simulation.sectors import SectorShares
from weaponized_interdependence.simulation.shock import CASES
from weaponized_interdependence.terms import HORIZONS, Channel, Metric

MODEL = "terms_of_trade"


def terms_of_trade(
    world: World, cells: SectorShares, horizons: Sequence[str] = HORIZONS, quotas: SectorShares | None = None
) -> Answer:
    """First-order loss of every economy through its terms of trade, and through its volume of trade, in money.

    Shares of income before, as `decompose` has them, times the income that the table says. Losses are positive.
    Raises ModelError where the equilibrium is not found.
    """
    if cells.shares.is_empty() and cells.duties.is_empty() and (quotas is None or quotas.shares.is_empty()):
        return no_answer(MODEL)
    frames = []
    for horizon in horizons:
        splits = []
        for case, asked in zip(CASES, counterfactuals(world, cells, horizon), strict=True):
            laid, after = solved_case(world, asked, quotas, case)
            splits.append(decompose(world.base, after, tariff=laid.tariff))
        basis = basis_of(world, cells, quotas, horizon)
        for metric, parts in (
            (Metric.TERMS_OF_TRADE_LOSS, [s.terms_of_trade for s in splits]),
            (Metric.VOLUME_OF_TRADE_LOSS, [s.volume_of_trade for s in splits]),
        ):
            cases = dict(zip(CASES, (np.multiply(-part, world.income) for part in parts), strict=True))
            frames.append(
                pl.DataFrame({"party": world.table.economies, "item": ALL, **cases}).with_columns(
                    horizon=pl.lit(str(horizon)),
                    channel=pl.lit(Channel.ALL.value),
                    metric=pl.lit(metric.value),
                    basis=pl.lit(basis),
                )
            )
    notes = (
        "terms_of_trade: first order only; its sum is not the real income loss of equilibrium, from which it may "
        "differ in size and sign. What a ban or a barrier wastes is not in it",
    )
    return Answer(MODEL, answer_rows(frames), (), notes)

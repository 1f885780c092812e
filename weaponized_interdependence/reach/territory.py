"""Territory: a node answers to the state where it is seated."""

import polars as pl

from weaponized_interdependence.schemas import CONTROLS, ENTITIES
from weaponized_interdependence.terms import ReachKind


def territory(entities: pl.DataFrame) -> pl.DataFrame:
    """CONTROLS of channel territory: the whole of every entity, for the state it is seated in.

    Economies need no row: a node that is called after a state is that state's territory.

    >>> bank = pl.DataFrame({"id": ["BANK1"], "jurisdiction": ["DEU"], "basis": ["observed"]})
    >>> territory(bank).rows()
    [('DEU', 'BANK1', 'territory', 1.0, 'observed')]
    """
    seats = ENTITIES.conform(entities, where="entities").filter(pl.col("jurisdiction") != pl.col("id"))
    return CONTROLS.conform(
        seats.select(
            "jurisdiction",
            pl.col("id").alias("node"),
            pl.lit(str(ReachKind.TERRITORY)).alias("channel"),
            pl.lit(1.0).alias("share"),
            "basis",
        ).sort("jurisdiction", "node")
    )

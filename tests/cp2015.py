"""The data of Caliendo and Parro (2015), NAFTA, as a baseline: 31 regions, 40 sectors, 1993."""

from pathlib import Path

import numpy as np
import polars as pl

from weaponized_interdependence.simulation.equilibrium import Baseline

MEMBERS = ("Mexico", "Canada", "USA")


def _array(frame: pl.DataFrame, value: str, **axes: tuple[str, ...]) -> np.ndarray:
    """The cells of a long frame as an array with the named columns as axes."""
    at = [frame[c].replace_strict({name: k for k, name in enumerate(names)}).to_numpy() for c, names in axes.items()]
    array = np.zeros([len(names) for names in axes.values()])
    array[tuple(at)] = frame[value].to_numpy()
    return array


def nafta_data(folder: Path) -> tuple[Baseline, np.ndarray]:
    """The baseline of 1993 with the deficits of the data, and the tariffs [j, n, i] of 2005 among the members alone."""
    read = {p.stem: pl.read_parquet(p) for p in (folder / "mrio" / "cp2015").glob("*.parquet")}
    trade = read["trade"]
    sectors, regions = (tuple(trade[c].unique(maintain_order=True)) for c in ("sector", "exporter"))
    axes = {"sector": sectors, "importer": regions, "exporter": regions}
    flow, before, later = (_array(trade, c, **axes) for c in ("value", "tariff_bln", "tariff_cfl"))
    inputs = _array(read["intermediate_consumption"], "value", input=sectors, sector=sectors, region=regions)
    inputs = np.maximum(inputs, 0.0)
    added = _array(read["value_added"], "value", sector=sectors, region=regions)
    final = _array(read["final_consumption"], "value", sector=sectors, region=regions)
    paid = flow * (1.0 + before)
    spent = paid.sum(axis=2, keepdims=True)
    cost = added + inputs.sum(axis=0)
    deficit = _array(read["deficit"], "D", region=regions)
    baseline = Baseline(
        share=np.divide(paid, spent, out=np.zeros_like(paid), where=spent > 0),
        value_added_share=added / cost,
        input_share=inputs / cost,
        consumption_share=final / final.sum(axis=0),
        value_added=added.sum(axis=0),
        tariff=before,
        deficit=deficit - deficit.mean(),
        theta=_array(read["theta"], "value", sector=sectors),
        sectors=sectors,
        economies=regions,
    )
    inside = np.isin(regions, MEMBERS)
    after = before.copy()
    block = np.ix_(np.arange(len(sectors)), inside, inside)
    after[block] = later[block]
    return baseline, after

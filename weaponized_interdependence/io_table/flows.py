"""From a table to FLOWS: what crosses borders."""

import re
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.io_table.container import Array, IOTable
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.terms import Layer

# Sectors whose product is merchandise, by classification prefix. ISIC Rev. 4 divisions 01-33 and ISIC Rev. 3 divisions
# 01-37 are agriculture, mining and manufacturing; WIOD13 c1-c16 are the same in its own numbering. Electricity and gas
# cross borders as goods too, but every publisher here books them together with water and waste, so they count as
# services: the part is small (WIOD 2011, China to USA: 0.05 per cent).
_LAST_GOODS_DIVISION = {"ICIO2016": 37, "ICIO": 33}


def goods_sectors(table: IOTable) -> frozenset[str]:
    """The sectors of the table whose product is merchandise: agriculture, mining and manufacturing.

    Known for WIOD13, the ICIO editions and SITC1S; UsageError for any other classification.
    """
    name = table.classification
    if name == "WIOD13":
        return frozenset(s for s in table.sectors if s in {f"c{i}" for i in range(1, 17)})
    if name == "SITC1S":
        return frozenset(s for s in table.sectors if s != "SERVICES")
    for prefix, last in _LAST_GOODS_DIVISION.items():
        if name.startswith(prefix) and "/" not in name:
            found = {s: re.match(r"[A-C]?(\d\d)", s) for s in table.sectors}
            return frozenset(s for s, m in found.items() if m and 1 <= int(m.group(1)) <= last)
    raise UsageError(
        f"which sectors of {name} make goods is not known here",
        mend="name them: to_flows(table, goods=[...]); or ask for the layer 'inputs'",
    )


def to_flows(
    table: IOTable,
    *,
    layers: Collection[str] = (Layer.GOODS, Layer.SERVICES),
    goods: Collection[str] | None = None,
    domestic: bool = False,
) -> pl.DataFrame:
    """What the table delivers across borders, as FLOWS with item CLASSIFICATION:sector of the supplying sector.

    Formula: goods and services, Z + Y summed over the buyer's industries and categories (layer by the supplying
    sector); inputs, Z alone. The layer `inputs` is thus a part of the other two: never add it to them.

    Parameters
    ----------
    layers
        Any of goods, services, inputs.
    goods
        Sectors that count as goods; by default `goods_sectors(table)`.
    domestic
        Also deliveries inside an economy.

    Returns
    -------
    FLOWS
        Rows with a positive value. A sum can fall below zero where inventories are drawn down; a flow cannot, so such
        cells are left out here and listed by `negative_flows`.

    Raises
    ------
    UsageError
        A layer that a table cannot give, or a classification whose goods sectors are not known.
    """
    return FLOWS.conform(_deliveries(table, layers, goods, domestic).filter(pl.col("value") > 0))


def negative_flows(
    table: IOTable,
    *,
    layers: Collection[str] = (Layer.GOODS, Layer.SERVICES),
    goods: Collection[str] | None = None,
    domestic: bool = False,
) -> pl.DataFrame:
    """The deliveries that `to_flows` leaves out because they are below zero in sum.

    They have columns of FLOWS and break its rule that no flow is negative: a list to read, not a table to use.
    """
    low = _deliveries(table, layers, goods, domestic).filter(pl.col("value") < 0)
    return low.select(c.name for c in FLOWS.columns if not c.nullable)


def _deliveries(table: IOTable, layers: Collection[str], goods: Collection[str] | None, domestic: bool) -> pl.DataFrame:
    lawful = (Layer.GOODS, Layer.SERVICES, Layer.INPUTS)
    if wrong := [layer for layer in layers if layer not in lawful]:
        raise UsageError(f"a table has no layer {', '.join(wrong)}", mend=f"choose from {', '.join(lawful)}")
    n, j, f = table.size
    inputs = table.Z.reshape(n * j, n, j).sum(axis=2)
    wanted: list[tuple[str, Array, npt.NDArray[np.bool_]]] = []
    if {Layer.GOODS, Layer.SERVICES} & set(layers):
        made = goods_sectors(table) if goods is None else frozenset(goods)
        if unknown := sorted(made - set(table.sectors)):
            raise UsageError(f"no sector {', '.join(unknown)}", mend=f"the table has {', '.join(table.sectors)}")
        total = inputs + table.Y.reshape(n * j, n, f).sum(axis=2)
        is_goods = np.tile([s in made for s in table.sectors], n)
        wanted += [(Layer.GOODS, total, is_goods)] if Layer.GOODS in layers else []
        wanted += [(Layer.SERVICES, total, ~is_goods)] if Layer.SERVICES in layers else []
    if Layer.INPUTS in layers:
        wanted.append((Layer.INPUTS, inputs, np.ones(n * j, dtype=bool)))
    economies = np.array(table.economies)
    items = np.array([f"{table.classification}:{s}" for s in table.sectors])
    made_frames = []
    for layer, cells, mask in wanted:
        keep = (cells != 0) & mask[:, None]
        if not domestic:
            keep &= np.arange(n * j)[:, None] // j != np.arange(n)[None, :]
        row, buyer = np.nonzero(keep)
        made_frames.append(
            pl.DataFrame(
                {
                    "origin": economies[row // j],
                    "destination": economies[buyer],
                    "item": items[row % j],
                    "value": cells[row, buyer],
                },
                schema={"origin": pl.String, "destination": pl.String, "item": pl.String, "value": pl.Float64},
            ).with_columns(layer=pl.lit(str(layer)))
        )
    flows = pl.concat(made_frames) if made_frames else FLOWS.empty().drop("period", "unit", "basis")
    return flows.with_columns(period=pl.lit(table.period), unit=pl.lit(table.unit), basis=pl.lit(str(table.basis)))

"""The inter-country input-output table: one frozen container of labelled arrays, because rows would be too many.

IOTable                   the container, with its coefficients A and B            container.py
balance(table)            how far columns and rows are from adding up, and what   accounts.py
                          the publisher's rounding allows
refuse_unbalanced(table)  InputError where they are off by more than any          accounts.py
                          publisher's are
review(table)             what is unusual: negative cells, idle industries, the   accounts.py
                          spectral radius of A
aggregate(table, ...)     fewer economies or sectors, sums preserved              aggregation.py
to_flows(table)           what crosses borders, as FLOWS                          flows.py
LeontiefSystem            L = (I - A)^-1 factored once: chains summed, extracted  leontief.py
cut_of(table, ...)        deliveries that stop, for LeontiefSystem.extract        cuts.py
technology_content(table) whose value added is in whose exports                   content.py
isic_divisions(c, sector) which divisions of ISIC a sector holds                   content.py
write_table, read_table   one Parquet file in long form that any tool can query   files.py
"""

from weaponized_interdependence.io_table.accounts import (
    Balance,
    Gap,
    Review,
    balance,
    refuse_unbalanced,
    review,
    spectral_radius,
)
from weaponized_interdependence.io_table.aggregation import aggregate, sum_into
from weaponized_interdependence.io_table.container import Array, IOTable
from weaponized_interdependence.io_table.content import isic_divisions, technology_content
from weaponized_interdependence.io_table.cuts import Cut, cut_of
from weaponized_interdependence.io_table.files import read_table, write_table
from weaponized_interdependence.io_table.flows import goods_sectors, negative_flows, to_flows
from weaponized_interdependence.io_table.leontief import LeontiefSystem

__all__ = [
    "Array",
    "Balance",
    "Cut",
    "Gap",
    "IOTable",
    "LeontiefSystem",
    "Review",
    "aggregate",
    "balance",
    "cut_of",
    "goods_sectors",
    "isic_divisions",
    "negative_flows",
    "read_table",
    "refuse_unbalanced",
    "review",
    "spectral_radius",
    "sum_into",
    "technology_content",
    "to_flows",
    "write_table",
]

"""The shipped reference files a simulation looks things up in, and their hashes: what else a run rests on.

Groups and economies turn names into codes, product lists say what is humanitarian or named, concordances carry products
to the sectors of a table. Files of the user's own are not here: the hash of a scenario counts their content.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from weaponized_interdependence.harmonize.products import TARGETS, product_lists
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.scenario import Scenario
from weaponized_interdependence.settings import data_dir
from weaponized_interdependence.sources.reading import stamp
from weaponized_interdependence.terms import Layer

# Which tables `harmonize.concordances` reads on the way from HS to each classification.
_CONCORDANCES = {
    "HS_SECTION": ("hs_chapters",),
    "SITC": ("hs_sitc_section",),
    "ISIC3": ("hs_isic3",),
    "WIOD13": ("hs_isic3", "wiod13_industries"),
}


@dataclass(frozen=True)
class Reference:
    """One shipped file: its path below data/, and the SHA-256 of its bytes."""

    path: str
    sha256: str


def references(scenario: Scenario, flows: pl.DataFrame, table: IOTable | None) -> tuple[Reference, ...]:
    """The reference files this scenario is looked up in over these data, sorted by path."""
    paths = sorted({*_names(), *_lists(scenario, flows), *_concordances(flows, table)})
    return tuple(Reference(path.relative_to(data_dir()).as_posix(), stamp(path).sha256) for path in paths)


def concordance_of(table: IOTable) -> str | None:
    """The classification that HS products are carried to for this table, or None where no concordance is known."""
    # SITC1S, sections with services, is the target SITC and one sector more.
    to = {"SITC1S": "SITC"}.get(table.classification, table.classification)
    return to if to in TARGETS else None


def _names() -> Iterator[Path]:
    """Every name is looked for in all groups and among all economies."""
    folder = data_dir() / "reference"
    yield from (folder / f"{name}.csv" for name in ("economies", "economy_codes", "economy_names"))
    yield folder / "groups" / "groups.toml"
    yield from (folder / "groups").glob("*.csv")


def _lists(scenario: Scenario, flows: pl.DataFrame) -> Iterator[Path]:
    folder = data_dir() / "reference" / "products"
    named = {name for measure in scenario.measures for name in measure.lists}
    named |= {name for exemption in scenario.exemptions for name in exemption.lists}
    if (flows["layer"] == Layer.GOODS.value).any():
        named.add("humanitarian")
    if shipped := sorted(named & set(product_lists())):
        yield from (folder / f"{name}.{ending}" for name in shipped for ending in ("csv", "toml"))
        yield folder / "predecessors.csv"


def _concordances(flows: pl.DataFrame, table: IOTable | None) -> Iterator[Path]:
    if table is None or not flows["item"].str.starts_with("HS").any():
        return
    to = concordance_of(table)
    yield from (data_dir() / "reference" / f"{name}.csv" for name in (_CONCORDANCES[to] if to else ()))

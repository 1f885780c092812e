"""Products: the grammar of items, lists of goods and ways between classifications, under one name."""

from weaponized_interdependence.harmonize.concordances import (
    TARGETS,
    Translation,
    hs_chapters,
    hs_sections,
    sitc_sections,
    translate,
    wiod13_industries,
)
from weaponized_interdependence.harmonize.item_names import item_name, item_place
from weaponized_interdependence.harmonize.items import (
    BARE_ITEMS,
    CLASSIFICATIONS,
    COMTRADE_NAMES,
    HS_EDITIONS,
    Classification,
    ItemMatch,
    editions_of,
    hs_parent,
    item_faults,
    item_matches,
    match_items,
    split_item,
)
from weaponized_interdependence.harmonize.product_lists import (
    ListCoverage,
    ProductList,
    list_coverage,
    match_list,
    product_list,
    product_lists,
)

__all__ = [
    "BARE_ITEMS",
    "CLASSIFICATIONS",
    "COMTRADE_NAMES",
    "HS_EDITIONS",
    "TARGETS",
    "Classification",
    "ItemMatch",
    "ListCoverage",
    "ProductList",
    "Translation",
    "editions_of",
    "hs_chapters",
    "hs_parent",
    "hs_sections",
    "item_faults",
    "item_matches",
    "item_name",
    "item_place",
    "list_coverage",
    "match_items",
    "match_list",
    "product_list",
    "product_lists",
    "sitc_sections",
    "split_item",
    "translate",
    "wiod13_industries",
]

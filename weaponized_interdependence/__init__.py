"""weaponized_interdependence: who can deny, who can observe, and what coercion costs both sides.

The face of the package: a dozen names, imported only when used, no logic.

>>> import weaponized_interdependence as wi
>>> wi.read("baci", "BACI_HS17_Y2021.csv").flows        # doctest: +SKIP
>>> wi.rank(flows, ["hhi_imports", "panopticon"])               # doctest: +SKIP
>>> wi.simulate("oil_embargo", flows=flows)             # doctest: +SKIP
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# public name -> module that owns it
_FACE = {
    "read": "sources.registry",
    "READERS": "sources.registry",
    "to_iso3": "harmonize.economies",
    "expand": "harmonize.groups",
    "build_network": "network",
    "IOTable": "io_table",
    "INDICATORS": "indicators.registry",
    "rank": "indicators.rank",
    "bootstrap": "indicators.stability",
    "compare": "comparison",
    "compute_reach": "reach",
    "load_scenario": "scenario",
    "Scenario": "scenario",
    "simulate": "simulation.simulate",
    "read_run": "runs",
    "load_sample": "sample",
    "write": "exports",
    "WiError": "errors",
}

__all__ = ["__version__", *sorted(_FACE)]


def __getattr__(name: str) -> Any:
    if name in _FACE:
        return getattr(import_module(f"{__name__}.{_FACE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

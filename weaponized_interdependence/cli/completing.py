"""Names for shell completion: made only when a shell asks, and no failure of ours reaches the shell."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any


def _offering(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        try:
            return sorted({str(n) for n in names() if str(n).startswith(incomplete)})
        except Exception:
            return []  # an error in the middle of someone's command line would help nobody

    return complete


def _of(module: str) -> Any:
    return import_module(f"weaponized_interdependence.{module}")


complete_explainable = _offering(lambda: _of("cli.explain").explainable())
complete_flows = _offering(lambda: (f"sample:{part}" for part in _of("cli.arguments").SAMPLES))
complete_group = _offering(lambda: _of("harmonize.groups").groups()["group"])
complete_horizon = _offering(lambda: _of("terms").HORIZONS)
complete_indicator = _offering(lambda: _of("indicators.registry").INDICATORS)
complete_kind = _offering(lambda: _of("terms").MeasureKind)
complete_layer = _offering(lambda: _of("terms").Layer)
complete_model = _offering(lambda: _of("simulation.simulate").MODELS)
complete_reader = _offering(lambda: _of("sources.registry").READERS)
complete_scenario = _offering(lambda: (p.stem for p in (_of("settings").data_dir() / "scenarios").glob("*.toml")))
complete_scheme = _offering(lambda: _of("harmonize.economies").SCHEMES)
complete_source = _offering(lambda: _of("sources.declaration").declared())

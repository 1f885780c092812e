"""Where the tool finds its own files and keeps its cache. Nothing is made at import, nothing changes at run time."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_dir() -> Path:
    """sources/, reference/, sample/, scenarios/: the checkout's when there is one, else the wheel's copy."""
    return _resolve("data", "reference")


def pipelines_dir() -> Path:
    """The folder with the scheduled jobs, found as `data_dir` is."""
    return _resolve("pipelines", "README.md")


def cache_dir() -> Path:
    """Where downloads are kept: WI_CACHE, else the user's cache folder. Created by whoever writes, not here."""
    if explicit := os.environ.get("WI_CACHE"):
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "weaponized_interdependence"


def _resolve(folder: str, witness: str) -> Path:
    # The checkout wins over the bundled copy: an editable install may carry a stale bundle. The witness file keeps
    # an unrelated folder of the same name beside an installed package from being taken for ours.
    for root in (_PACKAGE.parent, _PACKAGE / "_bundled"):
        candidate = root / folder
        if (candidate / witness).exists() and (root != _PACKAGE.parent or (root / "pyproject.toml").exists()):
            return candidate
    raise FileNotFoundError(
        f"the installation is incomplete: no {folder}/ found beside or inside {_PACKAGE}; reinstall"
    )

"""Shared fixtures: where the real data is, when it is there."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, or a skip that says why."""
    folder = Path(os.environ.get("WI_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "SOURCES.md").exists():
        pytest.skip(f"real data absent: no {folder.name}/SOURCES.md in {folder.parent.name}/ beside the checkout (set WI_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def shared_reference(shared_data: Path) -> Path:
    """The folder of reference values beside the real data."""
    return shared_data.parent / "reference"

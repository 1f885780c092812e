"""Shared fixtures: where the real data is, when it is there."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same cases in every run, so that red means the change. `make test-all` explores new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

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
        pytest.skip("real data absent: no shared/data/SOURCES.md beside the checkout (WI_SHARED_DATA says where)")
    return folder


@pytest.fixture(scope="session")
def shared_reference(shared_data: Path) -> Path:
    """The folder of reference values beside the real data."""
    return shared_data.parent / "reference"

"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# beside the repository, or wherever the variable points
SHARED = Path(os.environ.get("BRAINCODEC_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs {folder}, which is kept beside the repository and is absent here")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Answers of the published code, for parity tests."""
    return _shared_folder("golden")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings and real weights."""
    return _shared_folder("data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the shared folders, so that `-m "not shared"` leaves them out."""
    for item in items:
        if {"golden", "shared_data"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.shared)

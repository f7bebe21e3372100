"""Simulated folders of GOD and BOLD5000, in the true layouts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .simulated import of_any_size, write_small_bold5000, write_small_god


@pytest.fixture(scope="module", autouse=True)
def smaller_than_published() -> Iterator[None]:
    """Data sets may be small."""
    with of_any_size():
        yield


@pytest.fixture(scope="session")
def god(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects of Generic Object Decoding."""
    return write_small_god(tmp_path_factory.mktemp("data") / "god")


@pytest.fixture(scope="session")
def bold5000(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects of BOLD5000."""
    return write_small_bold5000(tmp_path_factory.mktemp("data") / "bold5000")

"""Fixtures of the explorer's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from braincodec.app.explorer import Explorer
from braincodec.app.trial_store import trial_store
from braincodec.stimuli import StimulusSet
from braincodec.store import open_store

from ..small_models import images
from .small_store import write_small_store

GALLERY = 24


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small models."""
    return write_small_store(tmp_path_factory.mktemp("app") / "store")


@pytest.fixture(scope="session")
def gallery() -> StimulusSet:
    """A few images to compare with."""
    return StimulusSet.open(images(GALLERY, seed=5), ids=[f"image-{number}" for number in range(GALLERY)])


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A decoder and the ground truth that it learnt from, on a Gabor bank; and what was said meanwhile."""
    lines: list[str] = []
    folder = tmp_path_factory.mktemp("trial") / "store"
    return trial_store(lines.append, folder=folder, backbone="gabor:bank", calibration=8, stimuli=30), lines


@pytest.fixture(autouse=True, scope="package")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Galleries are encoded into a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("BRAINCODEC_CACHE", str(folder))
        yield folder


@pytest.fixture
def explorer(small_store: Path, gallery: StimulusSet) -> Iterator[Explorer]:
    """An explorer of the small models."""
    with Explorer(open_store(small_store), gallery=gallery, device="cpu") as made:
        yield made

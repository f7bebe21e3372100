"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# beside the repository, or wherever the variable points
SHARED = Path(os.environ.get("BRAINCODEC_SHARED", Path(__file__).resolve().parents[2] / "shared"))

# of absolute parameters of vit_b_32 after torch.manual_seed(12), in the versions that made the golden answers
SUM_OF_SEEDED_WEIGHTS = 1769841.36


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window, one for all tests of a process; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as driver:
        try:
            opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--enable-unsafe-swiftshader"])
        except playwright.Error as error:
            pytest.skip(f"{found} does not start: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the shared folders, so that `-m "not shared"` leaves them out."""
    for item in items:
        if {"golden", "shared_data"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.shared)


@pytest.fixture(scope="session")
def vit_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torch hub folder whose vit_b_32 has the seeded weights that the golden answers were made with."""
    import torch

    from braincodec.errors import MissingExtraError
    from braincodec.features.torchvision_compat import import_torchvision

    try:
        models = import_torchvision().models
    except MissingExtraError as error:
        pytest.skip(str(error))
    hub = tmp_path_factory.mktemp("torch-home")
    with torch.random.fork_rng():
        torch.manual_seed(12)
        network = models.vit_b_32(weights=None)
    total = sum(float(p.double().abs().sum()) for p in network.parameters())
    if abs(total - SUM_OF_SEEDED_WEIGHTS) > 0.5:
        pytest.skip(f"this torch draws other weights from the same seed (sum {total:.2f}) than the golden answers' did")
    (hub / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(network.state_dict(), hub / "hub" / "checkpoints" / "vit_b_32-d86f8d99.pth")
    return hub


@pytest.fixture
def seeded_vit(vit_hub: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point torch hub at `vit_hub` for one test."""
    monkeypatch.setenv("TORCH_HOME", str(vit_hub))
    return vit_hub


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A mounted file system of 3 MB, or of as many as the test's indirect parameter says."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={getattr(request, 'param', 3)}m"
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("this system has no mount command")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)

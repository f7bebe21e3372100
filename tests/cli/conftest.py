"""A small store whose models answer at once, and the program run in this process."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from braincodec.cli.app import main
from braincodec.config import Config
from braincodec.features import Preprocessing
from braincodec.models.base import Encoder, register_model
from braincodec.responses import build_units

AREAS = {"V1": 5, "V2": 4, "FFA-1": 3}
VOLUME = (6, 5, 4)
MODEL = "fmri-test-mean_colour"


class MeanColourConfig(Config):
    """No settings."""


@register_model("test_mean_colour")
class MeanColour(Encoder):
    """Each unit is a weighted sum of an image's mean red, green and blue."""

    kind: ClassVar[str] = "test_mean_colour"
    config_class = MeanColourConfig
    response_dims = ("unit",)
    preprocessing = Preprocessing(resize=(8, 8))

    def _check(self) -> None:
        assert self._tensors["weight"].shape == (self.units.sizes["unit"], 3)

    def _prepare(self, device: Any, dtype: Any) -> None:
        self._weight = self._tensors["weight"].to(device, dtype)

    def shared(self, images):
        return images.mean((2, 3))  # (batch, 3)

    def readout(self, shared):
        return (shared @ self._weight.T).float()  # (batch, units)

    def select(self, **indices):
        chosen = self.choose(indices)["unit"]
        return MeanColour.from_parts(
            {}, {"weight": self._tensors["weight"][chosen]}, self.units.isel(unit=chosen), self.description
        )

    def bytes_per_image(self) -> int:
        return 1000


def mean_colour(subject: int, roi: str) -> MeanColour:
    """One region's model; voxels of regions and subjects differ."""
    import torch

    count = AREAS[roi]
    first = sum(list(AREAS.values())[: list(AREAS).index(roi)])
    ijk = np.argwhere(np.ones(VOLUME, bool))[first : first + count]
    units = build_units(
        ijk=ijk,
        rois={roi: np.ones(count, bool)},
        scores={"ncsnr": np.linspace(0.2, 0.8, count), "accuracy_r2": np.linspace(0.1, 0.3, count)},
        affine=np.eye(4),
        volume_shape=VOLUME,
    )
    generator = torch.Generator().manual_seed(100 * subject + first)
    description = {
        "model": MODEL,
        "modality": "fmri",
        "dataset": "test",
        "subject": subject,
        "roi": roi,
        "response_units": "zscored_within_session",
        "licence": "CC0",
        "citation": "Nobody 2025",
    }
    return MeanColour.from_parts({}, {"weight": torch.randn(count, 3, generator=generator)}, units, description)


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects; the second lacks FFA-1."""
    folder = tmp_path_factory.mktemp("store")
    for subject, rois in ((1, AREAS), (2, ("V1", "V2"))):
        for roi in rois:
            mean_colour(subject, roi).save(folder / MODEL / f"subject-{subject:02d}" / f"roi-{roi}")
    return folder


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """Torchvision, also where its compiled part does not fit the installed torch."""
    if find_spec("torchvision") is None:
        pytest.skip("needs the extra 'vision'")
    from braincodec.features.torchvision_compat import import_torchvision

    return import_torchvision()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four JPEG files."""
    return write_pictures(tmp_path / "pictures", 4)


def write_pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = np.broadcast_to(rng.integers(0, 256, 3, np.uint8), (12, 16, 3))
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{number:04d}.png")
    return folder


@dataclass
class Outcome:
    """What a run of the program left."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run the program and give exit code, stdout and stderr."""
    monkeypatch.delenv("BRAINCODEC_STORE", raising=False)

    def run_program(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        assert "Traceback" not in written.err
        return Outcome(int(stop.value.code or 0), written.out, written.err)

    return run_program

"""A data set and a kind of model that train in milliseconds."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from braincodec.config import Config
from braincodec.datasets import Counts, Dataset, Recording, Split, register_dataset
from braincodec.errors import UnknownNameError
from braincodec.features import Preprocessing
from braincodec.models.base import Encoder, register_model
from braincodec.models.provenance import describe_training
from braincodec.models.trainable import Parts
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

DATASET, KIND = "small_people", "small_colours"
IMAGES, TRAIN, VALIDATION, REPETITIONS = 60, 36, 4, 3
AREAS = {"V1": (0, 1, 2, 3), "V2": (4, 5, 6), "early": (0, 1, 2, 3, 4, 5, 6), "nowhere": ()}
UNITS = 9
# set to a file's name, a fit writes it and waits there to be killed
WAIT = "BRAINCODEC_TEST_WAIT"


class Settings(Config):
    """How it is trained."""

    strength: float = Field(1e-3, gt=0)
    fast: bool = True
    seed: int = Field(0, ge=0)


class Stored(Config):
    """No settings."""


@register_model(KIND)
class SmallColours(Encoder):
    """Each unit is a weighted sum of an image's mean red, green and blue; fitted by ridge."""

    kind: ClassVar[str] = KIND
    config_class = Stored
    recipe_class = Settings
    response_dims = ("unit",)
    preprocessing = Preprocessing(resize=(8, 8))

    def _check(self) -> None:
        assert self._tensors["weight"].shape == (self.units.sizes["unit"], 4)

    def _prepare(self, device: Any, dtype: Any) -> None:
        self._weight = self._tensors["weight"].to(device, dtype)

    def shared(self, images):
        return images.mean((2, 3))  # (batch, 3)

    def readout(self, shared):
        return (shared @ self._weight[:, :3].T + self._weight[:, 3]).float()  # (batch, units)

    def select(self, **indices):
        chosen = self.choose(indices)["unit"]
        return SmallColours.from_parts(
            {}, {"weight": self._tensors["weight"][chosen]}, self.units.isel(unit=chosen), self.description
        )

    def bytes_per_image(self) -> int:
        return 1000

    def _fit(self, data, *, workspace: Path, device, batch_size, progress) -> Parts:
        import torch

        workspace.mkdir(parents=True, exist_ok=True)
        (one,) = data
        # a piece that was trained leaves a mark, so that tests see what was done twice
        with (workspace / "fits.txt").open("a") as file:
            file.write(f"{one.subject} {one.outputs}\n")
        _wait_where_asked(one)
        colours = np.stack([np.asarray(image).mean((0, 1)) / 255 for image in one.stimuli])
        design = np.hstack([colours, np.ones((len(colours), 1))])
        gram = design.T @ design + self.recipe.strength * np.eye(4)
        weight = np.linalg.solve(gram, design.T @ one.block()).T
        curve = [{"epoch": epoch, "loss": 1 / epoch, "validation_correlation": 0.1 * epoch} for epoch in (1, 2, 3)]
        about = describe_training(KIND, self.recipe, data, seed=self.recipe.seed, curve=curve)
        return Parts({}, {"weight": torch.from_numpy(weight).float()}, one.units, about)


def _wait_where_asked(one: Any) -> None:
    wanted, _, file = os.environ.get(WAIT, "").partition(":")
    if file and wanted == f"{one.subject}-{one.outputs}":
        Path(file).write_text("here")
        time.sleep(60)


@register_dataset(DATASET)
class SmallPeople(Dataset):
    """Two subjects who answer to colours."""

    modality, species, licence = "fmri", "human", "CC0"
    citation = "Nobody 2025"
    expected: ClassVar[dict[str, Counts]] = {}
    how_to_get = "made by the test"

    def __init__(self, noise: float = 0.05, subjects: int = 2, repetitions: int = REPETITIONS) -> None:
        self.noise, self.count, self.repetitions = noise, subjects, repetitions

    def subjects(self) -> list[str]:
        return [str(number + 1) for number in range(self.count)]

    def subject(self, name: str) -> Recording:
        if name not in self.subjects():
            raise UnknownNameError("subject", name, self.subjects())
        rng = np.random.default_rng([3, int(name)])
        images = rng.integers(0, 256, (IMAGES, 4, 4, 3), np.uint8).repeat(4, 1).repeat(4, 2)
        clean = images.mean((1, 2)) / 255 @ rng.standard_normal((3, UNITS))  # (images, units)
        noise = self.noise * rng.standard_normal((IMAGES, self.repetitions, UNITS))
        units = build_units(
            ijk=np.argwhere(np.ones((3, 3, 3), bool))[:UNITS],
            rois={name: np.isin(np.arange(UNITS), members) for name, members in AREAS.items()},
            affine=np.eye(4),
            volume_shape=(3, 3, 3),
            modality="fmri",
        )
        ids = [f"picture-{number:02d}" for number in range(IMAGES)]
        split = Split(train=ids[:TRAIN], validation=ids[TRAIN : TRAIN + VALIDATION], test=ids[TRAIN + VALIDATION :])
        stimuli = StimulusSet.open(images, ids=ids)
        return Recording(DATASET, name, stimuli, build_responses(clean[:, None] + noise, ids, units), units, split)


def settings(**changes: Any) -> dict[str, Any]:
    """Settings that train and judge in a second."""
    quick = {"draws": 20, "permutations": 20, "report": False, "metrics": ["correlation", "noise_normalised_accuracy"]}
    return {"dataset": DATASET, "subject": 1, "model": {"kind": KIND}, "evaluation": quick} | changes

"""LEA on digits: its settings, and how they were chosen within the training images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import braincodec as bc
from braincodec.atomic import atomic_path
from braincodec.datasets import Recording, Split
from braincodec.evaluation.decoding import pixel_correlation, ssim
from braincodec.readouts import make_folds

CHOICE_FOLDS = 5
FEW_PARTICLES = 8  # while settings are chosen, to save time
# windows: along a side, standard deviation and spacing in image widths
SMALL_WINDOWS, LARGE_WINDOWS = (9, 0.06, 0.085), (7, 0.08, 0.11)
STRENGTHS = (0.03, 0.16, 0.8, 4.0, 20.0)


@dataclass(frozen=True)
class Settings:
    """What varies of a `bc.LEA` that deforms training images.

    Parameters
    ----------
    layer : str
        Of the luminance maps: the blur.
    windows : (int, float, float)
    smoothness : float
        Of weights over space, in image widths.
    least_r2, shrinkage : float
        See `InversionSettings`.
    temperature : float
        See `DeformedImagesConfig`.
    extent : float
        All deformations are so many times their default.
    """

    layer: str = "blurs.1"
    windows: tuple[int, float, float] = SMALL_WINDOWS
    smoothness: float = 0.05
    least_r2: float = 0.15
    shrinkage: float = 0.7
    temperature: float = 8.0
    extent: float = 1.0

    def generator(self, **more: Any) -> dict[str, Any]:
        """The image generator's settings."""
        default = {"rotation": 8.0, "shear": 0.15, "scale": 0.1, "shift": 0.04, "bend": 0.04, "stroke": 0.35}
        deformation = {name: self.extent * value for name, value in default.items()}
        return {"kind": "deformed_images", "deformation": deformation, "temperature": self.temperature, **more}

    def model(self, **changes: Any) -> bc.LEA:
        """The model, untrained; `changes` are settings of `bc.LEA`."""
        given: dict[str, Any] = {
            "image_embedding": "luminance:maps",
            "embedding_layer": self.layer,
            "fmri_latent": "voxels",
            "encoding_readout": "fields",
            "fields": {
                "grids": [self.windows],
                "smoothness": self.smoothness,
                "alphas": STRENGTHS,
            },
            "inversion": {"least_r2": self.least_r2, "shrinkage": self.shrinkage},
            "generator": self.generator(),
            "folds": 5,
        }
        return bc.LEA(**given | changes)


# the first is what the others differ from, by one thing each
CANDIDATES: dict[str, Settings] = {
    "blur 0.054, windows 0.06, noise x 8": Settings(),
    "noise x 4": Settings(temperature=4.0),
    "noise x 16": Settings(temperature=16.0),
    "deformations x 1.4": Settings(extent=1.4),
    "blur 0.036": Settings(layer="blurs.0"),
    "blur 0.081": Settings(layer="blurs.2"),
    "windows 0.08, smoothness 0.1": Settings(windows=LARGE_WINDOWS, smoothness=0.1),
    "voxels of r2 above 0.3": Settings(least_r2=0.3),
}


@dataclass(frozen=True)
class Choice:
    """Cross-validated scores of all candidates within training images.

    Parameters
    ----------
    scores : dict of str to (float, float, float)
        Pixel correlation, uniform SSIM, and the standard error of their mean over images.
    """

    scores: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    @property
    def best(self) -> str:
        """Name of the candidate with the largest mean of both scores."""
        return max(self.scores, key=lambda name: sum(self.scores[name][:2]))


def choose(recording: Recording, workspace: Path, candidates: Mapping[str, Settings] = CANDIDATES) -> Choice:
    """Score candidates in cross-validation of the training images; test images are not looked at.

    Scores are kept in the workspace as they come.
    """
    path = workspace / "digits_choice.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name, settings in candidates.items():
        if name not in known:
            known[name] = cross_validated(settings, recording)
            with atomic_path(path, overwrite=True) as target:
                target.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return Choice({name: tuple(known[name]) for name in candidates})


def cross_validated(settings: Settings, recording: Recording) -> tuple[float, float, float]:
    """Pixel correlation, uniform SSIM and standard error of their mean, of training images left out in folds."""
    ids = np.array(recording.split.train)
    digits = recording.part("train")[1]["digit"].values
    correlation, similarity = [], []
    for fold in stratified(digits):
        part = recording.with_split(Split(train=tuple(ids[~fold]), test=tuple(ids[fold])))
        few = settings.generator(particles=FEW_PARTICLES)
        model = settings.model(generator=few).fit(part, progress=False)
        seen, fmri = part.part("test")
        images, truth = (np.stack(list(one)) for one in (model.decode(fmri, progress=False), seen))
        correlation.append(pixel_correlation(images, truth))
        similarity.append(ssim(images, truth, window="uniform7"))
    both = np.concatenate(correlation), np.concatenate(similarity)
    error = float(np.std(np.mean(both, axis=0)) / np.sqrt(len(ids)))
    return float(both[0].mean()), float(both[1].mean()), error


def stratified(digits: np.ndarray, folds: int = CHOICE_FOLDS, seed: int = 0) -> list[np.ndarray]:
    """Which images each fold leaves out, boolean: as many of each digit, as nearly as possible."""
    found = np.zeros((folds, len(digits)), bool)
    for digit in np.unique(digits):
        members = np.flatnonzero(digits == digit)
        for number, one in enumerate(make_folds(len(members), folds, seed=seed)):
            found[number, members[one.validation]] = True
    return list(found)

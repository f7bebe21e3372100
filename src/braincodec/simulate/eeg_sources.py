"""Sources of simulated EEG: where they sit, when they are active, how they spread to the electrodes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from braincodec.extras import import_optional

if TYPE_CHECKING:
    from numpy.typing import NDArray

# 63 channels of the 10-10 system
CHANNELS = (
    "Fp1", "Fp2", "AF7", "AF3", "AFz", "AF4", "AF8", "F7", "F5", "F3", "F1", "F2", "F4",
    "F6", "F8", "FT9", "FT7", "FC5", "FC3", "FC1", "FCz", "FC2", "FC4", "FC6", "FT8", "FT10",
    "T7", "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "T8", "TP9", "TP7", "CP5", "CP3",
    "CP1", "CPz", "CP2", "CP4", "CP6", "TP8", "TP10", "P7", "P5", "P3", "P1", "Pz", "P2",
    "P4", "P6", "P8", "PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2",
)  # fmt: skip
# spherical positions of these channels, as MNE knows them
MONTAGE = "easycap-M1"
SAMPLING_RATE = 100.0
TIMES = np.round(np.arange(-10, 81) / SAMPLING_RATE, 2)
# depth of sources: distance from the centre of the head as part of its radius
DEPTH = 0.55
BACKGROUND_SOURCES = 12
# part of the noise that comes from sources, and so is shared by neighbouring channels
SHARED_NOISE = 0.6
# of the first-order autoregressive noise, at 100 Hz
AUTOCORRELATION = 0.85

Peak = tuple[float, float, float]


@dataclass(frozen=True)
class EEGSource:
    """A latent component of the EEG.

    Attributes
    ----------
    places : tuple of ((float, float, float), float)
        Direction from the centre of the head (right, front, up) and strength of each dipole; all are radial.
    peaks : tuple of (float, float, float)
        Latency and width in seconds, and amplitude, of each Gaussian deflection.
    amplitude : float
        Microvolt at the largest electrode for a latent of one standard deviation.
    """

    places: tuple[tuple[tuple[float, float, float], float], ...]
    peaks: tuple[Peak, ...]
    amplitude: float


RIGHT_OCCIPITAL, LEFT_OCCIPITAL = (0.40, -0.90, 0.10), (-0.40, -0.90, 0.10)
RIGHT_TEMPORAL, LEFT_TEMPORAL = (0.74, -0.66, -0.08), (-0.74, -0.66, -0.08)
LOW_LEVEL: tuple[Peak, ...] = ((0.095, 0.014, 1.0), (0.150, 0.022, -0.7), (0.230, 0.050, 0.35))

SOURCES = {
    "left field": EEGSource(((RIGHT_OCCIPITAL, 1.0), (LEFT_OCCIPITAL, 0.25)), LOW_LEVEL, 1.4),
    "right field": EEGSource(((LEFT_OCCIPITAL, 1.0), (RIGHT_OCCIPITAL, 0.25)), LOW_LEVEL, 1.4),
    "texture": EEGSource(
        (((0.60, -0.80, 0.15), 1.0), ((-0.60, -0.80, 0.15), 1.0)),
        ((0.130, 0.018, -0.6), (0.200, 0.030, 1.0), (0.330, 0.070, 0.4)),
        2.0,
    ),
    "body": EEGSource(
        (((0.70, -0.65, 0.15), 1.0), ((-0.70, -0.65, 0.15), 0.7)), ((0.190, 0.020, -1.0), (0.300, 0.060, 0.4)), 1.8
    ),
    "face": EEGSource(
        ((RIGHT_TEMPORAL, 1.0), (LEFT_TEMPORAL, 0.6)),
        ((0.170, 0.018, -1.0), (0.260, 0.045, 0.5), (0.420, 0.100, 0.35)),
        2.2,
    ),
    "place": EEGSource(
        (((0.30, -0.80, -0.45), 1.0), ((-0.30, -0.80, -0.45), 1.0)), ((0.220, 0.030, 1.0), (0.360, 0.080, 0.5)), 1.6
    ),
    "word": EEGSource(
        ((LEFT_TEMPORAL, 1.0), (RIGHT_TEMPORAL, 0.2)),
        ((0.180, 0.020, -1.0), (0.300, 0.060, 0.5), (0.450, 0.090, 0.4)),
        2.0,
    ),
}
# what every image evokes
EVOKED = (
    EEGSource(((RIGHT_OCCIPITAL, 1.0), (LEFT_OCCIPITAL, 1.0)), ((0.100, 0.016, 1.0), (0.225, 0.035, 0.7)), 5.0),
    EEGSource(((RIGHT_TEMPORAL, 1.0), (LEFT_TEMPORAL, 1.0)), ((0.160, 0.020, -1.0),), 4.0),
    EEGSource((((0.0, -0.45, 0.90), 1.0),), ((0.380, 0.110, 1.0),), 3.0),
)


@functools.cache
def electrode_positions() -> NDArray[np.float64]:
    """Directions of the electrodes from the centre of a spherical head, shape (63, 3): right, front, up."""
    channels = import_optional("mne.channels", "a simulated EEG subject")
    places = channels.make_standard_montage(MONTAGE).get_positions()["ch_pos"]
    positions = np.array([places[name] for name in CHANNELS])
    positions /= np.linalg.norm(positions, axis=1, keepdims=True)
    positions.flags.writeable = False
    return positions


def topography(source: EEGSource) -> NDArray[np.float64]:
    """How strongly a source is seen at each electrode: average reference, largest absolute value one.

    Notes
    -----
    Radial dipoles in a homogeneous medium: simple, and smooth as real topographies are.
    """
    electrodes = electrode_positions()
    potential = np.zeros(len(electrodes))
    for place, strength in source.places:
        direction = np.array(place) / np.linalg.norm(place)
        away = electrodes - DEPTH * direction
        potential += strength * (away @ direction) / np.linalg.norm(away, axis=1) ** 3
    potential -= potential.mean()
    return potential / np.abs(potential).max()


def time_course(source: EEGSource) -> NDArray[np.float64]:
    """Activity at `TIMES`; nothing before the stimulus."""
    course = sum(height * np.exp(-((TIMES - latency) ** 2) / (2 * width**2)) for latency, width, height in source.peaks)
    # deflections have tails; the brain does not answer before it sees
    return np.where(TIMES > 0.03, course, 0.0)


def field(source: EEGSource) -> NDArray[np.float64]:
    """Microvolt at every channel and time, shape (63, 91)."""
    return source.amplitude * np.outer(topography(source), time_course(source))


def background_mixing(seed: int, subject: int) -> NDArray[np.float64]:
    """How background sources reach the channels, shape (63, 12); rows have unit length."""
    rng = np.random.default_rng([seed, subject, BACKGROUND_SOURCES])
    places = rng.standard_normal((BACKGROUND_SOURCES, 3))
    maps = [topography(EEGSource(((tuple(place), 1.0),), (), 1.0)) for place in places]
    mixing = np.stack(maps, 1)
    return mixing / np.linalg.norm(mixing, axis=1, keepdims=True)


def background(rng: np.random.Generator, repetitions: int, mixing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise with variance one at every channel and time, correlated over both: (repetitions, 63, 91)."""
    from scipy.signal import lfilter

    rows = mixing.shape[1] + mixing.shape[0]
    white = rng.standard_normal((repetitions, rows, len(TIMES)))
    # the first sample has the variance of all later ones, so the process is stationary
    white[..., 1:] *= np.sqrt(1 - AUTOCORRELATION**2)
    coloured = lfilter([1.0], [1.0, -AUTOCORRELATION], white, axis=-1)
    shared, own = coloured[:, : mixing.shape[1]], coloured[:, mixing.shape[1] :]
    return np.sqrt(SHARED_NOISE) * (mixing @ shared) + np.sqrt(1 - SHARED_NOISE) * own

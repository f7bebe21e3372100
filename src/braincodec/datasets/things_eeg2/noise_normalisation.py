"""Multivariate noise normalisation: EEG whitened by the covariance of channels, and standardisation, in a session."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import DamagedFileError

Floats = NDArray[np.float64]
BLOCK_BYTES = 16 * 2**20
SMALLEST_EIGENVALUE = 1e-12  # of the largest; below it a channel is a sum of others


def noise_covariance(epochs: NDArray[np.floating], picture: NDArray[np.int64], over: str = "time") -> Floats:
    """Covariance of channels, estimated within pictures and averaged.

    Parameters
    ----------
    epochs : array, shape (trials, channels, times)
        May be mapped from a file.
    picture : array of int, shape (trials,)
        Trials of one picture follow each other.
    over : {"time", "repetitions"}
        Covariances over the repetitions of a picture at each time; or over the times of each trial. They are averaged
        over times or repetitions, then over pictures.

    Returns
    -------
    array, shape (channels, channels)

    Raises
    ------
    DamagedFileError
        When no picture was repeated, which covariances over repetitions need.

    Notes
    -----
    Guggenmos, Sterzer, Cichy 2018. Each covariance is shrunk after Ledoit and Wolf 2004, on standardised channels, as
    scikit-learn's linear discriminant analysis does with ``shrinkage="auto"``. The sum of many shrunk covariances is
    one weighted product of all centred observations and a diagonal, and the amount of shrinkage needs only the
    products of the observations of one covariance: nothing is looped over.
    """
    count = epochs.shape[1]
    total, weight = np.zeros((count, count)), 0
    for first, repetitions, pictures in _runs(picture, bytes_each=8 * count * epochs.shape[2]):
        if over == "time" and repetitions < 2:
            continue
        block = np.asarray(epochs[first : first + repetitions * pictures], np.float64)
        block = block.reshape(pictures, repetitions, count, -1)  # (pictures, repetitions, channels, times)
        axes = (0, 3, 1, 2) if over == "time" else (0, 1, 3, 2)
        observed = block.transpose(axes).reshape(
            -1, block.shape[axes[2]], count
        )  # (covariances, observations, channels)
        total += _sum_of_shrunk_covariances(observed) * (pictures / len(observed))
        weight += pictures
    if not weight:
        raise DamagedFileError("no picture was repeated, so its noise cannot be estimated over repetitions")
    return total / weight


def whitening(covariance: Floats) -> Floats:
    """The inverse square root of a covariance, symmetric.

    Raises
    ------
    DamagedFileError
        When a channel does not vary, or is a sum of others.

    Examples
    --------
    >>> whitening(np.diag([4.0, 1.0])).tolist()
    [[0.5, 0.0], [0.0, 1.0]]
    """
    values, vectors = np.linalg.eigh(covariance)
    if not (np.isfinite(values).all() and values[0] > SMALLEST_EIGENVALUE * values[-1]):
        raise DamagedFileError("channels are constant or sums of each other, so their noise cannot be normalised")
    root: Floats = (vectors / np.sqrt(values)) @ vectors.T
    return (root + root.T) / 2


def mix_channels(epochs: NDArray[np.floating], matrix: Floats) -> None:
    """Replace each trial by ``matrix @ trial``, in place and some trials at a time.

    Parameters
    ----------
    epochs : array, shape (trials, channels, times)
    matrix : array, shape (channels, channels)
    """
    for rows in trial_blocks(epochs):
        epochs[rows] = np.matmul(matrix, np.asarray(epochs[rows], np.float64))


def standardise(parts: list[NDArray[np.floating]], fitted_on: list[NDArray[np.floating]]) -> None:
    """Mean 0 and deviation 1 of each channel and time over trials, in place.

    Parameters
    ----------
    parts : list of array, shape (trials, channels, times)
        What is rescaled.
    fitted_on : list of array
        Over whose trials together mean and deviation are taken; a constant is only centred.
    """
    trials = sum(len(part) for part in fitted_on)
    blocks = [(part, rows) for part in fitted_on for rows in trial_blocks(part)]
    mean = sum(part[rows].sum(axis=0, dtype=np.float64) for part, rows in blocks) / trials
    moment = sum(((np.asarray(part[rows], np.float64) - mean) ** 2).sum(axis=0) for part, rows in blocks)
    deviation = np.sqrt(moment / trials)
    deviation[deviation == 0] = 1
    for part in parts:
        for rows in trial_blocks(part):
            part[rows] = (np.asarray(part[rows], np.float64) - mean) / deviation


def trial_blocks(epochs: NDArray[np.floating]) -> Iterator[slice]:
    """Trials that are in memory together."""
    most = max(BLOCK_BYTES // (8 * int(np.prod(epochs.shape[1:]))), 1)
    for begin in range(0, len(epochs), most):
        yield slice(begin, min(begin + most, len(epochs)))


def _runs(picture: NDArray[np.int64], bytes_each: int) -> Iterator[tuple[int, int, int]]:
    """First trial, repetitions and number of pictures of runs of pictures that have equally many repetitions."""
    starts = np.flatnonzero(np.r_[True, picture[1:] != picture[:-1]])
    repetitions = np.diff(np.r_[starts, len(picture)])
    begin = 0
    while begin < len(starts):
        most = max(BLOCK_BYTES // (bytes_each * int(repetitions[begin])), 1)
        same = repetitions[begin : begin + most] == repetitions[begin]
        pictures = int(same.argmin()) if not same.all() else len(same)
        yield int(starts[begin]), int(repetitions[begin]), pictures
        begin += pictures


def _sum_of_shrunk_covariances(observed: Floats) -> Floats:
    """Of observations (covariances, observations, channels)."""
    _, count, channels = observed.shape
    centred = observed - observed.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1))  # (covariances, channels)
    scale = np.where(deviation > 0, deviation, 1.0)
    standard = centred / scale[:, None]
    squares = (standard**2).sum(axis=2)  # (covariances, observations)
    smaller = standard if count <= channels else standard.transpose(0, 2, 1)
    products = np.matmul(smaller, smaller.transpose(0, 2, 1))
    norm = (products**2).sum(axis=(1, 2)) / count**2  # squared, of the covariance
    mean_variance = squares.sum(axis=1) / count / channels
    spread = ((squares**2).sum(axis=1) / count - norm) / (channels * count)
    distance = norm / channels - mean_variance**2
    spread = np.minimum(spread, distance)
    shrinkage = np.where(spread == 0, 0.0, spread / np.where(distance == 0, 1.0, distance))
    weighted = (centred * np.sqrt((1 - shrinkage) / count)[:, None, None]).reshape(-1, channels)
    diagonal = ((shrinkage * mean_variance)[:, None] * scale**2).sum(axis=0)
    return weighted.T @ weighted + np.diag(diagonal)

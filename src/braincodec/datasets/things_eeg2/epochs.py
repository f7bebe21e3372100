"""Epochs of continuous EEG: filtered, cut, baseline-corrected and down-sampled, one channel at a time.

Cutting, subtracting the mean of the baseline and MNE's down-sampling are linear in the samples of an epoch, so
together they are one matrix. It is made by giving MNE unit impulses, and then applied to all epochs of a channel as a
matrix product: what MNE gives, in a fraction of the time, and in the memory of one channel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.things_eeg2.preparation import Preparation
from braincodec.datasets.things_eeg2.raw_files import RawRecording
from braincodec.errors import InputValueError
from braincodec.extras import import_optional

BLOCK_BYTES = 16 * 2**20  # of epochs at the full sampling rate


@dataclass(frozen=True)
class EpochOperator:
    """What turns the samples around an onset into an epoch.

    Attributes
    ----------
    window : (int, int)
        First and last sample, from onset.
    matrix : array, shape (samples, times)
    times : array, shape (times,)
        Seconds from onset.
    """

    window: tuple[int, int]
    matrix: NDArray[np.float64]
    times: NDArray[np.float64]


def epoch_operator(preparation: Preparation, sampling_rate: float) -> EpochOperator:
    """The matrix for one sampling rate.

    Raises
    ------
    InputValueError
        When the recording has fewer samples a second than are asked for.
    """
    if preparation.sampling_rate > sampling_rate:
        raise InputValueError(
            f"sampling_rate is {preparation.sampling_rate:g} Hz, but the recording has {sampling_rate:g} Hz"
        )
    mne = import_optional("mne", "preparing raw EEG")
    first, last = (round(seconds * sampling_rate) for seconds in (preparation.start, preparation.end))
    impulses = np.eye(last - first + 1)[:, None]  # (samples, 1, samples)
    info = mne.create_info(1, sampling_rate, "eeg")
    epochs = mne.EpochsArray(impulses, info, tmin=first / sampling_rate, verbose="error")
    if preparation.baseline == "mean":
        epochs.apply_baseline((None, 0), verbose="error")
    if preparation.sampling_rate < sampling_rate:
        epochs.resample(preparation.sampling_rate, verbose="error")
    matrix = epochs.get_data(copy=False)[:, 0]  # (samples, times)
    return EpochOperator((first, last), np.ascontiguousarray(matrix), np.asarray(epochs.times, np.float64))


def cut_epochs(
    raw: RawRecording,
    channels: list[str],
    onsets: NDArray[np.int64],
    operator: EpochOperator,
    preparation: Preparation,
    into: NDArray[np.float32],
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the epochs of some channels.

    Parameters
    ----------
    raw : RawRecording
    channels : list of str
    onsets : array of int, shape (trials,)
        Whose whole windows were recorded.
    operator : EpochOperator
    preparation : Preparation
        Of which the filter is applied here.
    into : array, shape (trials, channels, times)
        May be mapped to a file.
    advance : callable
        Called with 1 after each channel.
    """
    offsets = np.arange(operator.window[0], operator.window[1] + 1)
    most = max(BLOCK_BYTES // (8 * len(offsets)), 1)
    for place, name in enumerate(channels):
        samples = filtered(raw.channel(name), raw.sampling_rate, preparation)
        for begin in range(0, len(onsets), most):
            own = slice(begin, begin + most)
            into[own, place] = samples[onsets[own, None] + offsets] @ operator.matrix  # (trials, times)
        advance(1)


def filtered(samples: NDArray[np.float64], sampling_rate: float, preparation: Preparation) -> NDArray[np.float64]:
    """One channel after MNE's default filter, or as it is."""
    if preparation.highpass is None and preparation.lowpass is None:
        return samples
    mne = import_optional("mne", "preparing raw EEG")
    found: NDArray[np.float64] = mne.filter.filter_data(
        samples, sampling_rate, preparation.highpass, preparation.lowpass, verbose="error"
    )
    return found


def zscore_by_baseline(epochs: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean and standard deviation up to onset, taken away and divided by, for each trial and channel.

    Parameters
    ----------
    epochs : array, shape (trials, channels, times)
    times : array, shape (times,)
        Seconds.

    Examples
    --------
    >>> zscore_by_baseline(np.array([[[0.0, 2.0, 5.0]]]), np.array([-0.1, 0.0, 0.1])).tolist()
    [[[-1.0, 1.0, 4.0]]]
    """
    before = epochs[..., times <= 0]
    mean, deviation = before.mean(axis=-1, keepdims=True), before.std(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled: NDArray[np.float64] = (epochs - mean) / deviation
    return scaled

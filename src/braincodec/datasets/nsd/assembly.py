"""Put trials, units, images and split of one subject together."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.base import Recording
from braincodec.datasets.nsd.design import stimulus_ids
from braincodec.datasets.split import Split
from braincodec.datasets.trial_rows import StimulusRows, lazy_responses
from braincodec.stimuli import StimulusSet

Numbers = NDArray[np.int64]


def with_noise_ceiling(units: xr.Dataset, numbers: Numbers, trial_of: Numbers, split: Split) -> xr.Dataset:
    """Add the explainable part of the variance of the mean test response, where units state their ncsnr.

    Parameters
    ----------
    units : Dataset
    numbers : array, shape (stimuli,)
    trial_of : array, shape (stimuli, repetitions)
    split : Split
    """
    from braincodec.evaluation.noise_ceiling import noise_ceiling_from_ncsnr

    test = np.isin(stimulus_ids(numbers), split.test)
    if "ncsnr" not in units or not test.any():
        return units
    counts = (trial_of[test] >= 0).sum(axis=1)
    # rounding in a published map can lie a little below zero
    ceiling = noise_ceiling_from_ncsnr(np.maximum(units["ncsnr"].values, 0), counts)
    return units.assign(noise_ceiling=("unit", ceiling.astype(np.float32)))


def assemble_recording(
    dataset: str,
    subject: str,
    stimuli: StimulusSet,
    rows: StimulusRows,
    units: xr.Dataset,
    split: Split,
    numbers: Numbers,
    trial_of: Numbers,
) -> Recording:
    """A recording whose responses are read when they are used.

    Parameters
    ----------
    stimuli : StimulusSet
        In the order of `numbers`.
    numbers : array, shape (stimuli,)
        Of the images, from 0.
    trial_of : array, shape (stimuli, repetitions)
    """
    ids = stimulus_ids(numbers)
    named = StimulusSet.open(stimuli, ids=ids)
    counts = (trial_of >= 0).sum(axis=1)
    responses = lazy_responses(rows, ids, units).assign_coords(repetitions=("stimulus", counts))
    return Recording(dataset, subject, named, responses, units, split)

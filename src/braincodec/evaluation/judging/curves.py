"""EEG over time: which of two stimuli was seen, decoded from measured and predicted patterns over channels."""

from __future__ import annotations

from typing import Any

import xarray as xr
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.encoding.pairwise_decoding import pairwise_decoding_by_stimulus, time_generalisation
from braincodec.evaluation.judging.subject import SubjectScores
from braincodec.evaluation.judging.unit_blocks import UnitBlocks
from braincodec.evaluation.judging.unit_scores import UnitTask
from braincodec.evaluation.statistics import bootstrap_mean, percentile_interval
from braincodec.memory import free_main_memory
from braincodec.progress import progress_bar

MEASURED, PREDICTED = "pairwise_decoding", "pairwise_decoding_predicted"
ACROSS, ACROSS_PREDICTED = "time_generalisation", "time_generalisation_predicted"
# copies of all responses in float64 that decoding makes
COPIES = 4


def eeg_curves(task: UnitTask, level: float, show: bool | None, found: SubjectScores) -> xr.Dataset:
    """Pairwise decoding over time and across times, with bootstrap intervals over stimuli.

    Returns
    -------
    Dataset
        ``pairwise_decoding`` and ``pairwise_decoding_predicted`` (time), each with ``_low`` and ``_high``;
        ``time_generalisation`` and ``time_generalisation_predicted`` (train_time, test_time). Empty, with the reason
        among the skipped, where there is one repetition only.
    """
    reason = _impossible(task)
    if reason:
        found.skipped |= dict.fromkeys((MEASURED, PREDICTED, ACROSS), reason)
        return xr.Dataset()
    responses, prediction = (_whole(blocks) for blocks in (task.measured, task.prediction))
    prediction = prediction if prediction.ndim == 3 else prediction.mean(axis=1)
    data: dict[str, Any] = {}
    with progress_bar("decode pairs", 4, show=show) as advance:
        for name, test in ((MEASURED, None), (PREDICTED, prediction)):
            try:
                shares = pairwise_decoding_by_stimulus(responses, test=test, seed=task.seed)  # (stimuli, times)
                across = time_generalisation(responses, test=test, seed=task.seed)
            except InputValueError as error:
                found.skipped[name] = str(error)
                continue
            data[name] = ("time", shares.mean(axis=0))
            if len(task.weights):
                low, high = percentile_interval(bootstrap_mean(shares, task.weights), level)
                data |= {f"{name}_low": ("time", low), f"{name}_high": ("time", high)}
            data[ACROSS if test is None else ACROSS_PREDICTED] = (("train_time", "test_time"), across)
            advance(2)
    times = task.measured.array["time"].values
    return xr.Dataset(data, {"time": times, "train_time": times, "test_time": times} if data else None)


def _impossible(task: UnitTask) -> str:
    if (task.measured.repetitions or 1) < 2:
        return "needs at least two repetitions of each stimulus"
    needed = 8 * COPIES * len(task.ids) * task.measured.units * (task.measured.repetitions or 1)
    if needed > free_main_memory():
        return f"needs {needed / 1e9:.1f} GB of memory, and less is free"
    return ""


def _whole(blocks: UnitBlocks) -> NDArray[Any]:
    """All values, (stimuli, [repetitions,] channels, times)."""
    values = blocks.read(slice(0, blocks.units))
    return values.reshape(*values.shape[:-1], *blocks.unit_shape)

"""Responses as MNE objects.

MNE takes EEG data to be in volts. Responses in microvolts are converted; responses that were z-scored or whitened
(as those of the published EEG models are) have no physical unit, and their numbers are passed on as they are. The
`description` of the measurement info says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from braincodec.errors import InputValueError
from braincodec.extras import import_optional
from braincodec.responses.formats import check_layout
from braincodec.responses.select import require_dimension

if TYPE_CHECKING:
    import mne

PURPOSE = "exporting to MNE"
# the finest standard positions; they include those of the 10-20 and 10-10 systems and the older names T3 to T6
# under the name that MNE has for them: the first since 1.13, the second before
MONTAGES = ("colin27_1005", "standard_1005")
# how far samples may lie from an even spacing, as a share of it
SPACING_TOLERANCE = 0.01


def to_evoked(responses: xr.DataArray, *, mean: bool = False) -> list[mne.EvokedArray]:
    """Evoked responses: one for each stimulus, or one for their mean; repetitions are averaged.

    Parameters
    ----------
    responses : DataArray
        (stimulus, channel, time) or (stimulus, repetition, channel, time).
    mean : bool
        Average over stimuli too; the list then has one element.

    Returns
    -------
    list of mne.EvokedArray
        `comment` is the stimulus id. Channels with standard names have positions.

    Raises
    ------
    InputValueError
        When there are no channels and times, or samples are not evenly spaced.
    """
    module = import_optional("mne", PURPOSE)
    check_layout(responses)
    info, start = _info(responses), float(responses["time"].values[0])
    averaged = responses.mean("repetition") if "repetition" in responses.dims else responses
    repetitions = responses.sizes.get("repetition", 1)
    if mean:
        count = responses.sizes["stimulus"]
        data = averaged.mean("stimulus").values * _volts(responses)
        comment = f"mean of {count} stimuli"
        return [module.EvokedArray(data, info, start, comment=comment, nave=count * repetitions, verbose="error")]
    return [
        module.EvokedArray(row * _volts(responses), info, start, comment=str(name), nave=repetitions, verbose="error")
        for name, row in zip(responses["stimulus"].values, averaged.values, strict=True)  # row: (channel, time)
    ]


def to_epochs(responses: xr.DataArray) -> mne.EpochsArray:
    """Epochs, one for each stimulus and repetition, in that order.

    Parameters
    ----------
    responses : DataArray
        (stimulus, channel, time) or (stimulus, repetition, channel, time).

    Returns
    -------
    mne.EpochsArray
        `event_id` maps stimulus ids to event codes; `metadata` has the columns `stimulus` and `repetition`.

    Raises
    ------
    InputValueError
        When there are no channels and times, or samples are not evenly spaced.
    """
    import pandas as pd

    module = import_optional("mne", PURPOSE)
    check_layout(responses)
    info = _info(responses)
    ids = responses["stimulus"].values
    repetitions = responses["repetition"].values if "repetition" in responses.dims else np.array([1])
    data = responses.values.reshape(-1, *responses.shape[-2:])  # (stimulus * repetition, channel, time)
    codes = np.repeat(np.arange(1, len(ids) + 1), len(repetitions))
    # onsets of our own: epochs follow each other without overlap
    onsets = np.arange(len(data)) * responses.sizes["time"]
    metadata = pd.DataFrame(
        {"stimulus": np.repeat(ids, len(repetitions)), "repetition": np.tile(repetitions, len(ids))}
    )
    return module.EpochsArray(
        data * _volts(responses),
        info,
        events=np.stack([onsets, np.zeros_like(onsets), codes], axis=1),
        event_id={str(name): code for code, name in enumerate(ids, start=1)},
        tmin=float(responses["time"].values[0]),
        metadata=metadata,
        verbose="error",
    )


def _info(responses: xr.DataArray) -> Any:
    module = import_optional("mne", PURPOSE)
    require_dimension(responses, "channel", "MNE objects")
    require_dimension(responses, "time", "MNE objects")
    times = responses["time"].values
    steps = np.diff(times)
    if not len(steps):
        raise InputValueError("MNE objects need at least two samples in time")
    step = float(np.mean(steps))
    if step <= 0 or np.abs(steps - step).max() > SPACING_TOLERANCE * step:
        raise InputValueError(
            "samples are not evenly spaced in time, which MNE objects need: select a time window first"
        )
    names = [str(name) for name in responses["channel"].values]
    info = module.create_info(names, sfreq=1 / step, ch_types="eeg", verbose="error")
    unit = responses.attrs.get("response_units", "unknown")
    simulated = "; simulated" if responses.attrs.get("simulated") else ""
    info["description"] = f"braincodec responses, units: {unit if unit != 'microvolt' else 'volt'}{simulated}"
    present = module.channels.get_builtin_montages()
    montage = module.channels.make_standard_montage(MONTAGES[0] if MONTAGES[0] in present else MONTAGES[1])
    standard = {name.casefold() for name in montage.ch_names}
    if any(name.casefold() in standard for name in names):
        info.set_montage(montage, match_case=False, on_missing="ignore", verbose="error")
    return info


def _volts(responses: xr.DataArray) -> float:
    return 1e-6 if responses.attrs.get("response_units") == "microvolt" else 1.0

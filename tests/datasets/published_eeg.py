"""Raw EEG prepared as two published pipelines do it, step by step with MNE, scikit-learn and SciPy; for comparison."""

from __future__ import annotations

import mne
import numpy as np
import scipy.linalg
from sklearn.covariance import ledoit_wolf
from sklearn.preprocessing import StandardScaler
from sklearn.utils import shuffle

from braincodec.legacy.read import read_legacy
from braincodec.simulate.layouts.things_eeg2 import TARGET

SEED = 20200220
MOST = {"training": 2, "test": 20}


def session_epochs(folder, part, *, tmin, tmax, rate, channels=None, early_baseline=True, bands=None, header=None):
    """Epochs of one part of one session, and the picture of each."""
    held = read_legacy(folder / f"raw_eeg_{part}.npy")
    info = mne.create_info(held["ch_names"], held["sfreq"], held["ch_types"])
    raw = mne.io.RawArray(np.array(held["raw_eeg_data"]), info, verbose="error")
    if bands:
        raw.filter(*bands, verbose="error")
    events = mne.find_events(raw, stim_channel="stim", verbose="error")
    events = events[events[:, 2] != TARGET]
    raw.pick(channels or [name for name in raw.ch_names if name != "stim"])
    baseline = (None, 0) if early_baseline else None
    epochs = mne.Epochs(raw, events, tmin=tmin, tmax=tmax, baseline=baseline, preload=True, verbose="error")
    if header is not None:
        positions = mne.io.read_raw_brainvision(header, verbose="error").get_montage().get_positions()["ch_pos"]
        epochs.set_montage(
            mne.channels.make_dig_montage({name: positions[name] for name in epochs.ch_names}), verbose="error"
        )
        epochs = mne.preprocessing.compute_current_source_density(epochs, lambda2=1e-5, stiffness=4, verbose="error")
    epochs.resample(rate, verbose="error")
    return epochs.get_data(copy=True), epochs.events[:, 2], epochs.times, epochs.ch_names


def sorted_by_picture(data, picture, part, *, published=True):
    """(pictures, repetitions, channels, times) and the pictures."""
    known, rows = np.unique(picture), []
    for number in known:
        own = np.flatnonzero(picture == number)
        rows.append(shuffle(own, random_state=SEED, n_samples=MOST[part]) if published else own[: MOST[part]])
    return np.stack([data[own] for own in rows]), known


def shrunk_covariance(observations):
    """Ledoit and Wolf on standardised channels, in the channels' own units; observations (n, channels)."""
    scaler = StandardScaler()
    covariance = ledoit_wolf(scaler.fit_transform(observations))[0]
    return scaler.scale_[:, None] * covariance * scaler.scale_[None, :]


def mean_covariance(data, over="time"):
    """Of (pictures, repetitions, channels, times)."""
    of_pictures = []
    for own in data:
        if over == "time":
            found = [shrunk_covariance(own[:, :, time]) for time in range(own.shape[2])]
        else:
            found = [shrunk_covariance(trial.T) for trial in own]
        of_pictures.append(np.mean(found, axis=0))
    return np.mean(of_pictures, axis=0)


def whiten(data, covariance):
    """Channels whitened."""
    root = scipy.linalg.fractional_matrix_power(covariance, -0.5)
    return np.einsum("ij,...jt->...it", root, data)


def merged(sessions, *, published=True):
    """All sessions' repetitions of each picture one after the other; sessions: list of (data, pictures)."""
    numbers = np.unique(np.concatenate([known for _, known in sessions]))
    rows = [
        np.concatenate([data[known == number][0] for data, known in sessions if number in known]) for number in numbers
    ]
    together = np.stack(rows)
    return together[:, shuffle(np.arange(together.shape[1]), random_state=SEED)] if published else together

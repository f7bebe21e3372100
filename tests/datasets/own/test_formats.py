"""Responses are read from every format that labs keep them in, and from nothing that runs code."""

from __future__ import annotations

import pickle
import warnings

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import xarray as xr

from braincodec.datasets import load_dataset
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, UnknownNameError, UnsafeFileError
from braincodec.responses import build_responses, build_sensor_units, build_units
from braincodec.stimuli import StimulusSet

from .studies import IMAGES, UNITS, image_names, numbered, pixels, trial_table

SPLIT = {"train": image_names()[:8], "test": image_names()[8:]}


@pytest.fixture
def stimuli() -> StimulusSet:
    return StimulusSet.open(pixels(), ids=image_names())


def opened(stimuli, responses, **options):
    return load_dataset("own", images=stimuli, responses=responses, split=SPLIT, **options).subject("1")


def test_arrays_in_npy_npz_mat_and_hdf5(stimuli, tmp_path):
    values = numbered(IMAGES)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", betas=values, ncsnr=np.zeros(UNITS))
    np.savez_compressed(tmp_path / "two.npz", run1=values, run2=values + 1)
    scipy.io.savemat(tmp_path / "a.mat", {"betas": values.astype(float)})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/betas"] = values
    for name in ("a.npy", "a.npz", "a.mat", "a.h5", "a.h5::group/betas", "two.npz::run1"):
        np.testing.assert_allclose(opened(stimuli, tmp_path / name).responses.values, values, rtol=1e-6)
    with pytest.raises(InputValueError, match=r"holds run1 \(12, 4\), run2 \(12, 4\); name the array"):
        opened(stimuli, tmp_path / "two.npz")
    with pytest.raises(UnknownNameError, match=r"unknown array 'run3'.*did you mean"):
        opened(stimuli, str(tmp_path / "two.npz::run3"))


def test_layout_says_which_dimension_is_what(stimuli):
    values = numbered(IMAGES)
    np.testing.assert_array_equal(opened(stimuli, values.T, layout="unit,trial").responses.values, values)
    repeated = np.stack([values, values + 100, values + 200], axis=1)  # (image, repetition, unit)
    for array, layout in (
        (repeated, "trial,repetition,unit"),
        (repeated.transpose(2, 0, 1), "neuron,image,repetition"),
    ):
        responses = opened(stimuli, array, layout=layout).responses
        assert responses.dims == ("stimulus", "repetition", "unit")
        np.testing.assert_array_equal(responses.values, repeated)
        np.testing.assert_array_equal(responses[5, 1, 2:].values, repeated[5, 1, 2:])
    with pytest.raises(
        InputValueError, match=r"3 dimensions.*can be several things; say layout=\"trial,repetition,unit"
    ):
        opened(stimuli, repeated)
    with pytest.raises(InputValueError, match=r"has 2 dimensions, .* but the layout 'trial,repetition,unit' has 3"):
        opened(stimuli, values, layout="trial,repetition,unit")


def test_repetitions_of_arrays_and_of_tables_multiply(stimuli):
    repeated = np.stack([numbered(3), numbered(3) + 100], axis=1)
    table = trial_table([0, 8, 0])
    data = load_dataset(
        "own", images=stimuli, table=table, responses=repeated, layout="trial,repetition,unit",
        split={"train": ["picture_00"], "test": ["picture_08"]},
    )  # fmt: skip
    np.testing.assert_array_equal(data.subject("1").responses.values[0, :, 0], [0, 100, 2, 102])


def test_sensors_in_arrays_need_their_times(stimuli, tmp_path):
    values = np.arange(IMAGES * 2 * 3, dtype=float).reshape(IMAGES, 2, 3)  # (trial, channel, time)
    recording = opened(stimuli, values, layout="trial,channel,time", channels=["Oz", "Cz"], times=[0, 0.1, 0.2])
    np.testing.assert_array_equal(recording.responses.sel(channel="Cz").values, values[:, 1])
    assert recording.units.attrs["modality"] == "eeg"
    with pytest.raises(InputValueError, match=r"3 samples in time; say when they are: times=\[...\] in seconds"):
        opened(stimuli, values, layout="trial,channel,time")
    with pytest.raises(InputValueError, match="2 channels, but 1 names were given"):
        opened(stimuli, values, layout="trial,channel,time", channels=["Oz"], times=[0, 0.1, 0.2])
    np.savez(tmp_path / "eeg.npz", data=values, ch_names=["Oz", "Cz"], times=[0, 0.1, 0.2])
    np.testing.assert_array_equal(opened(stimuli, tmp_path / "eeg.npz").responses.values, values)


def test_tables_hold_trials_and_units(stimuli, tmp_path):
    frame = pd.DataFrame(numbered(IMAGES), columns=["n1", "n2", "n3", "n4"])
    frame.insert(0, "stimulus", image_names()[::-1])
    frame.to_csv(tmp_path / "spikes.csv", index=False)
    recording = opened(stimuli, tmp_path / "spikes.csv")
    np.testing.assert_allclose(recording.responses.sel(stimulus="picture_11").values, numbered(1)[0])
    assert recording.units["name"].values.tolist() == ["n1", "n2", "n3", "n4"]
    pd.DataFrame(numbered(IMAGES)).to_csv(tmp_path / "bare.tsv", sep="\t", index=False, header=False)
    np.testing.assert_allclose(opened(stimuli, tmp_path / "bare.tsv").responses.values, numbered(IMAGES), rtol=1e-6)
    frame["n3"] = "high"
    frame.to_csv(tmp_path / "words.csv", index=False)
    with pytest.raises(InputTypeError, match=r"column 'n3' of .*words.csv holds 'high'"):
        opened(stimuli, tmp_path / "words.csv")


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".npz", ".h5", "memory"])
def test_labelled_responses_bring_ids_and_units(stimuli, tmp_path, suffix):
    units = build_units(ijk=np.argwhere(np.ones((1, 2, 2))), rois={"V1": [True, True, False, False]}, modality="fmri")
    labelled = build_responses(numbered(IMAGES), image_names()[::-1], units, response_units="original")
    given = labelled
    if suffix != "memory":
        given = tmp_path / f"responses{suffix}"
        save = {".nc": "to_netcdf", ".zarr": "to_zarr", ".npz": "to_npz", ".h5": "to_hdf5"}
        writer = getattr(labelled.bc, save[suffix], None) or labelled.bc.save
        writer(given)
    recording = opened(stimuli, given)
    xr.testing.assert_allclose(
        recording.responses.sel(stimulus="picture_02").drop_vars(["stimulus", "subject"]),
        labelled[9].drop_vars("stimulus"),
    )
    assert recording.units["roi"].values.tolist() == ["V1"]
    assert recording.units.attrs["response_units"] == "original"


def test_ragged_repetitions_of_labelled_responses_stay_ragged(stimuli):
    values = np.stack([numbered(IMAGES), numbered(IMAGES)], axis=1)
    values[1, 1] = np.nan
    labelled = build_responses(values, image_names()).assign_coords(repetitions=("stimulus", [2, 1] + [2] * 10))
    recording = opened(stimuli, labelled)
    assert recording.responses["repetitions"].values[:3].tolist() == [2, 1, 2]
    np.testing.assert_array_equal(recording.responses.values, values)


def test_sensors_of_labelled_responses(stimuli):
    units = build_sensor_units(["Oz", "Cz"], [0.0, 0.1])
    labelled = build_responses(np.arange(IMAGES * 4.0).reshape(IMAGES, 2, 2), image_names(), units)
    np.testing.assert_array_equal(opened(stimuli, labelled).responses.values, labelled.values)


def write_epochs(path, names, metadata=None, bads=()):
    mne = pytest.importorskip("mne")
    info = mne.create_info(["Oz", "Cz", "STI"], sfreq=100, ch_types=["eeg", "eeg", "stim"])
    info["bads"] = list(bads)
    data = np.zeros((len(names), 3, 5))
    data[:, :2] = (np.arange(len(names))[:, None, None] + np.arange(2)[:, None] / 10) * 1e-6
    codes = {name: number for number, name in enumerate(dict.fromkeys(names), start=1)}
    events = np.array([[10 * place, 0, codes[name]] for place, name in enumerate(names)])
    epochs = mne.EpochsArray(data, info, events, tmin=-0.02, event_id=codes, metadata=metadata, verbose="error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epochs.save(path, verbose="error", overwrite=True)
    return path


def test_epochs_name_their_stimuli_by_events_or_metadata(stimuli, tmp_path):
    names = [*image_names(), "picture_03"]
    recording = opened(stimuli, write_epochs(tmp_path / "sub-1-epo.fif", names))
    assert recording.responses.dims == ("stimulus", "repetition", "channel", "time")
    np.testing.assert_allclose(
        recording.responses.sel(stimulus="picture_03", channel="Cz").values[:, 0], [3.1, 12.1], rtol=1e-5
    )
    np.testing.assert_allclose(recording.units["time"].values, [-0.02, -0.01, 0, 0.01, 0.02])
    assert recording.units.attrs["response_units"] == "microvolt"
    metadata = pd.DataFrame({"stimulus": names[::-1], "fixation": ["yes"] * 13})
    other = opened(stimuli, write_epochs(tmp_path / "meta-epo.fif", ["shown"] * 13, metadata, bads=["Oz"]))
    assert other.responses["channel"].values.tolist() == ["Cz"]
    np.testing.assert_allclose(other.responses.sel(stimulus="picture_11").values[0, 0, 0], 1.1, rtol=1e-5)
    assert other.responses["fixation"].values.tolist() == ["yes"] * 12


def test_table_wins_over_names_of_events(stimuli, tmp_path):
    path = write_epochs(tmp_path / "sub-1-epo.fif", ["shown"] * IMAGES)
    recording = opened(stimuli, path, table=trial_table(list(range(IMAGES))))
    np.testing.assert_allclose(recording.responses.sel(stimulus="picture_07").values[0, 0], 7, rtol=1e-5)


def test_truncated_epochs_are_refused(stimuli, tmp_path):
    path = write_epochs(tmp_path / "a-epo.fif", image_names())
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DamagedFileError, match="cannot be read as MNE epochs"):
        opened(stimuli, path)


class Harmful:
    def __reduce__(self):
        return (print, ("harm",))


def test_plain_pickles_are_read_and_harmful_ones_refused(stimuli, tmp_path, capsys):
    np.save(tmp_path / "dict.npy", {"betas": numbered(IMAGES), "note": "mine"}, allow_pickle=True)
    np.testing.assert_array_equal(opened(stimuli, tmp_path / "dict.npy").responses.values, numbered(IMAGES))
    np.save(tmp_path / "bad.npy", np.array([Harmful()] * 3, object), allow_pickle=True)
    with pytest.raises(UnsafeFileError):
        opened(stimuli, tmp_path / "bad.npy")
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises((UnsafeFileError, DamagedFileError)):
        opened(stimuli, tmp_path / "raw.npy")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5", "a.mat", "a.csv"])
def test_truncated_files_are_named(stimuli, tmp_path, name):
    path = tmp_path / name
    values = np.random.default_rng(0).standard_normal((IMAGES, 500))
    if name == "a.npy":
        np.save(path, values)
    elif name == "a.npz":
        np.savez(path, betas=values)
    elif name == "a.mat":
        scipy.io.savemat(path, {"betas": values})
    elif name == "a.h5":
        with h5py.File(path, "w") as file:
            file["betas"] = values
    else:
        path.write_bytes(b"\xff\xfe\x00\x01")
    if name != "a.csv":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DamagedFileError, match=name):
        opened(stimuli, path).responses.values  # noqa: B018


@pytest.mark.parametrize("values", [np.array([["a", "b"]] * IMAGES), np.ones((IMAGES, 2), complex)])
def test_values_that_are_no_real_numbers_are_refused(stimuli, values, tmp_path):
    with pytest.raises(InputTypeError, match="expected real numbers"):
        opened(stimuli, values)
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputTypeError, match=r"a\.npy holds"):
        opened(stimuli, tmp_path / "a.npy")


def test_other_files_and_things_are_refused(stimuli, tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(UnknownNameError, match=r"unknown suffix '.xlsx'"):
        opened(stimuli, tmp_path / "a.xlsx")
    with pytest.raises(InputTypeError, match="not int"):
        opened(stimuli, 3)
    with pytest.raises(InputValueError, match="is empty"):
        opened(stimuli, np.zeros((0, 3)))
    with pytest.raises(InputValueError, match=r"expected .stimulus"):
        opened(stimuli, xr.DataArray(np.zeros((12, 3)), dims=("time", "unit")))


def test_table_of_responses_may_hold_several_subjects(stimuli, tmp_path):
    frame = pd.DataFrame(numbered(2 * IMAGES), columns=["n1", "n2", "n3", "n4"])
    frame.insert(0, "stimulus", [*image_names(), *image_names()])
    frame.insert(1, "subject", ["a"] * IMAGES + ["b"] * IMAGES)
    frame.to_csv(tmp_path / "spikes.csv", index=False)
    data = load_dataset("own", images=stimuli, responses=tmp_path / "spikes.csv", split=SPLIT)
    assert data.subjects() == ["a", "b"]
    assert data.subject("b").responses.shape == (IMAGES, UNITS)
    np.testing.assert_allclose(data.subject("b").responses.values[0, 0], IMAGES)

"""What people bring that is not quite what `evaluate` takes: plain files, other containers, empty choices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation import evaluate
from braincodec.stimuli import StimulusSet

from .recordings import TRAIN, eeg_recording, recording

QUICK = {"metrics": "correlation", "draws": 20, "permutations": 20, "leakage": "off"}
IMAGES = {**QUICK, "metrics": "pixel_correlation"}


@pytest.fixture(scope="module")
def known():
    return recording(stimuli=60, units=10)


@pytest.fixture(scope="module")
def decoded(known):
    """Decoded images of the test stimuli."""
    return np.random.default_rng(5).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_only_array_of_an_npz_file_is_what_the_array_itself_is(known, decoded, tmp_path, save):
    measured, signal = known
    save(tmp_path / "predicted.npz", signal[TRAIN:])
    scores = evaluate(tmp_path / "predicted.npz", measured, **QUICK)
    assert scores.value("correlation") == evaluate(signal[TRAIN:], measured, **QUICK).value("correlation")
    save(tmp_path / "decoded.npz", decoded)
    assert evaluate(tmp_path / "decoded.npz", measured, **IMAGES).direction == "decoding"


def test_several_arrays_in_an_npz_file_are_not_chosen_from(known, tmp_path):
    measured, signal = known
    np.savez(tmp_path / "two.npz", a=signal[TRAIN:], b=signal[TRAIN:])
    with pytest.raises(InputValueError, match=r"several arrays.*a, b"):
        evaluate(tmp_path / "two.npz", measured, **QUICK)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_files_that_numpy_cannot_read_are_named(known, tmp_path, suffix):
    path = tmp_path / f"predicted{suffix}"
    path.write_text("not numbers")
    with pytest.raises(DamagedFileError, match=f"predicted{suffix} cannot be read as a {suffix} file of numbers"):
        evaluate(path, known[0], **QUICK)


def test_arrays_of_objects_are_refused_before_they_are_read(known, tmp_path):
    np.save(tmp_path / "predicted.npy", known[1][TRAIN:].astype(object), allow_pickle=True)
    with pytest.raises(DamagedFileError, match=r"cannot be read as a \.npy file of numbers"):
        evaluate(tmp_path / "predicted.npy", known[0], **QUICK)


def test_other_files_and_folders_are_told_what_can_be_scored(known, tmp_path):
    pd.DataFrame(known[1][TRAIN:]).to_csv(tmp_path / "predicted.csv")
    with pytest.raises(InputValueError, match=r"no image.*predicted responses end in \.zarr, \.nc"):
        evaluate(tmp_path / "predicted.csv", known[0], **QUICK)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputValueError, match=r"no image in the folder.*nor is there a config\.json"):
        evaluate(tmp_path / "empty", known[0], **QUICK)


def test_other_containers_are_told_how_they_become_arrays(known):
    measured, signal = known
    with pytest.raises(InputTypeError, match=r"DataFrame \(give its numbers: frame\.to_numpy\(\)"):
        evaluate(pd.DataFrame(signal[TRAIN:]), measured, **QUICK)
    with pytest.raises(InputTypeError, match=r"Dataset \(choose one of its variables"):
        evaluate(xr.Dataset({"responses": (("stimulus", "unit"), signal[TRAIN:])}), measured, **QUICK)
    torch = pytest.importorskip("torch")
    with pytest.raises(InputTypeError, match=r"Tensor \(give its numbers"):
        evaluate(torch.tensor(signal[TRAIN:]), measured, **QUICK)
    with pytest.raises(InputValueError, match="one entry, such as an array, for each recording: here 30 for 1"):
        evaluate(signal[TRAIN:].tolist(), measured, **QUICK)


def test_images_of_another_kind_are_told_how_they_become_images(known, decoded):
    measured, _ = known
    for wrong in (decoded / 255, decoded[..., 0], decoded.astype(int)):
        with pytest.raises(
            InputTypeError, match=r"predicted images must be uint8 of shape \(n, height, width, 3\), not"
        ):
            evaluate(wrong, measured, direction="decoding", **IMAGES)
    expected = evaluate(decoded, measured, **IMAGES).value("pixel_correlation")
    floats = StimulusSet.open(decoded / 255, value_range=(0, 1))  # as the error says
    assert evaluate(floats, measured, **IMAGES).value("pixel_correlation") == pytest.approx(expected, abs=1e-6)
    grey = np.repeat(decoded[..., :1][..., 0][..., None], 3, -1)
    assert evaluate(grey, measured, direction="decoding", **IMAGES).direction == "decoding"


def test_another_number_of_images_than_stimuli_is_counted(known, decoded):
    with pytest.raises(InputValueError, match="there are 29 predicted images for 30 stimuli"):
        evaluate(decoded[:-1], known[0], **IMAGES)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": []}, "metrics is empty; leave it out for every metric of encoding"),
        ({"rois": []}, "rois is empty; leave it out for all regions"),
        ({"rois": {}}, "rois is empty; leave it out for all regions"),
        ({"rois": {"mine": np.zeros(10, bool)}}, "roi 'mine' has no units"),
        ({"rois": 3}, "rois are names, or a mapping of names to members, not int"),
        ({"noise_ceiling": "given"}, "noise_ceiling='given' needs the ceilings"),
    ],
)
def test_empty_and_impossible_choices_are_refused(known, options, words):
    with pytest.raises((InputValueError, InputTypeError), match=words):
        evaluate(known[1][TRAIN:], known[0], **{**QUICK, **options})


def test_a_region_without_channels_is_refused():
    measured, signal = eeg_recording()
    with pytest.raises(InputValueError, match="roi 'mine' has no channels"):
        evaluate(signal[10:], measured, rois={"mine": []}, **QUICK)


def test_what_was_not_scored_is_named_beside_what_was(known):
    scores = evaluate(known[1][TRAIN:], known[0], **QUICK)
    with pytest.raises(
        UnknownNameError, match="unknown metric 'corelation' of these scores; did you mean 'correlation'"
    ):
        scores.value("corelation")
    with pytest.raises(UnknownNameError, match=r"unknown roi 'V7' of these scores.*available: all, V1, V2, early"):
        scores.value("correlation", roi="V7")
    with pytest.raises(InputValueError, match="there is no subject '2' of 1"):
        scores.value("correlation", subject="2")


def test_the_recording_says_its_modality_where_its_data_set_has_several():
    from braincodec.datasets import Recording

    measured, signal = eeg_recording()
    simulated = Recording(
        "simulated",
        "1",
        measured.stimuli,
        measured.responses,
        measured.units.assign_attrs(modality="eeg"),
        measured.split,
    )
    assert evaluate(signal[10:], simulated, **QUICK).about["dataset"]["modality"] == "eeg"

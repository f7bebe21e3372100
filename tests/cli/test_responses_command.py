"""`braincodec responses`: what was generated in advance."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from braincodec.responses import open_responses
from braincodec.store import open_store

PLACE = "synthetic_neural_responses/modality-{}/train_dataset-{}/model-{}/imageset-{}/synthetic_neural_responses_sub-01"
FWRF = PLACE.format("fmri", "nsd", "fwrf", "things") + "_roi-V1.h5"
EEG = PLACE.format("eeg", "things_eeg_2", "vit_b_32", "nsd") + ".h5"


@pytest.fixture
def ned(golden):
    return golden / "neural_encoding_dataset"


def published(path):
    with h5py.File(path) as file:
        return file["synthetic_neural_responses"][:]


def test_list_shows_each_set_once(run, ned):
    outcome = run("responses", "list", "--store", ned)
    assert outcome.code == 0
    assert "things" in outcome.out
    rows = json.loads(run("responses", "list", "--store", ned, "--json").out)
    assert {"model": "fmri-nsd-fwrf", "stimuli": "things", "subject": 1, "roi": "V1"} in rows


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".npy"])
def test_exported_rows_are_the_published_ones(run, ned, tmp_path, suffix):
    output = tmp_path / f"x{suffix}"
    outcome = run(
        "responses", "export", "--store", ned, "--stimuli", "things", "--roi", "V1", "--rows", "2:6", "-o", output
    )
    assert outcome.code == 0
    np.testing.assert_array_equal(open_responses(output).values, published(ned / FWRF)[2:6])


def test_exported_stimuli_keep_their_ids(run, ned, tmp_path):
    run(
        "responses", "export", "-s", ned, "--stimuli", "things", "--roi", "V1", "--rows", "7,3", "-o", tmp_path / "x.nc"
    )
    whole = open_store(ned).responses("fmri-nsd-fwrf", stimuli="things", subject=1, roi="V1")
    found = open_responses(tmp_path / "x.nc")
    assert found["stimulus"].values.tolist() == whole["stimulus"].values[[7, 3]].tolist()


def test_channels_and_times_of_eeg(run, ned, tmp_path):
    whole = open_store(ned).responses("eeg-things_eeg_2-vit_b_32", stimuli="nsd", subject=1)
    channel = str(whole["channel"].values[3])
    start, stop = float(whole["time"].values[2]), float(whole["time"].values[5])
    output = tmp_path / "x.nc"
    words = ["--stimuli", "nsd", "--channel", channel, "--time", f"{start}:{stop}", "-o", output]
    assert run("responses", "export", "-s", ned, *words).code == 0
    np.testing.assert_array_equal(open_responses(output).values, published(ned / EEG)[:, :, 3:4, 2:6])


def test_show_gives_means_and_values(run, ned):
    data = json.loads(
        run("responses", "show", "-s", ned, "--stimuli", "things", "--roi", "V1", "--rows", "0:2", "--json").out
    )
    np.testing.assert_allclose(data["values"], published(ned / FWRF)[:2], rtol=1e-6)
    table = run("responses", "show", "-s", ned, "--stimuli", "things", "--roi", "V1", "--rows", "0:2")
    assert f"{published(ned / FWRF)[0].mean():.3f}" in table.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stimuli", "thing", "--roi", "V1"], "did you mean 'things'"),
        (["--stimuli", "things", "--roi", "V11"], "did you mean 'V1'"),
        (["--stimuli", "things", "--roi", "V1", "--rows", "0-4"], "--rows takes"),
        (["--stimuli", "things", "--roi", "V1", "--rows", "999999"], "there are"),
        (["--stimuli", "things", "--roi", "V1", "--channel", "Oz"], "channel"),
        (["--stimuli", "things", "--roi", "V2"], "not found"),
    ],
)
def test_mistakes_are_answered_in_words(run, ned, tmp_path, words, message):
    outcome = run("responses", "export", "-s", ned, *words, "-o", tmp_path / "x.nc")
    assert outcome.code == 1
    assert message in outcome.err
    assert not (tmp_path / "x.nc").exists()


def test_existing_export_is_kept_unless_told_otherwise(run, ned, tmp_path):
    words = [
        "responses",
        "export",
        "-s",
        ned,
        "--stimuli",
        "things",
        "--roi",
        "V1",
        "--rows",
        "0:2",
        "-o",
        tmp_path / "x.npy",
    ]
    assert run(*words).code == 0
    assert run(*words).code == 1
    assert run(*words, "--overwrite").code == 0

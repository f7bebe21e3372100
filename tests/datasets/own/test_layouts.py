"""One's own recordings open from a folder, from files anywhere, and from memory."""

from __future__ import annotations

import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest

import braincodec as bc
from braincodec.datasets import DATASETS, load_dataset
from braincodec.errors import InputValueError, MissingFileError
from braincodec.stimuli import StimulusSet

from .studies import IMAGES, UNITS, image_names, numbered, pixels, trial_table, write_images


def test_folder_opens_with_subjects_repetitions_labels_and_split(study):
    data = bc.load_dataset("own", study)
    assert data.subjects() == ["01", "02"]
    recording = data.subject("02")
    assert dict(recording.responses.sizes) == {"stimulus": IMAGES, "repetition": 2, "unit": UNITS}
    first = recording.responses.sel(stimulus="picture_03.png")
    np.testing.assert_allclose(first.values[:, 0], [103, 113])
    assert np.isnan(recording.responses.sel(stimulus="picture_01.png").values[1]).all()
    assert recording.responses["repetitions"].values.tolist() == [2, 1, 1] * 4
    assert recording.responses["category"].values[:2].tolist() == ["even", "odd"]
    assert "run" not in recording.responses.coords  # it differs between trials of one stimulus
    assert recording.split.test == ("picture_03.png", "picture_07.png", "picture_11.png")
    np.testing.assert_array_equal(recording.stimuli["picture_05.png"], pixels()[5])


def test_mean_over_repetitions(study):
    responses = load_dataset("own", study).subject("01", repetitions="mean").responses
    assert responses.dims == ("stimulus", "unit")
    np.testing.assert_allclose(responses.sel(stimulus="picture_03.png").values[0], (3 + 13) / 2)


def test_subjects_may_be_named_as_numbers(study):
    assert load_dataset("own", study).subject("2").subject == "02"


def test_files_elsewhere_are_named_one_by_one(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = load_dataset(
        "own",
        table="my-study/trials.csv",
        images="my-study/images/*.png",
        responses="my-study/responses/sub-{subject}.npy",
    )
    assert data.subject("01").responses.shape == (IMAGES, 2, UNITS)
    assert [path.name for path in data.files("01")] == ["sub-01.npy", "trials.csv"]


def test_everything_may_be_in_memory():
    data = load_dataset(
        "own",
        table=trial_table([2, 0, 1, 2]),
        images=StimulusSet.open(pixels(), ids=image_names()),
        responses=numbered(4),
        near_copies=False,
        fractions=(0.5, 0.0, 0.5),
    )
    responses = data.subject("1").responses
    assert responses["stimulus"].values.tolist() == ["picture_02", "picture_00", "picture_01"]
    np.testing.assert_allclose(responses.values[0, :, 0], [0, 3])


def test_without_a_table_the_first_trial_shows_the_first_image(tmp_path):
    write_images(tmp_path / "images")
    np.save(tmp_path / "responses.npy", numbered(IMAGES))
    responses = load_dataset("own", tmp_path).subject("1").responses
    assert responses.dims == ("stimulus", "unit")
    np.testing.assert_allclose(responses.sel(stimulus="picture_07.png").values[1], 7.1)


@pytest.mark.parametrize("form", ["zip", "npz", "h5", "npy"])
def test_images_may_be_in_any_container(tmp_path, form):
    import h5py

    place = tmp_path / f"images.{form}"
    if form == "zip":
        write_images(tmp_path / "loose")
        with zipfile.ZipFile(place, "w") as archive:
            for path in sorted((tmp_path / "loose").iterdir()):
                archive.write(path, path.name)
    elif form == "npz":
        np.savez(place, images=pixels())
    elif form == "npy":
        np.save(place, pixels())
    else:
        with h5py.File(place, "w") as file:
            file["imgBrick"] = pixels()
    np.save(tmp_path / "responses.npy", numbered(IMAGES))
    recording = load_dataset("own", tmp_path).subject("1")
    np.testing.assert_array_equal(recording.stimuli[recording.responses["stimulus"].values[4].item()], pixels()[4])


def test_sessions_in_files_of_their_own_follow_the_table(study):
    for who, start in (("01", 0), ("02", 100)):
        (study / "responses" / f"sub-{who}.npy").unlink()
        np.save(study / "responses" / f"sub-{who}_ses-01.npy", numbered(IMAGES, start=start))
        np.save(study / "responses" / f"sub-{who}_ses-02.npy", numbered(4, start=start + 50))
    table = pd.read_csv(study / "trials.csv", dtype=str).sort_values("session", ascending=False, kind="stable")
    responses = load_dataset("own", study, table=table).subject("02").responses
    np.testing.assert_allclose(responses.sel(stimulus="picture_03.png").values[:, 0], [151, 103])


def test_sessions_are_known_from_file_names_where_the_table_has_none(study):
    table = pd.read_csv(study / "trials.csv", dtype=str).drop(columns="session")
    for who in ("01", "02"):
        (study / "responses" / f"sub-{who}.npy").unlink()
        np.save(study / "responses" / f"sub-{who}_ses-1.npy", numbered(IMAGES))
        np.save(study / "responses" / f"sub-{who}_ses-2.npy", numbered(4, start=IMAGES) * 3)
    responses = load_dataset("own", study, table=table, standardise="session").subject("01").responses
    train = responses.sel(stimulus=[f"picture_{n:02d}.png" for n in range(IMAGES) if n % 4 != 3])
    np.testing.assert_allclose(np.nanmean(train.values[:, 0, 0]), 0, atol=1e-6)


def test_one_file_may_hold_everybody(study):
    np.save(study / "all.npy", numbered(32))
    data = load_dataset("own", study, responses="all.npy")
    np.testing.assert_allclose(data.subject("01").responses.values[0, :, 0], [0, 12])
    np.testing.assert_allclose(data.subject("02").responses.values[0, :, 0], [16, 28])


def test_column_response_says_which_trial_each_row_is(study):
    table = pd.read_csv(study / "trials.csv", dtype=str)
    table["response"] = [str(15 - place % 16) for place in range(len(table))]
    responses = load_dataset("own", study, table=table).subject("01").responses
    np.testing.assert_allclose(responses.sel(stimulus="picture_00.png").values[:, 0], [15, 3])


def test_column_repetition_orders_trials(tmp_path):
    table = trial_table([0, 0, 1, 0], repetition=["2", "10", "1", "1"])
    stimuli = StimulusSet.open(pixels(2), ids=image_names(2))
    split = {"train": ["picture_00"], "test": ["picture_01"]}
    data = load_dataset("own", table=table, images=stimuli, responses=numbered(4), split=split)
    np.testing.assert_allclose(data.subject("1").responses.values[0, :, 0], [3, 0, 1])


def test_responses_may_be_a_mapping_of_subjects(study):
    given = {"01": numbered(16), "2": str(study / "responses" / "sub-02.npy")}
    data = load_dataset("own", study, responses=given)
    assert data.subject("02").responses.values[0, 0, 0] == 100


def test_settings_beside_the_data_are_read_and_options_win(study):
    facts = {"title": "my-study", "licence": "CC-BY-4.0", "citation": "We 2025", "species": "human", "seed": 3}
    (study / "dataset.json").write_text(json.dumps(facts))
    data = load_dataset("own", study, licence="CC0", modality="fmri")
    assert (data.licence, data.citation, data.modality, data.settings.seed) == ("CC0", "We 2025", "fmri", 3)
    recording = data.subject("01")
    assert recording.dataset == "my-study"
    assert recording.units.attrs["licence"] == "CC0"
    assert recording.responses.attrs["modality"] == "fmri"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "expected an object"),
        ('{"licnse": "CC0"}', "unknown key 'licnse' .did you mean 'licence'"),
        ('{"fractions": [0.5, 0.6, 0.2]}', "at most 1"),
        ('{"layout": "unit"}', "a layout needs trial"),
        ('{"layout": "trial,voxels"}', "dimensions are trial"),
    ],
)
def test_wrong_settings_are_refused(study, content, words):
    (study / "dataset.json").write_text(content)
    with pytest.raises(InputValueError, match=words):
        load_dataset("own", study)


def test_absent_parts_are_named_with_what_is_there(study, tmp_path):
    with pytest.raises(InputValueError, match=r"needs images=.*images/"):
        load_dataset("own")
    with pytest.raises(MissingFileError, match="folder of the data set not found"):
        load_dataset("own", tmp_path / "nowhere")
    (study / "images").rename(study / "imges")
    with pytest.raises(MissingFileError, match=r"it holds imges, responses, trials.csv; expected images/"):
        load_dataset("own", study)
    (study / "imges").rename(study / "images")
    (study / "pictures").mkdir()
    with pytest.raises(InputValueError, match=r"holds images, pictures; say which to use: images="):
        load_dataset("own", study)


def test_recordings_travel_to_other_processes(study):
    recording = load_dataset("own", study).subject("01")
    copied = pickle.loads(pickle.dumps(recording))
    np.testing.assert_array_equal(copied.responses.values, recording.responses.values)


def test_responses_stay_in_their_file_until_they_are_used(study, monkeypatch):
    recording = load_dataset("own", study).subject("01")
    np.save(study / "responses" / "sub-01.npy", numbered(16, start=500))
    assert recording.responses.values[0, 0, 0] == 500


def test_guide_is_what_works(tmp_path):
    guide = DATASETS.get("own").how_to_get
    table = guide[guide.index("stimulus,subject") :].split("\n\n")[0]
    (tmp_path / "trials.csv").write_text("\n".join(line.strip() for line in table.splitlines()))
    (tmp_path / "images").mkdir()
    from PIL import Image

    for name, image in zip(("cat_01", "dog_07"), pixels(2), strict=True):
        Image.fromarray(image).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "responses").mkdir()
    np.save(tmp_path / "responses" / "sub-01.npy", numbered(2))
    (tmp_path / "dataset.json").write_text('{"title": "my-study", "licence": "CC-BY-4.0", "citation": "..."}')
    recording = load_dataset("own", tmp_path).subject("01")
    assert recording.responses["category"].values.tolist() == ["animal", "animal"]
    assert recording.split.test == ("dog_07.png",)


def test_folders_above_the_data_name_nobody(study, tmp_path):
    place = tmp_path / "sub-projects"
    study.rename(place)
    assert load_dataset("own", place).subjects() == ["01", "02"]
    np.save(place / "all.npy", numbered(32))
    for given in ("all.npy", "a*.npy", [str(place / "all.npy")]):
        assert load_dataset("own", place, responses=given).subject("02").responses.values[0, 0, 0] == 16


def test_folders_of_subjects_and_sessions_are_understood(study):
    for who in ("01", "02"):
        (study / "responses" / f"sub-{who}.npy").unlink()
        for session, count in (("1", IMAGES), ("2", 4)):
            folder = study / "responses" / f"sub-{who}" / f"ses-{session}"
            folder.mkdir(parents=True)
            np.save(folder / "betas.npy", numbered(count, start=1000 * int(who) + 100 * int(session)))
    for given in (None, "responses/sub-{subject}/ses-{session}/*.npy", "responses/sub-*/ses-*/betas.npy"):
        options = {} if given is None else {"responses": given}
        responses = load_dataset("own", study, **options).subject("02").responses
        np.testing.assert_allclose(responses.sel(stimulus="picture_03.png").values[:, 0], [2103, 2201])


def test_table_alone_may_name_its_folder_images_and_responses(study, monkeypatch):
    table = pd.read_csv(study / "trials.csv", dtype=str).query("subject == '01'").drop(columns="subject")
    for place, (name, number) in enumerate(zip(table["stimulus"], range(len(table)), strict=True)):
        np.save(study / f"trial_{place:02d}.npy", numbered(1, start=number)[0])
        assert name
    table["stimulus"] = "pics/" + table["stimulus"] + ".png"
    table["response"] = [f"trial_{place:02d}.npy" for place in range(len(table))]
    (study / "images").rename(study / "pics")
    table.to_csv(study / "linked.csv", index=False)
    monkeypatch.chdir(study.parent)
    recording = load_dataset("own", "my-study/linked.csv").subject("1")
    assert recording.stimuli.ids[5] == "pics/picture_05.png"
    np.testing.assert_array_equal(recording.stimuli["pics/picture_05.png"], pixels()[5])
    np.testing.assert_allclose(recording.responses.sel(stimulus="pics/picture_03.png").values[:, 1], [3.1, 13.1])


def test_paths_may_start_from_where_one_is(study, monkeypatch):
    monkeypatch.chdir(study.parent)
    data = load_dataset("own", "my-study", table="my-study/trials.csv", responses="responses/sub-{subject}.npy")
    assert data.subjects() == ["01", "02"]
    assert load_dataset("own", "my-study/trials.csv").subjects() == ["01", "02"]


def test_tensors_and_data_frames_are_responses():
    import torch

    stimuli = StimulusSet.open(pixels(), ids=image_names())
    split = {"train": image_names()[:9], "test": image_names()[9:]}
    for given in (torch.from_numpy(numbered(IMAGES)), pd.DataFrame(numbered(IMAGES), columns=list("abcd"))):
        recording = load_dataset("own", images=stimuli, responses=given, split=split).subject("1")
        np.testing.assert_allclose(recording.responses.values, numbered(IMAGES), rtol=1e-6)
    with pytest.raises(InputValueError, match=r"has 1 dimensions, \(12,\); expected \(trial, unit\)"):
        load_dataset("own", images=stimuli, responses=np.zeros(IMAGES))

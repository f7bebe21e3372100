"""Whatever does not fit is said in one sentence before any long work: what, where, and what was expected."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from braincodec.datasets import load_dataset
from braincodec.datasets.own.linking import linked
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, MissingFileError, UnknownNameError
from braincodec.stimuli import StimulusSet

from .studies import IMAGES, image_names, numbered, pixels, trial_table, write_images


@pytest.fixture
def stimuli() -> StimulusSet:
    return StimulusSet.open(pixels(), ids=image_names())


def table_of(study) -> pd.DataFrame:
    return pd.read_csv(study / "trials.csv", dtype=str)


def test_counts_that_disagree_name_both_files(study):
    np.save(study / "responses" / "sub-02.npy", numbered(15))
    with pytest.raises(
        InputValueError,
        match=r"has 16 rows of subject '02', but .*sub-02\.npy has 15 trials of 4 units; a column `response`",
    ):
        load_dataset("own", study).subject("02")


def test_units_before_trials_are_recognised(study):
    np.save(study / "responses" / "sub-01.npy", numbered(16).T)
    with pytest.raises(
        InputValueError,
        match=r"has 4 trials of 16 units; is its first dimension the unit\? Then say layout=\"unit,trial\"",
    ):
        load_dataset("own", study).subject("01")


def test_counts_of_images_and_responses_without_a_table(stimuli):
    with pytest.raises(
        InputValueError,
        match=r"the images holds 12 images, but the array of responses has 11 trials of 4 units; give a table",
    ):
        load_dataset("own", images=stimuli, responses=numbered(11))
    with pytest.raises(InputValueError, match=r'or say layout="unit,trial"'):
        load_dataset("own", images=stimuli, responses=numbered(12).T)


@pytest.mark.parametrize(("typed", "meant"), [("img_7", "a/img_007.png"), ("img_0070.png", "a/img_070.png")])
def test_a_number_with_other_zeros_is_the_nearest(typed, meant):
    ids = [f"a/img_{number:03d}.png" for number in range(300)]
    with pytest.raises(InputValueError, match=f"nearest: '{meant}'"):
        linked([typed], ids, "trials.csv", "pictures/")


def test_rows_without_an_image_are_counted_and_the_nearest_named(study):
    table = table_of(study)
    table.loc[[0, 5, 6, 7], "stimulus"] = ["pictur_00", "dog", "cat", "dog"]
    table.loc[8, "stimulus"] = "horse"
    with pytest.raises(InputValueError) as caught:
        load_dataset("own", study, table=table)
    text = str(caught.value)
    assert "5 of 32 rows of the table name images that do not exist, 4 different ones" in text
    assert "'pictur_00' (nearest: 'picture_00" in text
    assert "'dog', 'cat', ...; looked among the 12 of" in text


def test_name_that_fits_two_images_is_refused(tmp_path):
    write_images(tmp_path / "images" / "a", 2)
    write_images(tmp_path / "images" / "b", 2)
    with pytest.raises(
        InputValueError, match=r"'picture_00' in the table could be 2 images .*: a/picture_00.png, b/picture_00.png"
    ):
        load_dataset("own", images=tmp_path / "images", table=trial_table([0, 1]), responses=numbered(2))
    table = pd.DataFrame({"stimulus": ["a/picture_00", "stimuli/images/b/picture_01.png"], "split": ["train", "test"]})
    recording = load_dataset("own", images=tmp_path / "images", table=table, responses=numbered(2)).subject("1")
    assert recording.split.test == ("b/picture_01.png",)


@pytest.mark.parametrize(
    ("wrong", "right"), [("stimlus", "stimulus"), ("subjct", "subject"), ("Split", "split"), ("sesion", "session")]
)
def test_misspelt_columns_are_guessed(study, wrong, right):
    table = table_of(study).rename(columns={right: wrong})
    with pytest.raises(InputValueError, match=f"no column '{right}'; did you mean '{wrong}'.*columns="):
        load_dataset("own", study, table=table)
    assert load_dataset("own", study, table=table, columns={right: wrong}).subjects() == ["01", "02"]


def test_columns_are_found_by_their_usual_other_names(study):
    table = table_of(study).rename(columns={"stimulus": "image", "subject": "participant_id", "split": "part"})
    table["participant_id"] = "sub-" + table["participant_id"]
    assert load_dataset("own", study, table=table).subject("01").split.test[0] == "picture_03.png"


def test_columns_that_do_not_exist_are_named(study):
    with pytest.raises(UnknownNameError, match="unknown column 'pic' of the table"):
        load_dataset("own", study, table=table_of(study), columns={"stimulus": "pic"})
    with pytest.raises(UnknownNameError, match="unknown role of a column 'image'"):
        load_dataset("own", study, table=table_of(study), columns={"image": "stimulus"})
    with pytest.raises(InputValueError, match=r"no column 'stimulus' \(its columns: subject"):
        load_dataset("own", study, table=table_of(study).drop(columns="stimulus"))


def test_empty_cells_and_tables_are_named(study, tmp_path):
    table = table_of(study)
    table.loc[[2, 9], "stimulus"] = None
    with pytest.raises(InputValueError, match=r"2 rows of the table have no stimulus: 3, 10 \(counted from 1\)"):
        load_dataset("own", study, table=table)
    with pytest.raises(InputValueError, match="the table has no row"):
        load_dataset("own", study, table=table[:0])
    with pytest.raises(InputTypeError, match="not dict"):
        load_dataset("own", study, table={"stimulus": ["a"]})
    with pytest.raises(MissingFileError, match=r"table not found: .*trial\.csv"):
        load_dataset("own", study, table="trial.csv")
    (tmp_path / "wide.csv").write_text('a,b\n1,2,3\n"')
    with pytest.raises(DamagedFileError, match=r"wide\.csv cannot be read as a table"):
        load_dataset("own", study, table=tmp_path / "wide.csv")


def test_repetition_that_is_there_twice_is_refused(stimuli):
    table = trial_table([0, 0, 1], repetition=["1", "1", "1"], split=["train", "train", "test"])
    with pytest.raises(
        InputValueError, match=r"1 rows of the table occur twice, the first is stimulus 'picture_00', repetition '1'"
    ):
        load_dataset("own", images=stimuli, table=table, responses=numbered(3)).subject("1")


def test_response_numbers_outside_the_file_or_twice_are_refused(stimuli):
    table = trial_table([0, 1, 2], response=["0", "7", "-1"], split=["train", "train", "test"])
    with pytest.raises(
        InputValueError, match=r"2 rows of the table name trials that .* does not have, such as 7; it has 3"
    ):
        load_dataset("own", images=stimuli, table=table, responses=numbered(3)).subject("1")
    table["response"] = ["0", "1", "0"]
    with pytest.raises(InputValueError, match="names trial 0 of the array of responses 2 times"):
        load_dataset("own", images=stimuli, table=table, responses=numbered(3)).subject("1")


def test_subjects_without_responses_and_unknown_ones_are_named(study):
    (study / "responses" / "sub-02.npy").unlink()
    with pytest.raises(InputValueError, match="no responses of subject '02'; there are those of 01"):
        load_dataset("own", study)
    with pytest.raises(UnknownNameError, match="unknown subject '3' of own; available: 01"):
        load_dataset("own", study, table=table_of(study).query("subject == '01'")).subject("3")


def test_sessions_without_responses_are_named(study):
    (study / "responses" / "sub-01.npy").unlink()
    np.save(study / "responses" / "sub-01_ses-1.npy", numbered(12))
    np.save(study / "responses" / "sub-01_ses-3.npy", numbered(4))
    table = table_of(study).query("subject == '01'")
    with pytest.raises(InputValueError, match="session 3, but its responses have 4 trials"):
        load_dataset("own", study, table=table, responses="responses/sub-01_ses-*.npy").subject("01")


def test_sessions_of_other_units_are_refused(study):
    np.save(study / "responses" / "sub-01_ses-2.npy", numbered(4, units=5))
    np.save(study / "responses" / "sub-01_ses-1.npy", numbered(12, units=4))
    table = table_of(study).query("subject == '01'")
    with pytest.raises(InputValueError, match=r"has 4 units, but .*ses-2\.npy has 5; sessions of one subject"):
        load_dataset("own", study, table=table, responses="responses/sub-01_ses-*.npy")


def test_patterns_and_folders_without_responses_are_named(study, tmp_path):
    for pattern in ("betas/*.npy", "betas/sub-{subject}.npy", "betas.npy"):
        with pytest.raises(MissingFileError, match="betas"):
            load_dataset("own", study, responses=pattern)
    (study / "empty").mkdir()
    with pytest.raises(InputValueError, match="holds no responses"):
        load_dataset("own", study, responses="empty")
    np.save(study / "responses" / "extra.npy", numbered(3))
    with pytest.raises(
        InputValueError, match=r"some responses name their subject .* others do not, such as .*extra\.npy"
    ):
        load_dataset("own", study)


def test_other_options_are_refused(study):
    with pytest.raises(
        UnknownNameError, match="unknown option 'respnses' of the data set 'own'; did you mean 'responses'"
    ):
        load_dataset("own", study, respnses="a.npy")
    with pytest.raises(InputValueError, match="standardise"):
        load_dataset("own", study, standardise="everything")
    with pytest.raises(UnknownNameError, match="unknown repetitions 'all'"):
        load_dataset("own", study).subject("01", repetitions="all")
    with pytest.raises(InputValueError, match="units, mask and rois describe voxels"):
        load_dataset(
            "own", images=StimulusSet.open(pixels(), ids=image_names()), responses=np.zeros((IMAGES, 2, 2)),
            layout="trial,channel,time", times=[0, 1], rois={"V1": np.ones(2)}, near_copies=False,
        ).subject("1")  # fmt: skip


def test_column_that_only_looks_like_a_role_can_be_said_to_be_none(study):
    table = table_of(study).drop(columns="session").assign(sessions="many")
    with pytest.raises(
        InputValueError, match=r"did you mean 'sessions'\?.*\{'session': ''\} where it is something else"
    ):
        load_dataset("own", study, table=table)
    recording = load_dataset("own", study, table=table, columns={"session": ""}).subject("01")
    assert recording.responses["sessions"].values[0] == "many"


def test_options_may_be_text_as_a_command_line_gives_them(study):
    table = table_of(study).rename(columns={"stimulus": "pic"}).drop(columns="split")
    data = load_dataset(
        "own", study, table=table, columns="stimulus=pic", fractions="0.5,0.25,0.25", seed="3", near_copies="false"
    )
    assert (data.settings.fractions, data.settings.seed, data.settings.near_copies) == ((0.5, 0.25, 0.25), 3, False)
    assert len(data.subject("01").split.validation) == 3

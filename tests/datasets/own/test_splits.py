"""Splits of one's own data: from a column, as given, or drawn once for everybody with near copies kept together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from braincodec.datasets import Split, load_dataset
from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation import check_leakage
from braincodec.stimuli import StimulusSet

from .studies import image_names, numbered, pixels, trial_table


def table_of(study) -> pd.DataFrame:
    return pd.read_csv(study / "trials.csv", dtype=str)


def test_random_split_is_drawn_with_the_seed_for_all_subjects_together(study):
    table = table_of(study).drop(columns="split")
    table = table.drop(index=[17, 20])  # subject 02 misses two images in the first session
    values = {"01": numbered(16), "02": numbered(14)}
    splits = [
        load_dataset("own", study, table=table, responses=values, seed=seed, fractions=(0.5, 0.25, 0.25))
        for seed in (0, 0, 1)
    ]
    first, again, other = ({s: data.subject(s).split for s in ("01", "02")} for data in splits)
    assert first == again
    assert first != other
    assert [len(first["01"].ids(part)) for part in Split.PARTS] == [6, 3, 3]
    for part in Split.PARTS:
        assert set(first["02"].ids(part)) <= set(first["01"].ids(part))


def test_near_copies_stay_on_one_side_and_are_groups(tmp_path):
    images = pixels(20)
    for copy, original in ((15, 3), (16, 7), (19, 3)):
        images[copy] = images[original] // 2 + 60
    stimuli = StimulusSet.open(images, ids=[f"s{n}" for n in range(20)])
    for seed in range(5):
        recording = load_dataset("own", images=stimuli, responses=numbered(20), seed=seed).subject("1")
        assert check_leakage(recording).passed
        part_of = {item: part for part in Split.PARTS for item in recording.split.ids(part)}
        assert part_of["s15"] == part_of["s3"] == part_of["s19"]
    groups = recording.responses["group"].sel(stimulus=["s3", "s15", "s19", "s4"]).values.tolist()
    assert groups == ["s3", "s3", "s3", "s4"]
    apart = load_dataset("own", images=stimuli, responses=numbered(20), near_copies=False).subject("1")
    assert "group" not in apart.responses.coords


def test_column_group_keeps_stimuli_together(study):
    table = table_of(study).drop(columns="split")
    table["group"] = [f"g{int(name[-2:]) // 2}" for name in table["stimulus"]]
    split = load_dataset("own", study, table=table).subject("01").split
    for part in ("train", "test"):
        pairs = pd.Series([int(item[8:10]) // 2 for item in split.ids(part)])
        assert (pairs.value_counts() == 2).all()
    table.loc[0, "group"] = "another"
    with pytest.raises(
        InputValueError, match=r"group in the table differs between trials of stimulus 'picture_00.png'"
    ):
        load_dataset("own", study, table=table).subject("01")


def test_split_may_be_given(study):
    given = Split(train=["picture_00.png"], validation=["picture_02.png"], test=["picture_01.png"])
    for split in (given, given.to_dict()):
        data = load_dataset("own", study, split=split)
        assert data.subject("02").split == given
        assert "split       as given" in data.info()
    with pytest.raises(InputValueError, match="have no response, the first is 'dog'"):
        load_dataset("own", study, split={"train": ["dog"], "test": ["picture_01.png"]}).subject("01")
    with pytest.raises(InputTypeError, match="not str 'column'"):
        load_dataset("own", study, split="column").subject("01")
    drawn = load_dataset("own", study, split="random")
    assert "drawn at random with seed 0" in drawn.info()


@pytest.mark.parametrize("absent", ["train", "test"])
def test_empty_part_is_named(study, absent):
    table = table_of(study)
    table["split"] = {"train": "test", "test": "training"}[absent]
    with pytest.raises(InputValueError, match=f"column split of the table has no {absent} stimuli"):
        load_dataset("own", study, table=table).subject("01")


def test_part_that_is_empty_for_one_subject_is_named(study):
    table = table_of(study)
    table = table[(table["subject"] == "01") | (table["split"] == "train")]
    values = {"01": numbered(16), "02": numbered(12)}
    with pytest.raises(InputValueError, match=r"stimuli of subject 02 has no test stimuli"):
        load_dataset("own", study, table=table, responses=values).subject("02")


def test_split_too_fine_for_the_stimuli_is_refused(tmp_path):
    stimuli = StimulusSet.open(pixels(3), ids=image_names(3))
    with pytest.raises(InputValueError, match="leaves the validation part empty"):
        load_dataset("own", images=stimuli, responses=numbered(3), fractions=(0.6, 0.1, 0.3)).subject("1")


def test_stimulus_in_two_parts_and_unknown_parts_are_refused(study):
    table = table_of(study)
    table.loc[0, "split"] = "test"
    with pytest.raises(InputValueError, match=r"trials of stimulus 'picture_00.png' in test and in train"):
        load_dataset("own", study, table=table).subject("01")
    table.loc[0, "split"] = "trian"
    with pytest.raises(UnknownNameError, match="unknown part of the split 'trian' in the table; did you mean 'train'"):
        load_dataset("own", study, table=table)


def test_z_scores_within_sessions_are_fitted_on_training_trials_alone():
    rng = np.random.default_rng(0)
    order = [0, 1, 2, 3, 0, 1, 2, 4]
    table = trial_table(order, session=["a"] * 4 + ["b"] * 4, split=["train"] * 3 + ["test"] + ["train"] * 3 + ["test"])
    values = rng.standard_normal((8, 3)) * 5 + 100
    values[:, 2] = 1.0  # without variance
    values[5, 0] = np.nan
    stimuli = StimulusSet.open(pixels(), ids=image_names())
    data = load_dataset("own", images=stimuli, table=table, responses=values, standardise="session")
    responses = data.subject("1").responses
    expected = values.copy()
    for rows in (slice(0, 4), slice(4, 8)):
        train = values[rows][:3]
        spread = np.nanstd(train, axis=0)
        expected[rows] = (values[rows] - np.nanmean(train, axis=0)) / np.where(spread > 0, spread, 1)
    np.testing.assert_allclose(responses.sel(stimulus="picture_03").values[0], expected[3], atol=1e-12)
    np.testing.assert_allclose(responses.sel(stimulus="picture_01").values, expected[[1, 5]], atol=1e-12)
    assert responses.attrs["response_units"] == "zscored_within_session"
    changed = values.copy()
    changed[[3, 7]] += 1000  # test trials
    again = load_dataset("own", images=stimuli, table=table, responses=changed, standardise="session").subject("1")
    train = ["picture_00", "picture_01", "picture_02"]
    np.testing.assert_array_equal(again.responses.sel(stimulus=train).values, responses.sel(stimulus=train).values)


def test_trials_that_standardised_the_others_are_not_held_out_later():
    table = trial_table([0, 1, 2, 3], session=["a"] * 4, split=["train"] * 3 + ["test"])
    stimuli = StimulusSet.open(pixels(), ids=image_names())
    options = {"images": stimuli, "table": table, "responses": numbered(4)}
    ids = image_names()
    other = Split(train=ids[1:4], test=ids[:1])
    recording = load_dataset("own", **options, standardise="session").subject("1")
    with pytest.raises(InputValueError, match=r"standardised by training trials, 1 of which .* 'picture_00'.*split="):
        recording.with_split(other)
    assert recording.with_split(Split(train=ids[:2], test=ids[3:4])).split.train == tuple(ids[:2])
    assert load_dataset("own", **options, standardise="session", split=other).subject("1").split == other
    assert load_dataset("own", **options).subject("1").with_split(other).split == other


def test_fractions_beside_a_split_are_refused_not_ignored(study):
    with pytest.raises(InputValueError, match=r"there is one: the column split of the table; .* split=\"random\""):
        load_dataset("own", study, fractions=(0.5, 0, 0.5)).subject("01")
    drawn = load_dataset("own", study, fractions=(0.5, 0, 0.5), split="random", near_copies=False).subject("01").split
    assert len(drawn.train) == len(drawn.test)


def test_session_without_training_trials_cannot_be_z_scored():
    table = trial_table([0, 1, 2], session=["a", "a", "b"], split=["train", "train", "test"])
    stimuli = StimulusSet.open(pixels(), ids=image_names())
    with pytest.raises(InputValueError, match="session 'b' has 0 training trials"):
        load_dataset("own", images=stimuli, table=table, responses=numbered(3), standardise="session").subject("1")
    with pytest.raises(InputValueError, match="no column 'session'"):
        load_dataset(
            "own", images=stimuli, table=table.drop(columns="session"), responses=numbered(3), standardise="session"
        ).subject("1")

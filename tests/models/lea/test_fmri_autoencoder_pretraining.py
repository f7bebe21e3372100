"""Pre-training on several subjects: which stimuli take part, what a trunk brings, what is on disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

import braincodec as bc
from braincodec.datasets import Recording, Split
from braincodec.errors import (
    DamagedFileError,
    InputTypeError,
    InputValueError,
    MissingFileError,
    OutputError,
    UnknownNameError,
)
from braincodec.models.gradient_training import loop
from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoderSettings, fit_autoencoder, load_trunk
from braincodec.models.lea.fmri_autoencoder.pretraining import pretrain_fmri_autoencoder
from braincodec.models.lea.fmri_autoencoder.pretraining_patterns import stored_patterns
from braincodec.models.lea.fmri_autoencoder.pretraining_stimuli import Division, divided_stimuli
from braincodec.models.lea.fmri_autoencoder.reconstruction import Reconstruction
from braincodec.models.lea.fmri_autoencoder.trunk import read_trunk_config, refuse_seen_by_trunk
from braincodec.responses import build_responses, build_sensor_units, build_units
from braincodec.stimuli import StimulusSet

from .low_rank_patterns import REGIONS, TINY, standardised, world
from .small_lea import numbers

FAST = {**TINY, "epochs": 2, "hidden": 0.5, "hidden_run": 2}


def recording(
    subject="1", voxels=REGIONS, count=24, dataset="mine", values=None, split=None, repetitions=1, seed=0
) -> Recording:
    rois = {f"R{number}": np.repeat(np.arange(len(voxels)), voxels) == number for number in range(len(voxels))}
    units = build_units(ijk=np.zeros((sum(voxels), 3), int), rois=rois)
    ids = [f"s{number:03d}" for number in range(count)]
    if values is None:
        (values,) = world(count, voxels=voxels, seed=seed)
    if repetitions > 1:
        noise = np.random.default_rng(seed).normal(size=(repetitions, *values.shape))
        values = (values + 0.3 * noise).transpose(1, 0, 2)
    stimuli = StimulusSet.open(np.zeros((count, 4, 4, 3), np.uint8), ids=ids)
    split = split or Split(train=ids[: count - 4], validation=ids[count - 4 : count - 2], test=ids[count - 2 :])
    return Recording(dataset, subject, stimuli, build_responses(values, ids, units), units, split)


def pretrain(data, tmp_path, name="trunk", **changed):
    keys = {"start", "workspace", "rois", "overwrite"} & set(changed)
    own = {key: changed.pop(key) for key in keys}
    return pretrain_fmri_autoencoder(data, output=tmp_path / name, settings={**FAST, **changed}, device="cpu", **own)


def two_subjects():
    return [recording("1"), recording("2", voxels=(6, 10), seed=1)]


def test_a_trunk_of_two_subjects_is_written_and_read(tmp_path):
    path = pretrain(two_subjects(), tmp_path)
    assert sorted(file.name for file in path.iterdir()) == ["config.json", "model.safetensors"]
    first, second = load_trunk(path), load_trunk(path, "mine/2")
    assert first.config.voxels == REGIONS and second.config.voxels == (6, 10)
    ours, theirs = first.state_dict(), second.state_dict()
    shared = [name for name in ours if not name.startswith(("patch_embed", "channel_mapper"))]
    assert all(torch.equal(ours[name], theirs[name]) for name in shared if not name.endswith("pos_embed"))
    about = read_trunk_config(path)
    assert [subject.name for subject in about.subjects] == ["mine/1", "mine/2"]
    assert about.subjects[1].regions == ("R0", "R1")
    assert len(about.curve) == 2 and about.settings["epochs"] == 2
    with pytest.raises(UnknownNameError, match=r"unknown subject 'mine/3'.*available: mine/1, mine/2"):
        load_trunk(path, "mine/3")


def test_the_public_name_is_there_without_torch():
    assert bc.pretrain_fmri_autoencoder is pretrain_fmri_autoencoder


@pytest.mark.slow
def test_pretraining_learns_what_hidden_voxels_hold(tmp_path):
    data = [recording(name, count=90) for name in ("1", "2")]
    path = pretrain(data, tmp_path, epochs=12, learning_rate=0.006, width=32, heads=4, decoder_width=32)
    curve = read_trunk_config(path).curve
    assert min(entry["validation_error"] for entry in curve) < 0.85, "the mean pattern has 1"


@pytest.mark.slow
def test_a_pretrained_trunk_makes_the_next_subject_learn_faster(tmp_path):
    path = pretrain([recording("1", count=100)], tmp_path, epochs=8, learning_rate=0.006)
    train, validation = standardised(*world(60, 30, seed=0))
    asked = FMRIAutoencoderSettings(epochs=3, batch_size=16)
    known = fit_autoencoder(train, validation, REGIONS, asked, start=path, subject="mine/1", device="cpu")
    other = fit_autoencoder(train, validation, REGIONS, asked, start=path, subject="mine/9", device="cpu")
    new = fit_autoencoder(train, validation, REGIONS, FMRIAutoencoderSettings(**{**TINY, "epochs": 3}), device="cpu")
    errors = [one.curve[-1]["validation_error"] for one in (known, other, new)]
    assert errors[0] < errors[1] and errors[0] < errors[2], "embeddings of the subject itself are worth most"


def test_held_out_stimuli_cannot_change_the_trunk(tmp_path):
    (values,) = world(24)
    changed = values.copy()
    changed[-4:] += 100
    one = pretrain(recording(values=values), tmp_path, "one")
    other = pretrain(recording(values=changed), tmp_path, "other")
    assert same_weights(one, other)
    values[:-4] *= np.linspace(1, 2, 20)[:, None]
    assert not same_weights(one, pretrain(recording(values=values), tmp_path, "third"))


def test_what_one_recording_holds_out_trains_no_other_of_its_data_set(tmp_path):
    ids = [f"s{number:03d}" for number in range(24)]
    first = recording("1", split=Split(train=ids[4:], test=ids[:4]))
    second = recording("2", split=Split(train=ids[:20], test=ids[20:]))
    elsewhere = recording("1", dataset="other", split=Split(train=ids))
    path = pretrain([first, second, elsewhere], tmp_path)
    stimuli = read_trunk_config(path).stimuli
    assert sorted(stimuli["mine"]) == ids[4:20] and sorted(stimuli["other"]) == ids
    refuse_seen_by_trunk(path, first)
    with pytest.raises(InputValueError, match=r"1 test stimuli of mine, subject 3, trained the trunk .* 's010'"):
        refuse_seen_by_trunk(path, recording("3", split=Split(train=ids[:4], test=["s010", "s022"])))


@given(st.integers(2, 30), st.floats(0.01, 0.99), st.integers(0, 5))
@examples(max_examples=25, deadline=None)
def test_stimuli_are_on_one_side_in_all_recordings(count, share, seed):
    ids = [f"s{number:03d}" for number in range(count)]
    data = [recording(str(k), count=count, voxels=(2, 2), split=Split(train=ids[k:])) for k in range(min(2, count - 1))]
    divisions = divided_stimuli(data, share, seed)
    assert divisions == divided_stimuli(data, share, seed)
    trained = set().union(*(one.train for one in divisions))
    held_out = set().union(*(one.held_out for one in divisions))
    assert not trained & held_out
    assert all(set(d.train) | set(d.held_out) == set(r.split.train) for d, r in zip(divisions, data, strict=True))
    assert all(division.train and division.held_out for division in divisions)


def test_near_copies_stay_together():
    one = recording(count=24, split=Split(train=[f"s{number:03d}" for number in range(24)]))
    grouped = Recording(
        one.dataset, one.subject, one.stimuli, one.responses.assign_coords(group=("stimulus", np.arange(24) // 3)),
        one.units, one.split,
    )  # fmt: skip
    (division,) = divided_stimuli([grouped], 0.3, 0)
    assert {int(item[1:]) // 3 for item in division.train}.isdisjoint(int(item[1:]) // 3 for item in division.held_out)
    assert len(division.held_out) == 6


def test_repetitions_are_patterns_of_their_own_on_the_side_of_their_stimulus(tmp_path):
    one = recording(repetitions=3, count=10, split=Split(train=[f"s{number:03d}" for number in range(10)]))
    values = one.responses.values.copy()
    values[::2, -1] = np.nan  # shown twice only
    ragged = Recording(one.dataset, one.subject, one.stimuli, one.responses.copy(data=values), one.units, one.split)
    division = Division(tuple(one.split.train[:8]), tuple(one.split.train[8:]))
    stored = stored_patterns(ragged, division, None, tmp_path)
    assert stored.train.shape == (8 * 3 - 4, 24) and stored.validation.shape == (2 * 3 - 1, 24)
    assert stored.left_out == 0
    np.testing.assert_allclose(stored.train.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(stored.train.std(0), 1, atol=1e-4)
    raw = values[:8].transpose(1, 0, 2).reshape(24, 24)
    raw = raw[np.isfinite(raw).all(1)]
    np.testing.assert_allclose(stored.train, (raw - raw.mean(0)) / raw.std(0), atol=1e-4)
    assert not list(tmp_path.iterdir()), "files without a name"


def test_voxels_that_say_nothing_are_left_out_with_one_warning(tmp_path):
    (values,) = world(24)
    values[:, 3], values[5, 11], values[:, 20] = 7.0, np.nan, np.nan
    with pytest.warns(UserWarning, match="are left out: mine/1 3") as caught:
        path = pretrain([recording(values=values), recording("2")], tmp_path)
    assert len([one for one in caught if "left out" in str(one.message)]) == 1
    assert read_trunk_config(path).subjects[0].voxels == (8, 7, 6)
    dead = np.where(np.arange(24) < 9, 1.0, np.random.default_rng(0).normal(size=(24, 24)))
    with pytest.warns(UserWarning, match="mine/1 9"):
        path = pretrain(recording(values=dead), tmp_path, "without-a-region")
    assert read_trunk_config(path).subjects[0].regions == ("R1", "R2")


def test_chosen_regions_leave_others_out(tmp_path):
    path = pretrain(recording(), tmp_path, rois=["R2", "R0"])
    (subject,) = read_trunk_config(path).subjects
    assert subject.regions == ("R2", "R0") and subject.voxels == (7, 9)


def test_a_run_that_was_cut_short_leaves_nothing_and_goes_on_to_the_very_same_weights(tmp_path, monkeypatch):
    whole = pretrain(two_subjects(), tmp_path, "whole")
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", 0.0)
    step, taken = Reconstruction.step, []

    def cut_short(self, rows, generator, done):
        taken.append(len(rows))
        if len(taken) == 6:
            raise KeyboardInterrupt
        return step(self, rows, generator, done)

    with monkeypatch.context() as within:
        within.setattr(Reconstruction, "step", cut_short)
        with pytest.raises(KeyboardInterrupt):
            pretrain(two_subjects(), tmp_path, "cut", workspace=tmp_path / "work")
        assert sorted(file.name for file in tmp_path.iterdir()) == ["whole", "work"]
        done = len(taken)
        cut = pretrain(two_subjects(), tmp_path, "cut", workspace=tmp_path / "work")
    assert len(taken) - done < 2 * 4, "it began anew"
    assert same_weights(whole, cut)
    assert (whole / "config.json").read_text() == (cut / "config.json").read_text()


def test_training_goes_on_from_an_earlier_folder_with_the_embeddings_of_its_subjects(tmp_path):
    first = pretrain(two_subjects(), tmp_path, "first")
    again = {"epochs": 1, "learning_rate": 1e-9}
    sizes = {name: None for name in TINY if name != "batch_size"}
    more = [recording("3", voxels=(5, 5)), *two_subjects()]
    second = pretrain(more, tmp_path, "second", start=first, **again, **sizes)
    for subject in ("mine/1", "mine/2"):
        patterns = numbers(2, sum(load_trunk(first, subject).config.voxels))
        with torch.no_grad():
            torch.testing.assert_close(
                load_trunk(second, subject)(patterns), load_trunk(first, subject)(patterns), atol=1e-4, rtol=1e-4
            )
    with pytest.raises(InputValueError, match=r"width 16, not 32.*'cls_token'"):
        pretrain(more, tmp_path, "third", start=first, width=32)


def test_an_existing_folder_is_replaced_only_when_asked(tmp_path):
    path = pretrain(recording(), tmp_path)
    with pytest.raises(OutputError, match="exists"):
        pretrain(recording(), tmp_path, seed=1)
    pretrain(recording(), tmp_path, seed=1, overwrite=True)
    assert read_trunk_config(path).settings["seed"] == 1
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(OutputError, match="no earlier pre-trained fMRI autoencoder"):
        pretrain(recording(), tmp_path, "thesis", overwrite=True)


@pytest.mark.parametrize("small_disk", [1], indirect=True)
def test_a_full_disk_leaves_nothing(small_disk):
    with pytest.raises(OutputError, match="cannot write"):
        pretrain(recording(), small_disk, width=256, decoder_width=256)
    assert not list(small_disk.iterdir())


def test_folders_that_are_damaged_or_of_another_kind_are_refused(tmp_path):
    path = pretrain(recording(), tmp_path)
    about = json.loads((path / "config.json").read_text())

    def with_config(**changed):
        (path / "config.json").write_text(json.dumps({**about, **changed}))

    with_config(sizes={**about["sizes"], "depth": 2})
    with pytest.raises(DamagedFileError, match=r"'blocks\.1\.norm1\.weight' \(16,\) is missing"):
        load_trunk(path)
    with_config(format_version=9)
    with pytest.raises(DamagedFileError, match="format version 9; this version reads 1"):
        load_trunk(path)
    with_config(format="braincodec-artefact")
    with pytest.raises(DamagedFileError, match="is no pre-trained fMRI autoencoder"):
        load_trunk(path)
    with_config(subjects=[])
    with pytest.raises(DamagedFileError, match="names no subject"):
        load_trunk(path)
    with_config()
    weights = bytearray((path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (path / "model.safetensors").write_bytes(weights)
    with pytest.raises(DamagedFileError, match="checksum differs"):
        load_trunk(path)
    (path / "model.safetensors").unlink()
    with pytest.raises(MissingFileError):
        load_trunk(path)
    with pytest.raises(MissingFileError):
        load_trunk(tmp_path / "absent")


def test_a_checkpoint_of_another_network_lists_the_first_names_that_differ(tmp_path):
    torch.save({"model": {"token_emb.weight": torch.zeros(3, 4)}}, tmp_path / "other.pth")
    with pytest.raises(InputValueError, match=r"looks like a token generator.*'cls_token' .* is missing"):
        load_trunk(tmp_path / "other.pth")


@pytest.mark.parametrize(
    "data, error, says",
    [
        ([], InputTypeError, "at least one recording"),
        (np.zeros(3), InputTypeError, "recordings and data sets are needed, not ndarray"),
        (lambda: [recording(), recording()], InputValueError, "given again: mine/1"),
        (
            lambda: recording(split=Split(train=["s000"], test=["s001"])),
            InputValueError,
            "mine/1 has 1 training stimuli that no recording of mine holds out; at least 2 are needed",
        ),
        (lambda: recording(values=np.ones((24, 24))), InputValueError, "mine/1 has no voxel"),
        (lambda: recording(voxels=(2,)), InputValueError, "mine/1: hiding needs .* set hidden_run lower"),
    ],
)
def test_data_that_cannot_train_are_refused(tmp_path, data, error, says):
    with pytest.raises(error, match=says):
        pretrain(data() if callable(data) else data, tmp_path)
    assert not list(tmp_path.iterdir())


def test_eeg_is_refused(tmp_path):
    units = build_sensor_units(["Oz"], [0.0, 0.1])
    ids = ["a", "b", "c", "d"]
    responses = build_responses(np.random.default_rng(0).normal(size=(4, 1, 2)), ids, units)
    stimuli = StimulusSet.open(np.zeros((4, 4, 4, 3), np.uint8), ids=ids)
    one = Recording("mine", "1", stimuli, responses, units, Split(train=ids))
    with pytest.raises(InputValueError, match="mine/1 has responses over channel, time; pre-training takes units"):
        pretrain(one, tmp_path)


def same_weights(one, other) -> bool:
    return (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()

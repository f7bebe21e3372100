"""The Algonauts 2023 folders are read as they are handed out, and a submission is written as it is asked for."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

from braincodec.datasets import Counts, load_dataset
from braincodec.datasets.algonauts2023 import Algonauts2023
from braincodec.errors import (
    DamagedFileError,
    InputTypeError,
    InputValueError,
    MissingFileError,
    OutputError,
    UnknownNameError,
    UnsafeFileError,
)
from braincodec.simulate.layouts.algonauts2023 import write_algonauts2023

TRAIN, TEST, LEFT, RIGHT = 20, 6, 14, 17


class Small(Algonauts2023):
    """The data set as it would be with folders of this size."""

    expected = {"1": Counts(stimuli=TRAIN, units=LEFT + RIGHT), "6": Counts(stimuli=TRAIN, units=LEFT + RIGHT)}
    expected_tests = {"1": TEST, "6": TEST}


@pytest.fixture
def root(tmp_path):
    return write_algonauts2023(tmp_path / "data", train=TRAIN, test=TEST, vertices=(LEFT, RIGHT))


@pytest.fixture
def folder(root):
    return root / "subj01"


def test_both_hemispheres_are_read_lazily_in_the_order_of_the_challenge(root, folder):
    recording = Small(root).subject("1")
    assert not recording.responses.variable._in_memory
    fmri = folder / "training_split" / "training_fmri"
    both = np.hstack([np.load(fmri / f"{side}_training_fmri.npy") for side in ("lh", "rh")])
    np.testing.assert_array_equal(recording.responses.values, both)
    assert recording.responses.dtype == np.float32
    np.testing.assert_array_equal(recording.responses[[5, 2], [30, 0, 13]].values, both[[5, 2]][:, [30, 0, 13]])
    again = pickle.loads(pickle.dumps(recording.responses))
    np.testing.assert_array_equal(again.values, both)


def test_units_are_vertices_of_fsaverage_with_regions(root, folder):
    units = Small(root).subject("1").units
    left = np.load(folder / "roi_masks" / "lh.all-vertices_fsaverage_space.npy")
    right = np.load(folder / "roi_masks" / "rh.all-vertices_fsaverage_space.npy")
    assert units["vertex"].values.tolist() == [*np.flatnonzero(left), *np.flatnonzero(right)]
    assert units["hemisphere"].values.tolist() == ["left"] * LEFT + ["right"] * RIGHT
    assert units["challenge_vertex"].values.tolist() == [*range(LEFT), *range(RIGHT)]
    assert units.attrs["space"] == "fsaverage"
    labels = np.hstack(
        [np.load(folder / "roi_masks" / f"{side}.prf-visualrois_fsaverage_space.npy")[mask == 1]
         for side, mask in (("lh", left), ("rh", right))]
    )  # fmt: skip
    membership = units["roi_membership"]
    np.testing.assert_array_equal(membership.sel(roi="V1v"), labels == 1)
    np.testing.assert_array_equal(membership.sel(roi="V1"), np.isin(labels, (1, 2)))


def test_regions_choose_vertices(root):
    data = Small(root)
    everything, some = data.subject("1").responses, data.subject("1", roi=["V2", "EBA"]).responses
    chosen = (everything["roi_V2"] | everything["roi_EBA"]).values
    np.testing.assert_array_equal(some.values, everything[:, chosen].values)
    with pytest.raises(UnknownNameError, match="unknown roi 'V9' of subject 1"):
        data.subject("1", roi="V9")


def test_images_belong_to_their_responses_and_test_images_have_none(root, folder):
    data = Small(root)
    recording = data.subject("1")
    names = sorted(path.name for path in (folder / "training_split" / "training_images").iterdir())
    assert [f"nsd-{name[-9:-4]}" for name in names] == recording.responses["stimulus"].values.tolist()
    assert list(recording.split.train) == recording.responses["stimulus"].values.tolist()
    assert recording.split.test == ()
    tests = data.test_stimuli("1")
    assert len(tests) == TEST
    assert set(tests.ids) <= set(recording.stimuli.ids)
    assert len(recording.stimuli) == TRAIN + TEST
    # what was simulated follows the mean colours of the quadrants
    pictures = np.stack([recording.stimuli[str(item)] for item in recording.responses["stimulus"].values])
    quadrants = pictures.reshape(TRAIN, 2, 4, 2, 4, 3).mean((2, 4)).reshape(TRAIN, 12)
    values = recording.responses.values
    design = np.column_stack([quadrants, np.ones(TRAIN)])
    residual = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    assert np.median(1 - residual.var(0) / values.var(0)) > 0.9


def test_responses_to_test_images_are_read_where_they_lie(tmp_path):
    root = write_algonauts2023(tmp_path, train=TRAIN, test=TEST, vertices=(LEFT, RIGHT), test_responses=True)
    recording = Small(root).subject("6")
    stimuli, responses = recording.part("test")
    right = np.load(root / "subj06" / "test_split" / "test_fmri" / "rh_test_fmri.npy")
    np.testing.assert_array_equal(responses[:, LEFT:].values, right)
    assert stimuli.ids.tolist() == Small(root).test_stimuli("6").ids.tolist()
    np.testing.assert_array_equal(recording.responses[TRAIN - 1 : TRAIN + 1, LEFT:][1].values, right[0])
    left = np.load(root / "subj06" / "test_split" / "noise_ceiling" / "lh_noise_ceiling.npy")
    np.testing.assert_allclose(recording.units["noise_ceiling"][:LEFT], left, rtol=1e-6)
    assert Small(root).verify() == []


def test_subjects_are_found_in_the_folder_that_is_handed_out(root, tmp_path):
    nested = tmp_path / "nested"
    nested.mkdir()
    root.rename(nested / "algonauts_2023_challenge_data")
    data = Small(nested)
    assert data.subjects() == ["1", "6"]
    assert data.subject("subj06").subject == "6"
    with pytest.raises(UnknownNameError, match="unknown subject '9'"):
        data.subject("9")
    with pytest.raises(MissingFileError, match="folder of subject 2 not found"):
        load_dataset("algonauts2023", nested).subject("2")
    with pytest.raises(MissingFileError, match=r"subjects of algonauts2023.*algonauts\.csail"):
        load_dataset("algonauts2023", tmp_path / "nothing")


def predictions(data, name):
    """Values that tell image and vertex, as a labelled array in another order."""
    from braincodec.responses import build_responses

    recording, ids = data.subject(name), data.test_stimuli(name).ids
    values = np.arange(TEST)[:, None] + np.arange(LEFT + RIGHT) / 100
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(TEST), rng.permutation(LEFT + RIGHT)
    labelled = build_responses(values, ids, recording.units)[rows, columns]
    return values, labelled


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_submission_holds_both_hemispheres_in_order_as_float32(root, tmp_path, form):
    data = Small(root)
    values, labelled = predictions(data, "1")
    target = tmp_path / ("submission.zip" if form == "zip" else "submission")
    data.write_submission(target, {"1": labelled, "6": values})
    if form == "zip":
        with zipfile.ZipFile(target) as archive:
            archive.extractall(tmp_path / "unpacked")
        target = tmp_path / "unpacked"
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*.npy")) == [
        f"{person}/{side}_pred_test.npy" for person in ("subj01", "subj06") for side in ("lh", "rh")
    ]
    for person in ("subj01", "subj06"):
        left, right = (np.load(target / person / f"{side}_pred_test.npy") for side in ("lh", "rh"))
        assert left.dtype == right.dtype == np.float32
        np.testing.assert_array_equal(left, values[:, :LEFT].astype("f4"))
        np.testing.assert_array_equal(right, values[:, LEFT:].astype("f4"))


def test_a_submission_that_is_not_whole_is_refused_and_leaves_nothing(root, tmp_path):
    data = Small(root)
    values, labelled = predictions(data, "1")
    target = tmp_path / "out" / "submission"
    broken = values.copy()
    broken[2, 3] = np.nan
    large = values.copy()
    large[0, 0] = 1e300
    for wrong, error, message in (
        ({"1": labelled[:-1]}, InputValueError, "lack 1 of 6 test images"),
        ({"1": labelled[:, :-2]}, InputValueError, "lack 2 of 31 vertices, such as"),
        ({"1": values[:, :-2]}, InputValueError, r"have shape \(6, 29\); expected \(6, 31\)"),
        ({"1": broken}, InputValueError, "1 values that are not finite"),
        ({"1": large}, InputValueError, "not finite in float32"),
        ({"1": values.tolist()}, InputTypeError, "are a list"),
        ({}, InputValueError, "no predictions"),
        ({"1": values, "2": values}, UnknownNameError, "unknown subject '2'"),
    ):
        with pytest.raises(error, match=message):
            data.write_submission(target, wrong)
        assert not target.parent.exists()
    data.write_submission(target, {"1": values})
    with pytest.raises(OutputError, match="exists"):
        data.write_submission(target, {"1": values})
    data.write_submission(target, {"1": values + 1}, overwrite=True)
    assert np.load(target / "subj01" / "lh_pred_test.npy")[0, 0] == 1


class Trap:
    def __reduce__(self):
        return (np.save, ("trap-was-sprung.npy", np.zeros(1)))


def test_hostile_mappings_run_nothing(root, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = folder / "roi_masks" / "mapping_streams.npy"
    np.save(path, np.array({0: Trap()}, object), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match=r"mapping_streams\.npy"):
        Small(root).subject("1")
    assert not (tmp_path / "trap-was-sprung.npy").exists()
    np.save(path, np.array([1, 2]), allow_pickle=False)
    with pytest.raises(DamagedFileError, match="other than a dictionary of numbers to names"):
        Small(root).subject("1")
    np.save(path, np.array({1: "early"}, object), allow_pickle=True)
    with pytest.raises(DamagedFileError, match=r"label .* does not name"):
        Small(root).subject("1")


FMRI, MASKS = "training_split/training_fmri", "roi_masks"


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        (f"{FMRI}/rh_training_fmri.npy", lambda p: p.write_bytes(p.read_bytes()[:-4]), "truncated or damaged"),
        (f"{FMRI}/rh_training_fmri.npy", lambda p: np.save(p, np.zeros((19, RIGHT), "f4")), "expected 20 train images"),
        (f"{FMRI}/lh_training_fmri.npy", lambda p: np.save(p, np.zeros((20, 13), "f4")), "and 14 vertices"),
        (f"{FMRI}/lh_training_fmri.npy", lambda p: np.save(p, np.zeros((20, 14), int)), "other than real numbers"),
        (f"{FMRI}/lh_training_fmri.npy", lambda p: p.write_bytes(b""), "truncated or damaged"),
        (f"{FMRI}/lh_training_fmri.npy", lambda p: np.save(p, np.array([Trap()]), allow_pickle=True), "cannot be read"),
        (f"{MASKS}/lh.all-vertices_fsaverage_space.npy", lambda p: np.save(p, np.arange(40)), "other than 0 and 1"),
        (f"{MASKS}/lh.streams_challenge_space.npy", lambda p: np.save(p, np.ones(9, int)), "9 labels; .* 14 vertices"),
    ],
)
def test_wrong_files_are_named(root, folder, name, spoil, message):
    spoil(folder / name)
    with pytest.raises(DamagedFileError, match=message) as caught:
        Small(root).subject("1")
    assert name.rpartition("/")[2] in str(caught.value)


def test_missing_hemispheres_and_gaps_between_images_are_named(root, folder):
    images = folder / "training_split" / "training_images"
    image = sorted(images.iterdir())[4]
    content = image.read_bytes()
    image.unlink()
    with pytest.raises(DamagedFileError, match=r"19 images called like train-0001_nsd-00013\.png; .* without gaps"):
        Small(root).subject("1")
    image.write_bytes(content)
    (folder / FMRI / "rh_training_fmri.npy").unlink()
    with pytest.raises(MissingFileError, match="responses of a hemisphere not found"):
        Small(root).subject("1")
    (folder / FMRI / "lh_training_fmri.npy").unlink()
    with pytest.raises(MissingFileError, match="training responses not found"):
        Small(root).subject("1")
    (folder / MASKS / "lh.all-vertices_fsaverage_space.npy").unlink()
    with pytest.raises(MissingFileError, match="mask of the left hemisphere"):
        Small(root).subject("1")


def test_verify_names_each_problem_and_goes_on(root, folder):
    assert Small(root).verify(read_stimuli=True) == []
    image = sorted((folder / "test_split" / "test_images").iterdir())[-1]
    image.unlink()
    other = sorted((root / "subj06" / "training_split" / "training_images").iterdir())[0]
    other.write_bytes(b"no image")
    problems = Small(root).verify(read_stimuli=True)
    assert problems[0] == "subject 1: 5 test images, expected 6"
    assert problems[1].startswith(f"subject 6: stimulus nsd-{other.name[-9:-4]}: ")
    full = load_dataset("algonauts2023", root).verify()
    assert "subject 2: absent" in full
    assert "subject 1: 20 training stimuli, expected 9,841" in full


def test_info_says_whose_it_is_and_how_to_get_it(root):
    text = Small(root).info()
    for part in ("Gifford", "NSD terms", "algonauts.csail.mit.edu", "1: 31 units, 20 stimuli", "MB in"):
        assert part in text

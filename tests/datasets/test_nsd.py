"""NSD is read as it was published: the right image for every trial, standardised, split, lazily, from a cache."""

from __future__ import annotations

import pickle

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io

from braincodec.datasets import load_dataset
from braincodec.datasets.nsd import NSD
from braincodec.datasets.nsd.spaces import SurfaceSpace, VolumeSpace
from braincodec.errors import InputValueError, MissingFileError, UnknownNameError
from braincodec.responses import open_responses
from braincodec.simulate.layouts.nsd import BETAS, Sizes, write_nsd

SIZES = Sizes()
MISSING = (3, 11)
NOISE = 0.5


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("nsd")


@pytest.fixture(scope="module")
def small(root):
    """The data set as it would be with files of this size; prepared trials are shared by these tests."""
    facts = write_nsd(root, SIZES, missing_vertices=MISSING, noise=NOISE)

    class Small(NSD):
        published = facts

        def __init__(self, folder=root, cache=root / "cache", **options):
            super().__init__(folder, cache=cache, **options)

    return Small


@pytest.fixture(scope="module")
def design(root):
    content = scipy.io.loadmat(root / "nsddata" / "experiments" / "nsd" / "nsd_expdesign.mat")
    return {name: content[name].astype(int) for name in ("masterordering", "subjectim", "sharedix")}


def image_of_trial(design, subject, trial):
    """Number of an image from 0, as the data manual defines it."""
    return design["subjectim"][subject - 1, design["masterordering"][0, trial] - 1] - 1


def volume_trials(root, subject, ijk, sessions, reference=None):
    """Standardised trials straight from the files, everything in memory."""
    blocks = []
    for number in range(1, sessions + 1):
        folder = root / "nsddata_betas" / "ppdata" / f"subj{subject:02d}" / "func1pt8mm" / BETAS
        with h5py.File(folder / f"betas_session{number:02d}.hdf5") as file:
            volumes = file["betas"][:].transpose(0, 3, 2, 1)
        values = volumes[:, ijk[:, 0], ijk[:, 1], ijk[:, 2]] / 300
        own = slice(None) if reference is None else reference[(number - 1) * len(values) : number * len(values)]
        blocks.append((values - values[own].mean(0)) / values[own].std(0))
    return np.concatenate(blocks)


@pytest.mark.parametrize(("standardise", "subject"), [("training", 1), ("published", 2)])
def test_volume_responses_are_means_of_the_right_standardised_trials(root, small, design, standardise, subject):
    recording = small(standardise=standardise).subject(str(subject))
    ijk = np.stack([recording.units[name].values for name in "ijk"], axis=1)
    images = [image_of_trial(design, subject, t) for t in range(SIZES.sessions[str(subject)] * SIZES.trials)]
    unique_images = set(design["subjectim"][subject - 1, SIZES.shared :] - 1)
    reference = np.array([image in unique_images for image in images]) if standardise == "training" else None
    trials = volume_trials(root, subject, ijk, SIZES.sessions[str(subject)], reference)
    ids = recording.responses["stimulus"].values
    assert ids.tolist() == [f"nsd-{number:05d}" for number in sorted(set(images))]
    for row, item in enumerate(ids):
        own = [t for t, image in enumerate(images) if f"nsd-{image:05d}" == item]
        assert recording.responses["repetitions"].values[row] == len(own)
        np.testing.assert_allclose(recording.responses[row].values, trials[own].mean(0), atol=2e-5)
    assert recording.responses.attrs["response_units"] == "zscored_within_session"
    assert recording.responses.attrs["standardised_by"] == {"training": "training trials"}.get(
        standardise, "all trials"
    )


@pytest.mark.parametrize("space", ["volume", "fsaverage"])
def test_images_explain_the_responses_to_them(small, space):
    """An image too far, by one, would explain nothing."""
    recording = small(space=space).subject("1")
    colours = np.stack([recording.stimuli[str(item)].mean((0, 1)) for item in recording.responses["stimulus"].values])
    values = recording.responses.values
    values = values[:, np.isfinite(values).all(0)]
    design = np.column_stack([colours, np.ones(len(colours))])
    residual = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    assert (1 - residual.var(0) / values.var(0)).mean() > 0.7


def test_split_is_that_of_the_neural_encoding_dataset(small, design):
    for subject in (1, 2):
        recording = small().subject(str(subject))
        seen = [image_of_trial(design, subject, t) for t in range(SIZES.sessions[str(subject)] * SIZES.trials)]
        early = seen[: min(SIZES.sessions.values()) * SIZES.trials]
        shared = sorted(set(design["sharedix"][0] - 1))
        named = [f"nsd-{number:05d}" for number in shared if early.count(number) == 3]
        assert list(recording.split.test) == named
        assert list(recording.split.validation) == [
            f"nsd-{number:05d}" for number in shared if number in seen and early.count(number) != 3
        ]
        assert set(recording.split.train) == {f"nsd-{number:05d}" for number in set(seen) - set(shared)}
        assert 0 < len(named) < SIZES.shared
    assert small().subject("1").split.test == small().subject("2").split.test


def test_kept_repetitions_are_in_order_of_time_and_padded_with_nan(root, small, design):
    kept = small(repetitions="keep", standardise="published").subject("2")
    average = small(standardise="published").subject("2")
    assert kept.responses.dims == ("stimulus", "repetition", "unit")
    counts = kept.responses["repetitions"].values
    assert set(counts) == {1, 2, 3}  # the subject did not finish
    values = kept.responses.values
    assert (np.isfinite(values).all(2).sum(1) == counts).all()
    np.testing.assert_allclose(np.nanmean(values, 1), average.responses.values, atol=1e-5)
    ijk = np.stack([kept.units[name].values for name in "ijk"], axis=1)
    trials = volume_trials(root, 2, ijk, SIZES.sessions["2"])
    row = int(np.flatnonzero(counts == 3)[0])
    number = int(kept.responses["stimulus"].values[row].removeprefix("nsd-"))
    own = [t for t in range(len(trials)) if image_of_trial(design, 2, t) == number]
    np.testing.assert_allclose(values[row], trials[own], atol=2e-5)


def test_percent_of_signal_change_is_a_three_hundredth_of_what_is_stored(root, small):
    recording = small(standardise="none", repetitions="keep").subject("1")
    assert recording.responses.attrs["response_units"] == "original"
    means = np.nanmean(recording.responses.values, axis=(0, 1))
    # baseline 1 and a drift of .7 a session, over four sessions
    np.testing.assert_allclose(means, 1 + 0.7 * 2.5, atol=0.3)


def test_units_are_voxels_in_the_order_of_a_mask_with_regions_and_geometry(root, small):
    recording = small().subject("1", roi=["V1", "PPA"])
    folder = root / "nsddata" / "ppdata" / "subj01" / "func1pt8mm" / "roi"
    image = nibabel.load(folder / "prf-visualrois.nii.gz")
    visual, places = image.get_fdata(), nibabel.load(folder / "floc-places.nii.gz").get_fdata()
    v1, ppa = np.isin(visual, (1, 2)), places == 2
    mask = v1 | ppa
    np.testing.assert_array_equal(np.argwhere(mask), np.stack([recording.units[n].values for n in "ijk"], axis=1))
    np.testing.assert_array_equal(recording.responses["roi_V1"].values, v1[mask])
    np.testing.assert_array_equal(recording.responses["roi_PPA"].values, ppa[mask])
    np.testing.assert_array_equal(
        recording.responses["roi_V1"].values & (visual[mask] == 1), recording.responses["roi_V1v"]
    )
    assert recording.units.attrs["volume_shape"] == list(SIZES.volume)
    np.testing.assert_allclose(np.reshape(recording.units.attrs["affine"], (4, 4)), image.affine)
    np.testing.assert_allclose(recording.units["ncsnr"], 1 / NOISE)
    np.testing.assert_allclose(recording.units["noise_ceiling"], 4 / (4 + 1 / 3), rtol=1e-6)  # seen three times


def test_choosing_regions_gives_the_columns_of_everything(small):
    everything = small().subject("1").responses
    some = small().subject("1", roi="early").responses
    np.testing.assert_array_equal(some.values, everything[:, everything["roi_early"].values].values)
    assert some.sizes["unit"] < everything.sizes["unit"]
    assert {"V1", "early", "nsdgeneral"} <= set(small().regions("1"))


def test_both_spellings_of_a_region_are_known_and_unknown_ones_answered(small):
    data = small()
    assert data.subject("1", roi="OVWFA").responses.identical(data.subject("1", roi="OWFA").responses)
    with pytest.raises(UnknownNameError, match=r"unknown roi 'FAA-1' of subject 1 in func1pt8mm; did you mean 'FFA-1'"):
        data.subject("1", roi=["V1", "FAA-1"])
    with pytest.raises(InputValueError, match="no roi given"):
        data.subject("1", roi=[])


def test_compressed_series_give_the_same_as_hdf5(tmp_path, small):
    facts = write_nsd(tmp_path, SIZES, form="nii.gz", noise=NOISE, missing_vertices=MISSING)
    assert facts.seen == small.published.seen
    assert not list(tmp_path.rglob("betas*.hdf5"))
    compressed = small(tmp_path, cache=tmp_path / "cache").subject("1", roi="V2")
    np.testing.assert_array_equal(compressed.responses.values, small().subject("1", roi="V2").responses.values)


def test_the_fine_volume_is_read_from_its_own_folder(tmp_path, small):
    facts = write_nsd(tmp_path, SIZES, resolution="func1mm", missing_vertices=MISSING)
    kind = type("Fine", (small,), {"published": facts})
    recording = kind(tmp_path, cache=tmp_path / "cache", resolution="func1mm").subject("1", roi="V1")
    assert np.abs(np.diag(np.reshape(recording.units.attrs["affine"], (4, 4)))).tolist() == [1, 1, 1, 1]
    np.testing.assert_array_equal(recording.responses.values, small().subject("1", roi="V1").responses.values)


def test_surface_units_are_left_then_right_vertices_with_the_subjects_regions(root, small):
    recording = small(space="fsaverage").subject("1")
    assert recording.units.attrs["space"] == "fsaverage"
    assert recording.units["vertex"].values.tolist() == 2 * list(range(SIZES.vertices))
    assert recording.units["hemisphere"].values.tolist() == ["left"] * SIZES.vertices + ["right"] * SIZES.vertices
    native = nibabel.load(root / "nsddata/freesurfer/subj01/label/rh.floc-faces.mgz").get_fdata().ravel()
    mapping = nibabel.load(root / "nsddata/ppdata/subj01/transforms/rh.white-to-fsaverage.mgz").get_fdata().ravel()
    right = recording.responses["roi_FFA-1"].values[SIZES.vertices :]
    np.testing.assert_array_equal(right, native[mapping.astype(int) - 1] == 2)
    one = small(space="fsaverage").subject("1", roi="FFA-1").responses
    np.testing.assert_array_equal(one.values, recording.responses[:, recording.responses["roi_FFA-1"].values].values)


def test_labels_on_fsaverage_are_used_where_the_subjects_own_are_absent(tmp_path, small):
    write_nsd(tmp_path, SIZES)
    for path in (tmp_path / "nsddata/freesurfer/subj01/label").glob("?h.*"):
        path.unlink()
    label = tmp_path / "nsddata/freesurfer/fsaverage/label"
    label.mkdir(parents=True)
    (label / "streams.mgz.ctab").write_text("0 Unknown 0 0 0 0\n1 early 1 1 1 0\n5 ventral 1 1 1 0\n")
    for side in ("lh", "rh"):
        values = np.zeros((SIZES.vertices, 1, 1), np.float32)
        values[:4] = 5
        nibabel.save(nibabel.MGHImage(values, np.eye(4)), label / f"{side}.streams.mgz")
    recording = small(tmp_path, cache=tmp_path / "cache", space="fsaverage").subject("1", roi="ventral")
    assert recording.units["vertex"].values.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert recording.units["roi"].values.tolist() == ["ventral"]


def test_vertices_without_data_in_one_session_are_nan_units_and_counted(small):
    recording = small(space="fsaverage").subject("1")
    nan = np.isnan(recording.responses.values)
    assert np.flatnonzero(nan.any(0)).tolist() == list(MISSING)
    assert nan[:, list(MISSING)].all()
    assert recording.responses.attrs["units_without_data"] == len(MISSING)
    assert np.isnan(recording.part("test")[1].values[:, MISSING[0]]).all()


def test_missing_data_can_be_zero_as_published(small):
    recording = small(space="fsaverage", missing="zero", repetitions="keep").subject("1")
    values = recording.responses.values
    counted = recording.responses["repetitions"].values
    of_unit = values[..., MISSING[0]]
    assert (of_unit == 0).sum() == SIZES.trials  # the last session
    assert (np.isfinite(of_unit).sum(1) == counted).all()


def test_voxels_without_variance_are_nan_units(tmp_path, small):
    write_nsd(tmp_path, SIZES)
    path = tmp_path / "nsddata/ppdata/subj01/func1pt8mm/roi/nsdgeneral.nii.gz"
    image = nibabel.load(path)
    labels = image.get_fdata()
    labels[0, 0, 0] = 1  # outside the brain, where the files hold zeros
    nibabel.save(nibabel.Nifti1Image(labels.astype(np.int16), image.affine), path)
    for standardise in ("training", "none"):
        data = small(tmp_path, cache=tmp_path / "cache", standardise=standardise)
        recording = data.subject("1", roi="nsdgeneral")
        assert np.isnan(recording.responses.values[:, 0]).all()
        assert np.isfinite(recording.responses.values[:, 1:]).all()
        assert recording.responses.attrs["units_without_data"] == 1


def test_responses_stay_on_disk_and_any_selection_is_right(small):
    recording = small(repetitions="keep").subject("2")
    responses = recording.responses
    assert "values with dtype" in repr(responses.variable)  # xarray shows values that are in memory
    whole = responses.values
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, whole.shape[0], 9), rng.integers(0, whole.shape[2], 5)
    np.testing.assert_array_equal(responses[rows][:, :, columns].values, whole[rows][:, :, columns])
    np.testing.assert_array_equal(responses[3, 1, 2].values, whole[3, 1, 2])
    np.testing.assert_array_equal(responses[::-2, -1, 4:9].values, whole[::-2, -1, 4:9])
    np.testing.assert_array_equal(responses[[5], :, []].values, whole[[5]][:, :, []])
    again = pickle.loads(pickle.dumps(responses))
    np.testing.assert_array_equal(again.values, whole)
    assert not responses.variable._in_memory
    assert recording.stimuli["nsd-00000" if "nsd-00000" in recording.stimuli.ids else 0].shape == (8, 8, 3)


class InterruptedRunError(Exception):
    pass


@pytest.mark.parametrize(("space", "kind"), [("volume", VolumeSpace), ("fsaverage", SurfaceSpace)])
def test_an_interrupted_preparation_goes_on_and_a_finished_one_is_not_repeated(
    tmp_path, small, monkeypatch, space, kind
):
    opened, opens = [], kind.open

    def interrupted(self, number, units):
        opened.append(number)
        if number == 3 and opened.count(3) == 1:
            raise InterruptedRunError
        return opens(self, number, units)

    monkeypatch.setattr(kind, "open", interrupted)
    data = small(space=space, cache=tmp_path)
    with pytest.raises(InterruptedRunError):
        data.subject("1")
    assert not list((tmp_path / "nsd").glob("subj*.zarr"))
    resumed = data.subject("1")
    assert opened == [1, 2, 3, 3, 4]
    np.testing.assert_array_equal(data.subject("1").responses.values, resumed.responses.values)
    assert opened == [1, 2, 3, 3, 4]
    np.testing.assert_array_equal(small(space=space).subject("1").responses.values, resumed.responses.values)
    (path,) = (tmp_path / "nsd").iterdir()
    trials = open_responses(path)
    assert trials["stimulus"].values[SIZES.trials] == "session-02_trial-001"
    assert trials.sizes["stimulus"] == 4 * SIZES.trials


def test_blocks_of_trials_do_not_change_the_values(tmp_path, small, monkeypatch):
    monkeypatch.setattr("braincodec.datasets.nsd.preparation.BLOCK_BYTES", 8 * 2 * SIZES.vertices * 7)  # 7 of 30 trials
    monkeypatch.setattr("braincodec.datasets.trial_rows.BLOCK_BYTES", 4000)
    pieces = small(space="fsaverage", cache=tmp_path).subject("1").responses.values
    np.testing.assert_array_equal(pieces, small(space="fsaverage").subject("1").responses.values)


def test_whatever_decides_the_values_names_the_cache(tmp_path, small):
    settings = ({}, {"standardise": "published"}, {"sessions": 3}, {"space": "fsaverage"})
    for options in settings:
        small(cache=tmp_path, **options).subject("1", roi="V1")
    small(cache=tmp_path).subject("1", roi=["V1", "V2"])
    for same in ({"repetitions": "keep"}, {"missing": "zero"}, {"ncsnr": "none"}):
        small(cache=tmp_path, **same).subject("1", roi="V1")
    assert len(list((tmp_path / "nsd").iterdir())) == len(settings) + 1


def test_first_sessions_alone_can_be_read(small):
    recording = small(sessions=1, standardise="published").subject("1")
    assert recording.responses["repetitions"].values.sum() == SIZES.trials
    assert len(recording.split.train) > 0


@pytest.mark.parametrize("standardise", ["training", "published"])
def test_computed_signal_to_noise_ratio_is_the_simulated_one(tmp_path, small, standardise):
    sizes = Sizes(sessions={"1": 10, "2": 9}, trials=60, shared=40, vertices=30)
    facts = write_nsd(tmp_path, sizes, noise=NOISE)
    kind = type("Larger", (small,), {"published": facts})
    data = kind(tmp_path, cache=tmp_path / "cache", ncsnr="computed", standardise=standardise)
    recording = data.subject("1")
    assert abs(float(recording.units["ncsnr"].median()) - 1 / NOISE) < 0.15
    assert recording.units["noise_ceiling"].notnull().all()
    assert "ncsnr" not in kind(tmp_path, cache=tmp_path / "cache", ncsnr="none").subject("1").units


def test_a_recording_can_be_evaluated_with_its_nan_units(small):
    from braincodec.evaluation import evaluate

    recording = small(space="fsaverage").subject("1")
    predicted = recording.part("test")[1].values + 0.1
    scores = evaluate(predicted, recording, draws=10, permutations=10, leakage="off", metrics=["correlation"])
    found = scores.units["correlation"].values
    assert np.flatnonzero(np.isnan(found)).tolist() == list(MISSING)
    np.testing.assert_allclose(found[np.isfinite(found)], 1, atol=1e-6)


def test_options_are_checked(small, root):
    for option in ({"space": "mni"}, {"resolution": "func2mm"}, {"standardise": "all"}, {"missing": "drop"}):
        with pytest.raises(UnknownNameError, match="of nsd"):
            small(**option)
    with pytest.raises(InputValueError, match="sessions must be at least 1"):
        small(sessions=0)
    with pytest.raises(UnknownNameError, match="subject '9'"):
        small().subject("9")
    assert small().subject("subj01", roi="V1").subject == "1"
    with pytest.raises(MissingFileError, match=r"sessions of nsd in func1mm.*naturalscenesdataset\.org"):
        load_dataset("nsd", root, resolution="func1mm")


def test_published_counts_are_those_of_the_data_manual():
    facts = NSD.published
    assert sum(facts.sessions.values()) * facts.trials == 213_000
    assert facts.first_sessions == 30

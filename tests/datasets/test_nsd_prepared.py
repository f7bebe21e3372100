"""Prepared NSD files give what NSD itself gives when it is prepared the published way; nothing in them is run."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from braincodec.datasets import load_dataset
from braincodec.datasets.nsd import NSD, NSDPrepared
from braincodec.errors import DamagedFileError, MissingFileError, UnknownNameError, UnsafeFileError
from braincodec.simulate.layouts.nsd import Sizes, write_nsd
from braincodec.simulate.layouts.nsd_prepared import write_nsd_prepared

SIZES = Sizes()
MISSING = (3, 11)
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    facts = write_nsd(folder / "nsd", SIZES, missing_vertices=MISSING)
    write_nsd_prepared(folder / "berg", folder / "nsd", facts)
    return folder, facts


@pytest.fixture
def both(files):
    """The data set read from prepared files, and read as published; each from its options."""
    folder, facts = files
    raw, prepared = (type("Small", (kind,), {"published": facts}) for kind in (NSD, NSDPrepared))
    return (
        lambda root=folder / "berg", **options: prepared(root, folder / "nsd" / STIMULI, **options),
        lambda **options: raw(folder / "nsd", cache=folder / "cache", standardise="published", **options),
    )


@pytest.mark.parametrize("subject", ["1", "2"])
@pytest.mark.parametrize("repetitions", ["average", "keep"])
def test_prepared_volumes_agree_with_our_preparation(both, subject, repetitions):
    prepared, raw = both
    ours = raw(missing="zero", repetitions=repetitions).subject(subject, roi=["V1", "early"])
    theirs = prepared(repetitions=repetitions).subject(subject)
    np.testing.assert_allclose(theirs.responses.values, ours.responses.values, atol=2e-6)
    assert theirs.responses["stimulus"].values.tolist() == ours.responses["stimulus"].values.tolist()
    for name in ("i", "j", "k", "ncsnr", "noise_ceiling", "repetitions", "roi_V1", "roi_early"):
        np.testing.assert_array_equal(theirs.responses[name], ours.responses[name])
    assert theirs.split == ours.split
    for name in ("volume_shape", "response_units", "standardised_by"):
        assert theirs.units.attrs[name] == ours.units.attrs[name]
    np.testing.assert_array_equal(theirs.stimuli[0], ours.stimuli[0])
    assert not theirs.responses.variable._in_memory


def test_a_voxel_of_two_regions_is_one_unit(both):
    prepared, _ = both
    v1, early, union = (prepared().subject("1", roi=roi) for roi in ("V1", "early", ["V1", "early"]))
    sizes = [recording.units.sizes["unit"] for recording in (v1, early, union)]
    assert sizes[2] < sizes[0] + sizes[1]
    np.testing.assert_array_equal(union.responses[:, union.responses["roi_V1"].values].values, v1.responses.values)


def test_prepared_surfaces_agree_with_our_preparation(both):
    prepared, raw = both
    ours, theirs = raw(space="fsaverage").subject("1"), prepared(space="fsaverage").subject("1")
    np.testing.assert_allclose(theirs.responses.values, ours.responses.values, atol=2e-6)
    assert np.flatnonzero(np.isnan(theirs.responses.values).all(0)).tolist() == list(MISSING)
    for name in ("vertex", "hemisphere", "ncsnr", "roi_V1d", "roi_FFA-1"):
        np.testing.assert_array_equal(theirs.responses[name], ours.responses[name])
    assert theirs.split == ours.split
    some = prepared(space="fsaverage").subject("1", roi="V1d").responses
    np.testing.assert_array_equal(some.values, theirs.responses[:, theirs.responses["roi_V1d"].values].values)


def test_names_are_checked(both, tmp_path):
    prepared, _ = both
    assert prepared().subjects() == ["1", "2"]
    with pytest.raises(UnknownNameError, match=r"unknown roi 'V2' of subject 1 of nsd_prepared; .*early"):
        prepared().subject("1", roi="V2")
    with pytest.raises(UnknownNameError, match="unknown subject '3'"):
        prepared().subject("3")
    with pytest.raises(MissingFileError, match=r"prepared responses of nsd.*github\.com/gifale95/NED"):
        load_dataset("nsd_prepared", tmp_path)
    with pytest.raises(MissingFileError, match="images of nsd"):
        load_dataset("nsd_prepared", prepared().root).subject("1")


class Trap:
    def __reduce__(self):
        return (np.save, ("trap-was-sprung.npy", np.zeros(1)))


@pytest.fixture
def spoilt(both, files, tmp_path):
    """Write one prepared file with some changes, alone in a folder, and open it."""
    content = np.load(files[0] / "berg" / "nsd_betas_sub-01_roi-V1.npy", allow_pickle=True).item()

    def make(**changes):
        changed = {name: value for name, value in (content | changes).items() if value is not None}
        np.save(tmp_path / "nsd_betas_sub-01_roi-V1.npy", np.array(changed, object), allow_pickle=True)
        return both[0](tmp_path)

    return content, make


def test_hostile_files_run_nothing(spoilt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafeFileError, match="refused"):
        spoilt[1](ncsnr=Trap()).subject("1")
    assert not (tmp_path / "trap-was-sprung.npy").exists()


def test_parts_that_do_not_belong_together_are_named(spoilt):
    content, make = spoilt
    betas, mask = content["betas"], content["roi_mask_volume"]
    for changes, message in (
        ({"betas": betas[:, 1:]}, "voxels of betas .* but the mask holds"),
        ({"betas": betas[:-1]}, "119 trials, but the order of images has 120"),
        ({"ncsnr": None}, "lacks ncsnr"),
        ({"roi_mask_volume": mask.astype(float)}, "expected numbers .* and a boolean volume"),
        ({"fmri_affine": np.eye(3)}, r"fmri_affine has shape \(3, 3\)"),
        ({"img_presentation_order": content["img_presentation_order"] + 0.5}, "other than image numbers"),
        ({"img_presentation_order": content["img_presentation_order"] + 1000}, "holds .* images, but number"),
    ):
        with pytest.raises(DamagedFileError, match=message):
            make(**changes).subject("1")


def test_wrong_hemispheres_are_named(both, files, tmp_path):
    source = files[0] / "berg"
    for path in source.glob("*ubject-1*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    data = both[0](tmp_path, space="fsaverage")
    with h5py.File(tmp_path / "rh_betas_subject-1.h5", "w") as file:
        file["betas"] = np.zeros((120, 61), "f4")
    with pytest.raises(DamagedFileError, match=r"rh_ncsnr .* has 60 vertices; .* has 61"):
        data.subject("1")
    (tmp_path / "rh_betas_subject-1.h5").write_bytes(b"nothing")
    with pytest.raises(DamagedFileError, match=r"rh_betas_subject-1\.h5 cannot be read"):
        data.subject("1")
    (tmp_path / "rh_betas_subject-1.h5").unlink()
    with pytest.raises(MissingFileError, match="prepared responses of a hemisphere"):
        data.subject("1")

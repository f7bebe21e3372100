"""NIfTI responses: a series or a file a trial, voxels of a mask, regions of masks and atlases."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from braincodec.datasets import load_dataset
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError
from braincodec.stimuli import StimulusSet

from .studies import AFFINE, IMAGES, SHAPE, image_names, numbered, pixels, trial_table, volumes, write_nifti

pytest.importorskip("nibabel")
SPLIT = {"train": image_names()[:8], "test": image_names()[8:]}


@pytest.fixture
def stimuli() -> StimulusSet:
    return StimulusSet.open(pixels(), ids=image_names())


def opened(stimuli, responses, **options):
    return load_dataset("own", images=stimuli, responses=responses, split=SPLIT, **options).subject("1")


def mask_of(*voxels: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[tuple(np.transpose(voxels))] = 1
    return mask


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_series_gives_voxels_of_the_mask_with_their_place(stimuli, tmp_path, suffix):
    path = write_nifti(tmp_path / f"betas{suffix}", volumes(IMAGES))
    mask = write_nifti(tmp_path / "mask.nii.gz", mask_of((0, 0, 1), (2, 3, 4)))
    recording = opened(stimuli, path, mask=mask)
    np.testing.assert_allclose(recording.responses.sel(stimulus="picture_05").values, [6.001, 6.059], rtol=1e-5)
    assert [recording.units[axis].values.tolist() for axis in "ijk"] == [[0, 2], [0, 3], [1, 4]]
    assert recording.units.attrs["affine"] == AFFINE.ravel().tolist()
    assert recording.units.attrs["volume_shape"] == list(SHAPE)
    assert recording.units.attrs["modality"] == "fmri"
    np.testing.assert_allclose(recording.responses[3:5, 1].values, [4.059, 5.059], rtol=1e-5)
    assert recording.responses.bc.to_nifti(tmp_path / "again.nii.gz")


def test_without_a_mask_units_are_what_is_not_0_and_info_says_so(stimuli, tmp_path):
    data = volumes(IMAGES)
    data[0] = 0
    data[1, 0, 0] = np.nan
    own = load_dataset("own", images=stimuli, responses=write_nifti(tmp_path / "b.nii.gz", data), split=SPLIT)
    assert own.subject("1").responses.sizes["unit"] == 2 * 4 * 5 - 1
    assert "no mask was given: units are the 39 voxels" in own.info()


def test_a_file_a_trial_by_pattern_list_and_table(stimuli, tmp_path):
    data = volumes(IMAGES)
    paths = [write_nifti(tmp_path / "trials" / f"beta_{n + 1}.nii.gz", data[..., n]) for n in range(IMAGES)]
    mask = mask_of((0, 0, 1))
    by_pattern = opened(stimuli, str(tmp_path / "trials" / "beta_*.nii.gz"), mask=mask)
    np.testing.assert_allclose(by_pattern.responses.values[:, 0], np.arange(IMAGES) + 1.001, rtol=1e-5)  # 2 before 10
    by_list = opened(stimuli, paths[::-1], mask=mask)
    np.testing.assert_allclose(by_list.responses.values[0, 0], IMAGES + 0.001, rtol=1e-5)
    table = trial_table([3, 9], response=["beta_4.nii.gz", "beta_1.nii.gz"])
    split = {"train": ["picture_03"], "test": ["picture_09"]}
    data = load_dataset("own", images=stimuli, table=table, responses=tmp_path / "trials", mask=mask, split=split)
    np.testing.assert_allclose(data.subject("1").responses.values[:, 0], [4.001, 1.001], rtol=1e-5)
    table.loc[0, "response"] = "beta_x.nii.gz"
    with pytest.raises(MissingFileError, match=r"1 of 2 responses that the table names not found: beta_x.nii.gz"):
        load_dataset("own", images=stimuli, table=table, responses=tmp_path / "trials")


def test_sessions_in_series_of_their_own_are_joined(stimuli, tmp_path):
    for session, (start, count) in {"1": (0, 5), "2": (5, 7)}.items():
        write_nifti(tmp_path / f"sub-1_ses-{session}_betas.nii.gz", volumes(12)[..., start : start + count])
    recording = opened(stimuli, tmp_path, mask=mask_of((0, 0, 1)))
    np.testing.assert_allclose(recording.responses.values[:, 0], np.arange(IMAGES) + 1.001, rtol=1e-5)


def test_regions_of_masks_and_of_an_atlas(stimuli, tmp_path):
    path = write_nifti(tmp_path / "betas.nii.gz", volumes(IMAGES))
    mask = mask_of((0, 0, 1), (1, 1, 1), (2, 3, 4))
    write_nifti(tmp_path / "rois" / "V1.nii.gz", mask_of((0, 0, 1), (1, 1, 1)))
    write_nifti(tmp_path / "rois" / "V2.nii.gz", mask_of((1, 1, 1)))
    by_folder = opened(stimuli, path, mask=mask, rois=tmp_path / "rois")
    assert by_folder.units["roi_membership"].values.tolist() == [[True, False], [True, True], [False, False]]
    assert by_folder.responses["roi_V1"].values.tolist() == [True, True, False]
    by_name = opened(stimuli, path, mask=mask, rois={"early": str(tmp_path / "rois" / "V1.nii.gz")})
    assert by_name.units["roi"].values.tolist() == ["early"]
    atlas = mask_of((0, 0, 1)).astype(np.int16) * 7 + mask_of((2, 3, 4)) * 9
    write_nifti(tmp_path / "atlas.nii.gz", atlas)
    (tmp_path / "atlas.tsv").write_text("index\tname\n7\tPPA\n")
    of_atlas = opened(stimuli, path, mask=mask, rois=tmp_path / "atlas.nii.gz")
    assert of_atlas.units["roi"].values.tolist() == ["PPA", "atlas-9"]
    assert of_atlas.units["roi_membership"].values.tolist() == [[True, False], [False, False], [False, True]]


def test_mask_gives_arrays_their_place(stimuli, tmp_path):
    mask = write_nifti(tmp_path / "mask.nii.gz", mask_of((0, 0, 1), (0, 1, 0), (1, 1, 1), (2, 3, 4)))
    recording = opened(stimuli, numbered(IMAGES), mask=mask)
    assert recording.units["j"].values.tolist() == [0, 1, 1, 3]
    assert recording.units.attrs["volume_shape"] == list(SHAPE)
    with pytest.raises(InputValueError, match=r"mask, 3 x 4 x 5, has 4 voxels, but the responses have 5 units"):
        opened(stimuli, numbered(IMAGES, units=5), mask=mask)


def test_volumes_that_do_not_fit_are_named(stimuli, tmp_path):
    path = write_nifti(tmp_path / "one.nii.gz", volumes(6))
    write_nifti(tmp_path / "two.nii.gz", volumes(6, (3, 4, 6)))
    write_nifti(tmp_path / "moved.nii.gz", volumes(6), AFFINE + np.eye(4) * [[1], [1], [1], [0]])
    with pytest.raises(InputValueError, match=r"one.nii.gz is 3 x 4 x 5, but two.nii.gz is 3 x 4 x 6"):
        opened(stimuli, [path, tmp_path / "two.nii.gz"])
    with pytest.raises(InputValueError, match="lie in different places"):
        opened(stimuli, [path, tmp_path / "moved.nii.gz"])
    with pytest.raises(InputValueError, match=r"mask is 2 x 4 x 5, but the volumes are 3 x 4 x 5"):
        opened(stimuli, path, mask=np.ones((2, 4, 5)))
    with pytest.raises(InputValueError, match="no voxel other than 0"):
        opened(stimuli, path, mask=np.zeros(SHAPE))
    full = write_nifti(tmp_path / "full.nii.gz", volumes(IMAGES))
    with pytest.raises(InputValueError, match=r"the shape \(3,\); expected one value for each of the 60 units"):
        opened(stimuli, full, mask=np.ones(SHAPE), rois={"V1": np.ones(3, bool)})
    with pytest.raises(InputValueError, match="4 x 4 x 5, but the volumes are"):
        opened(stimuli, full, mask=np.ones(SHAPE), rois={"V1": np.ones((4, 4, 5))})


def test_damaged_files_are_named(stimuli, tmp_path):
    plain = write_nifti(tmp_path / "a.nii", volumes(IMAGES))
    plain.write_bytes(plain.read_bytes()[:-100])
    with pytest.raises(DamagedFileError, match=r"a\.nii is truncated"):
        opened(stimuli, plain)
    packed = write_nifti(tmp_path / "a.nii.gz", volumes(IMAGES))
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    own = load_dataset("own", images=stimuli, responses=packed, mask=np.ones(SHAPE), split=SPLIT)
    assert "may be truncated" in own.verify()[0]
    (tmp_path / "no.nii.gz").write_bytes(gzip.compress(b"no image"))
    with pytest.raises(DamagedFileError, match="cannot be read as a NIfTI file"):
        opened(stimuli, tmp_path / "no.nii.gz")
    with pytest.raises(DamagedFileError, match="expected a volume"):
        opened(stimuli, write_nifti(tmp_path / "flat.nii.gz", np.ones((3, 4), np.float32)))

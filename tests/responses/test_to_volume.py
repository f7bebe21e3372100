"""Vertices of fsaverage as voxels."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.errors import InputValueError
from braincodec.mesh import fsaverage5
from braincodec.responses import build_responses, build_units, concatenate_responses

pytest.importorskip("nilearn")


def _whole_hemisphere(values, **labels):
    vertices = np.arange(values.shape[-1])
    units = build_units(vertex=vertices, hemisphere="left", space="fsaverage5", **labels)
    return build_responses(values, [str(number) for number in range(len(values))], units)


def _positions(volume):
    affine = np.reshape(volume.attrs["affine"], (4, 4))
    return np.stack([volume[name].values for name in "ijk"], axis=1) @ affine[:3, :3].T + affine[:3, 3]


def test_a_voxel_lies_where_its_vertices_lie():
    mesh = fsaverage5("left")
    place = (mesh.white + mesh.pial) / 2
    volume = _whole_hemisphere(place.T.copy()).bc.to_volume(4)  # three "stimuli": x, y and z
    assert np.abs(volume.values.T - _positions(volume)).max() <= 2 + 1e-9
    assert volume.sizes["unit"] < 10_242


def test_a_voxel_has_the_mean_of_its_vertices():
    values = np.random.default_rng(0).standard_normal((2, 10_242)).astype(np.float32)
    volume = _whole_hemisphere(values).bc.to_volume(20)
    mesh = fsaverage5("left")
    place, voxel = (mesh.white + mesh.pial) / 2, volume.sizes["unit"] // 2
    inside = np.abs(place - _positions(volume)[voxel]).max(1) <= 10
    assert inside.sum() > 1
    np.testing.assert_allclose(volume.values[:, voxel], values[:, inside].mean(1), rtol=1e-4, atol=1e-6)
    assert volume.dtype == np.float32


def test_every_selection_lies_in_the_same_volume():
    whole = _whole_hemisphere(np.zeros((1, 10_242)))
    some = whole.isel(unit=slice(100, 120)).bc.to_volume()
    assert some.attrs["affine"] == whole.bc.to_volume().attrs["affine"]
    assert some.attrs["volume_shape"] == whole.bc.to_volume().attrs["volume_shape"]


def test_regions_are_those_of_most_vertices_and_one_response_stays_one():
    member = np.arange(10_242) < 6000
    volume = _whole_hemisphere(member[None].astype(float), rois={"V1": member})[0].bc.to_volume()
    assert volume.dims == ("unit",)
    assert np.array_equal(volume["roi_V1"].values, volume.values >= 0.5)


def test_a_volume_of_vertices_is_written_as_nifti(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    volume = _whole_hemisphere(np.ones((2, 300))).bc.to_volume()
    image = nibabel.load(volume.bc.to_nifti(tmp_path / "out.nii.gz"))
    assert (np.asarray(image.dataobj) == 1).sum() == volume.size


def test_voxels_come_back_as_they_are(volume):
    assert volume.bc.to_volume() is volume


def test_fsaverage_counts_with_the_vertices_of_fsaverage5():
    fine = build_units(vertex=[5, 20_000], hemisphere="left", space="fsaverage")
    coarse = build_units(vertex=[5], hemisphere="left", space="fsaverage5")
    first = build_responses([[1.0, 9.0]], ["a"], fine).bc.to_volume()
    second = build_responses([[1.0]], ["a"], coarse).bc.to_volume()
    assert first.identical(second)


def test_what_has_no_place_in_a_volume_is_refused(sensor, surface):
    with pytest.raises(InputValueError, match="vertices of fsaverage5 or fsaverage"):
        sensor.bc.to_volume()
    with pytest.raises(InputValueError, match="1 to 20 millimetres"):
        surface.bc.to_volume(0.5)
    people = [_whole_hemisphere(np.zeros((1, 3)), subject=number) for number in (1, 2)]
    with pytest.raises(InputValueError, match="one subject"):
        concatenate_responses(people).bc.to_volume()

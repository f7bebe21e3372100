"""NIfTI, GIFTI and MNE exports, read back with nibabel and MNE."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import xarray as xr

from braincodec.errors import InputValueError, OutputError
from braincodec.responses import build_responses, build_sensor_units, build_units, concatenate_responses, open_responses


@pytest.fixture
def nibabel():
    return pytest.importorskip("nibabel")


@pytest.fixture
def mne():
    return pytest.importorskip("mne")


def mask_of(volume):
    mask = np.zeros(volume.attrs["volume_shape"], bool)
    mask[volume.i, volume.j, volume.k] = True
    return mask


def test_nifti_puts_each_response_at_the_true_voxels_of_the_mask(nibabel, volume, tmp_path):
    image = nibabel.load(volume.bc.to_nifti(tmp_path / "out.nii.gz"))
    data = image.get_fdata(dtype=np.float32)
    assert data.shape == (5, 6, 7, 3)
    assert np.allclose(image.affine, np.reshape(volume.attrs["affine"], (4, 4)), atol=1e-5)
    for number in range(3):
        assert np.array_equal(data[..., number][mask_of(volume)], volume.values[number])
        assert np.isnan(data[..., number][~mask_of(volume)]).all()


def test_nifti_of_one_stimulus_is_three_dimensional(nibabel, volume, tmp_path):
    image = nibabel.load(volume[1:2].bc.to_nifti(tmp_path / "out.nii", fill=0))
    assert image.shape == (5, 6, 7)
    assert np.array_equal(image.get_fdata(dtype=np.float32)[mask_of(volume)], volume.values[1])
    assert (image.get_fdata()[~mask_of(volume)] == 0).all()


def test_nifti_remembers_stimuli_and_opens_as_responses(nibabel, volume, tmp_path):
    again = open_responses(volume.bc.to_nifti(tmp_path / "out.nii.gz"))
    assert not again._in_memory
    assert again.stimulus.values.tolist() == ["a", "ü b", "c"]
    assert np.array_equal(again[1:, ::2], volume[1:, ::2])
    assert np.array_equal(again, volume)
    assert all(np.array_equal(again[name], volume[name]) for name in "ijk")
    assert again.attrs["space"] == "volume"
    assert np.array_equal(open_responses(volume[:1].bc.to_nifti(tmp_path / "one.nii")), volume[:1])


def test_more_volumes_than_nifti_1_counts_become_nifti_2(nibabel, tmp_path):
    units = build_units(ijk=[[0, 0, 0]], affine=np.eye(4), volume_shape=(1, 1, 1))
    responses = build_responses(np.arange(32_768.0)[:, None], range(32_768), units)
    image = nibabel.load(responses.bc.to_nifti(tmp_path / "long.nii.gz"))
    assert isinstance(image, nibabel.Nifti2Image)
    assert image.get_fdata()[0, 0, 0].tolist() == list(range(32_768))


def test_nifti_of_one_of_two_subjects_has_that_subjects_volume(nibabel, volume, tmp_path):
    units = build_units(ijk=[[0, 0, 1]], subject=2, affine=np.eye(4), volume_shape=(2, 2, 2))
    both = concatenate_responses([volume, build_responses(np.ones((3, 1)), volume.stimulus.values, units)])
    with pytest.raises(InputValueError, match=r"one subject; these are 1, 2: select\(subject"):
        both.bc.to_nifti(tmp_path / "both.nii.gz")
    first = nibabel.load(both.bc.select(subject=1).bc.to_nifti(tmp_path / "1.nii.gz"))
    second = nibabel.load(both.bc.select(subject=2).bc.to_nifti(tmp_path / "2.nii.gz"))
    assert (first.shape[:3], second.shape[:3]) == ((5, 6, 7), (2, 2, 2))
    assert np.array_equal(second.affine, np.eye(4))
    assert {path.name for path in tmp_path.iterdir()} == {"1.nii.gz", "2.nii.gz"}


def test_voxel_of_two_models_is_refused_until_one_is_chosen(nibabel, volume, tmp_path):
    both = concatenate_responses([volume, volume])
    with pytest.raises(InputValueError, match="occurs twice"):
        both.bc.to_nifti(tmp_path / "out.nii.gz")
    image = nibabel.load(both.bc.select(deduplicate=True).bc.to_nifti(tmp_path / "out.nii.gz"))
    assert np.array_equal(image.get_fdata(dtype=np.float32)[mask_of(volume)], volume.values.T)


def test_what_is_no_volume_is_no_nifti(nibabel, volume, surface, sensor, tmp_path):
    for responses in (surface, sensor):
        with pytest.raises(InputValueError, match="needs units with i, j and k"):
            responses.bc.to_nifti(tmp_path / "out.nii.gz")
    with pytest.raises(InputValueError, match="affine"):
        volume.drop_attrs().bc.to_nifti(tmp_path / "out.nii.gz")
    with pytest.raises(InputValueError, match="average repetitions"):
        volume.expand_dims(repetition=[1], axis=1).bc.to_nifti(tmp_path / "out.nii.gz")
    with pytest.raises(InputValueError, match="ends in"):
        volume.bc.to_nifti(tmp_path / "out.img")
    assert not list(tmp_path.iterdir())


def test_gifti_has_one_file_a_hemisphere_with_the_whole_mesh(nibabel, surface, tmp_path):
    paths = surface.bc.to_gifti(tmp_path / "out.func.gii")
    assert [path.name for path in paths] == ["out.lh.func.gii", "out.rh.func.gii"]
    for path, side, structure in zip(paths, ("left", "right"), ("CortexLeft", "CortexRight"), strict=True):
        image, part = nibabel.load(path), surface.bc.select(hemisphere=side)
        assert image.meta["AnatomicalStructurePrimary"] == structure
        assert [array.meta["Name"] for array in image.darrays] == ["a", "b"]
        for array, row in zip(image.darrays, part.values, strict=True):
            assert array.data.shape == (10_242,)
            assert np.array_equal(array.data[part.vertex], row)
            assert np.isnan(array.data).sum() == 10_242 - part.sizes["unit"]


def test_gifti_of_one_hemisphere_is_one_file(nibabel, surface, tmp_path):
    paths = surface.bc.select(hemisphere="rh").bc.to_gifti(tmp_path / "out")
    assert [path.name for path in paths] == [path.name for path in tmp_path.iterdir()] == ["out.rh.func.gii"]


def test_gifti_refuses_what_it_cannot_hold(nibabel, volume, surface, tmp_path):
    with pytest.raises(InputValueError, match="lie in volume"):
        volume.bc.to_gifti(tmp_path / "out")
    with pytest.raises(InputValueError, match="vertex 10242 does not exist"):
        surface.assign_coords(vertex=surface.vertex + 1).bc.to_gifti(tmp_path / "out")
    with pytest.raises(InputValueError, match="occurs twice"):
        concatenate_responses([surface, surface]).bc.to_gifti(tmp_path / "out")
    (tmp_path / "out.rh.func.gii").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        surface.bc.to_gifti(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out.rh.func.gii"]


def test_evoked_averages_repetitions_and_knows_where_channels_are(mne, sensor):
    evoked = sensor.bc.to_evoked()
    assert [item.comment for item in evoked] == ["a", "b"]
    assert [item.nave for item in evoked] == [4, 4]
    assert np.allclose(evoked[1].data, sensor.values[1].mean(axis=0), atol=1e-6)
    assert np.allclose(evoked[0].times, sensor.time, atol=1e-9)
    assert evoked[0].ch_names == sensor.channel.values.tolist()
    positions = evoked[0].get_montage().get_positions()["ch_pos"]
    assert len(positions) == 5
    assert all(np.isfinite(position).all() for position in positions.values())
    # the occipital electrode lies behind the frontal one, whose name is in capitals
    assert positions["Oz"][1] < 0 < positions["FP1"][1]


def test_mean_evoked_is_the_mean_over_stimuli(mne, sensor):
    (evoked,) = sensor.bc.to_evoked(mean=True)
    assert np.allclose(evoked.data, sensor.values.mean(axis=(0, 1)), atol=1e-6)
    assert evoked.nave == 8


def test_microvolts_become_volts_and_other_units_are_named(mne, sensor):
    assert "zscored_within_session" in sensor.bc.to_evoked()[0].info["description"]
    volts = sensor.assign_attrs(response_units="microvolt").bc.to_evoked()[0]
    assert np.allclose(volts.data * 1e6, sensor.values[0].mean(axis=0), atol=1e-6)
    assert "volt" in volts.info["description"]


def test_channels_of_no_standard_have_no_positions(mne):
    units = build_sensor_units(["X1", "X2"], [0.0, 0.01, 0.02])
    (evoked,) = build_responses(np.zeros((1, 2, 3)), ["a"], units).bc.to_evoked()
    assert evoked.get_montage() is None


def test_epochs_hold_each_stimulus_and_repetition(mne, sensor, tmp_path):
    sensor.bc.to_epochs().save(tmp_path / "out-epo.fif", verbose="error")
    epochs = mne.read_epochs(tmp_path / "out-epo.fif", verbose="error")
    assert np.allclose(epochs.get_data(), sensor.values.reshape(8, 5, 30), atol=1e-6)
    assert epochs.metadata["stimulus"].tolist() == ["a"] * 4 + ["b"] * 4
    assert epochs.metadata["repetition"].tolist() == [1, 2, 3, 4] * 2
    assert epochs.event_id == {"a": 1, "b": 2}
    assert np.allclose(epochs["b"].average().data, sensor.values[1].mean(axis=0), atol=1e-6)
    assert np.allclose(epochs.times, sensor.time)
    assert epochs.get_montage() is not None


def test_uneven_samples_and_units_are_no_mne_objects(mne, sensor, volume):
    with pytest.raises(InputValueError, match="not evenly spaced"):
        sensor.isel(time=[0, 1, 5]).bc.to_evoked()
    with pytest.raises(InputValueError, match="at least two samples"):
        sensor.isel(time=[0]).bc.to_epochs()
    with pytest.raises(InputValueError, match="need the dimension 'channel'"):
        volume.bc.to_evoked()


def test_missing_package_answers_with_the_line_to_install(volume, sensor, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(ImportError, match=r"pip install 'braincodec\[neuro\]'"):
        volume.bc.to_nifti(tmp_path / "out.nii.gz")
    with pytest.raises(ImportError, match=r"pip install 'braincodec\[neuro\]'"):
        sensor.bc.to_evoked()


def test_units_of_the_accessor_are_those_that_were_given(volume, volume_units):
    xr.testing.assert_equal(volume.bc.units, volume_units)
    assert "V1" in repr(volume.bc)

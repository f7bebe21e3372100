"""Labelling values, and taking the labels off again."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.responses import (
    build_responses,
    build_sensor_units,
    build_units,
    coordinates_to_units,
    empty_responses,
    units_to_coordinates,
)


@pytest.mark.parametrize("kind", ["volume", "surface", "sensor"])
def test_units_survive_the_way_into_coordinates_and_back(kind, request):
    responses = request.getfixturevalue(kind)
    again = build_responses(responses.values, responses.stimulus.values, coordinates_to_units(responses))
    xr.testing.assert_identical(again, responses)


def test_measured_responses_have_repetitions(volume_units):
    responses = build_responses(np.zeros((2, 3, 12)), ["a", "b"], volume_units)
    assert responses.dims == ("stimulus", "repetition", "unit")
    assert responses.repetition.values.tolist() == [1, 2, 3]


def test_regions_are_sliced_with_the_units(volume):
    part = volume.isel(unit=slice(6, None))
    assert part.bc.roi_membership.sel(roi="V1").values.tolist() == [True] + [False] * 5


def test_values_are_not_copied():
    values = np.zeros((2, 3), np.float32)
    assert np.shares_memory(build_responses(values, ["a", "b"]).values, values)


def test_units_read_from_netcdf_label_as_before(volume, tmp_path):
    coordinates_to_units(volume).to_netcdf(tmp_path / "units.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "units.nc", engine="h5netcdf") as units:
        again = build_responses(volume.values, volume.stimulus.values, units)
    xr.testing.assert_identical(again, volume)


def test_attributes_become_plain_values(volume):
    assert volume.attrs["simulated"] == 1
    assert volume.attrs["volume_shape"] == [5, 6, 7]
    assert len(volume.attrs["affine"]) == 16


def test_template_has_everything_but_stimuli(sensor):
    template = empty_responses(coordinates_to_units(sensor))
    assert template.shape == (0, 4, 5, 30)
    assert template.dtype == np.float32
    assert set(template.coords) == set(sensor.coords)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((2, 11), "11 along unit, but 12 labels"), ((3, 12), "3 along stimulus, but 2 ids"), ((12,), "expected")],
)
def test_shape_that_does_not_fit_is_refused(volume_units, shape, message):
    with pytest.raises(InputValueError, match=message):
        build_responses(np.zeros(shape), ["a", "b"], volume_units)


def test_sensor_shape_without_repetitions_is_refused_where_units_have_them(sensor):
    with pytest.raises(InputValueError, match=r"expected \(stimulus, repetition, channel, time\)"):
        build_responses(np.zeros((2, 5, 30)), ["a", "b"], coordinates_to_units(sensor))


def test_repeated_stimulus_id_is_refused(volume_units):
    with pytest.raises(InputValueError, match="'a' occurs 2 times"):
        build_responses(np.zeros((2, 12)), ["a", "a"], volume_units)


def test_repeated_channel_is_refused():
    with pytest.raises(InputValueError, match="channel 'Oz'"):
        build_sensor_units(["Oz", "Oz"], [0, 0.1])


def test_membership_must_be_boolean():
    with pytest.raises(InputTypeError, match="'V1' must be boolean, not int64"):
        build_units(ijk=[[0, 0, 0]], rois={"V1": np.array([1])})
    units = build_units(ijk=[[0, 0, 0]], rois={"V1": [True]})
    units["roi_membership"] = units["roi_membership"].astype(float)
    with pytest.raises(InputTypeError, match="boolean"):
        build_responses([[0.0]], ["a"], units)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ijk": [[0, 0]]}, r"expected \(units, 3\)"),
        ({"ijk": [[0, 0, 0]], "scores": {"ncsnr": [1, 2]}}, "one common length"),
        ({"subject": 1}, "one common length"),
        ({"ijk": [[0, 0, -1]]}, "negative"),
        ({"ijk": [[0, 0, 9]], "volume_shape": (9, 9, 9)}, "outside volume_shape"),
        ({"vertex": [1], "space": "fsaverage"}, "need `hemisphere`"),
        ({"ijk": [[0, 0, 0]], "affine": np.eye(3)}, "4 x 4"),
        ({"ijk": [[0, 0, 0]], "rois": {"membership": [True]}}, "cannot be called"),
    ],
)
def test_impossible_units_are_refused(arguments, message):
    with pytest.raises(InputValueError, match=message):
        build_units(**arguments)


def test_unknown_names_offer_the_known(volume_units):
    with pytest.raises(UnknownNameError, match="did you mean 'left'"):
        build_units(vertex=[1], hemisphere="leftt", space="fsaverage")
    with pytest.raises(UnknownNameError, match="did you mean 'fsaverage"):
        build_units(vertex=[1], hemisphere="left", space="fsaverag")
    with pytest.raises(UnknownNameError, match="zscored_within_session"):
        build_responses(np.zeros((1, 12)), ["a"], volume_units, response_units="percent")


def test_text_is_no_response():
    with pytest.raises(InputTypeError, match="real numbers"):
        build_responses([["a"]], ["a"])


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), max_size=5, unique=True),
    st.integers(0, 6),
    st.randoms(use_true_random=False),
)
def test_any_regions_survive(names, count, random):
    names = [name for name in names if name.strip() and name != "membership"]
    rois = {name: np.array([random.random() < 0.5 for _ in range(count)], bool) for name in names}
    units = build_units(ijk=np.zeros((count, 3), int), rois=rois)
    responses = xr.DataArray(np.zeros((1, count)), units_to_coordinates(units), ("stimulus", "unit"))
    assert responses.bc.rois == names
    for name, member in rois.items():
        assert np.array_equal(responses.bc.roi_membership.sel(roi=name), member)


def test_import_registers_the_accessor_and_loads_no_heavy_package():
    code = (
        "import sys, braincodec.responses, xarray; xarray.DataArray.bc;"
        "print([name for name in ('torch', 'nibabel', 'mne', 'matplotlib', 'zarr') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

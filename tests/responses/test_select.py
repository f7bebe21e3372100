"""Choosing units, channels and times; putting models and subjects side by side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.responses import (
    build_responses,
    build_units,
    concatenate_responses,
    concatenate_units,
    coordinates_to_units,
    select,
)


def two_models(subjects=(1, 1)):
    """Models of V1 and of early, which both predict voxel (0, 0, 1)."""
    parts = []
    for subject, name, ijk in zip(
        subjects, ("V1", "early"), ([[0, 0, 0], [0, 0, 1]], [[0, 0, 1], [0, 0, 2]]), strict=True
    ):
        units = build_units(
            ijk=ijk,
            rois={name: [True, True]},
            subject=subject,
            model_roi=name,
            affine=np.eye(4) * subject,
            volume_shape=(1, 1, 2 + subject),
        )
        parts.append(build_responses([[10.0 * len(parts), 10.0 * len(parts) + 1]], ["a"], units))
    return concatenate_responses(parts)


def test_one_region(volume):
    assert np.array_equal(volume.bc.select(roi="V1"), volume[:, :7])


def test_union_keeps_each_unit_once_and_in_order(volume):
    assert np.array_equal(select(volume, roi=["FFA-1", "V1"]), volume)


def test_unit_that_one_model_predicts_twice_is_kept_once():
    units = build_units(
        ijk=[[0, 0, 0], [1, 0, 0], [0, 0, 0]], rois={"V1": [True, True, False], "V2": [False, False, True]}
    )
    responses = build_responses([[1.0, 2.0, 3.0]], ["a"], units)
    assert select(responses, roi=["V1", "V2"]).values.tolist() == [[1.0, 2.0]]


def test_voxel_of_two_models_stays_two_units_unless_asked():
    both = two_models()
    assert select(both, roi=["V1", "early"]).values.tolist() == [[0, 1, 10, 11]]
    assert select(both, roi=["V1", "early"], deduplicate=True).values.tolist() == [[0, 1, 11]]
    assert select(both, deduplicate=True).values.tolist() == [[0, 1, 11]]


def test_same_voxel_of_two_subjects_stays_two_units():
    assert select(two_models(subjects=(1, 2)), deduplicate=True).sizes["unit"] == 4


def test_same_vertex_of_two_hemispheres_stays_two_units(surface):
    assert select(surface, deduplicate=True).sizes["unit"] == 7


def test_units_without_identity_are_all_kept():
    units = build_units(rois={"V4": [True, True]}, scores={"ncsnr": [0.1, 0.1]})
    assert select(build_responses([[1.0, 1.0]], ["a"], units), roi="V4", deduplicate=True).sizes["unit"] == 2


def test_duplicate_outside_the_region_does_not_hide_the_unit_inside():
    units = build_units(ijk=[[0, 0, 0], [0, 0, 0]], rois={"V1": [False, True]})
    assert select(build_responses([[1.0, 2.0]], ["a"], units), roi="V1").values.tolist() == [[2.0]]


def test_misspelt_region_offers_the_nearest(volume):
    with pytest.raises(UnknownNameError, match=r"unknown roi 'FAA-1'; did you mean 'FFA-1'\? available: V1, FFA-1"):
        select(volume, roi="FAA-1")


def test_no_region_at_all_is_refused(volume):
    with pytest.raises(InputValueError, match="no roi given"):
        select(volume, roi=[])


def test_model_subject_and_hemisphere(volume, surface):
    assert select(volume, model_roi="lateral").sizes["unit"] == 6
    assert select(volume, subject=1).sizes["unit"] == 12
    assert select(volume, subject=1, roi="V1", model_roi=["lateral"]).sizes["unit"] == 1
    assert np.array_equal(select(surface, hemisphere="right"), select(surface, hemisphere="rh"))
    assert select(surface, hemisphere="left").vertex.values.tolist() == [0, 7, 10_241, 5]
    with pytest.raises(UnknownNameError, match="subject"):
        select(volume, subject=2)
    with pytest.raises(InputValueError, match="do not know the hemisphere"):
        select(volume, hemisphere="left")
    with pytest.raises(InputValueError, match="do not know the subject"):
        select(surface, subject=1)


def test_channels_in_the_order_asked_for(sensor):
    part = sensor.bc.select(channel=["Cz", "Oz"])
    assert np.array_equal(part, sensor.values[:, :, [3, 0]])
    with pytest.raises(UnknownNameError, match="did you mean 'FP1'"):
        select(sensor, channel="Fp1")


def test_time_window_includes_both_ends(sensor):
    times = sensor.time.values
    part = select(sensor, time=(times[3], times[7]))
    assert part.time.values.tolist() == times[3:8].tolist()
    assert select(sensor, time=(None, 0.0)).time.values.max() <= 0
    with pytest.raises(InputValueError, match=r"no sample between 5 s and 6 s; times run -0.1 to 0.19 s"):
        select(sensor, time=(5, 6))


def test_regions_of_sensors_are_refused_in_words(sensor):
    with pytest.raises(InputValueError, match="need the dimension 'unit'"):
        select(sensor, roi="V1")


def test_selection_changes_nothing(volume):
    before = volume.copy(deep=True)
    select(volume, roi="V1", deduplicate=True)
    assert volume.identical(before)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_union_is_the_set_of_identities(units):
    ijk = [(i, 0, 0) for i, *_ in units]
    models = np.array(["a", "b"])[[model for _, model, *_ in units]]
    rois = {"X": np.array([x for *_, x, _ in units]), "Y": np.array([y for *_, y in units])}
    responses = build_responses(np.zeros((1, len(units))), ["s"], build_units(ijk=ijk, model_roi=models, rois=rois))
    union = select(responses, roi=["X", "Y"])
    found = list(zip(union.i.values.tolist(), union.model_roi.values.tolist(), strict=True))
    wanted = {(i, "ab"[model]) for i, model, x, y in units if x or y}
    assert len(found) == len(wanted)
    assert set(found) == wanted
    voxels = select(responses, roi=["X", "Y"], deduplicate=True).i.values.tolist()
    assert sorted(voxels) == sorted({i for i, *_, x, y in units if x or y})


def test_side_by_side_fills_what_a_part_does_not_know(volume):
    other = build_units(ijk=[[0, 0, 0]], rois={"V2": [True]}, subject=2, space="volume")
    units = concatenate_units([coordinates_to_units(volume), other])
    assert units.roi.values.tolist() == ["V1", "FFA-1", "V2"]
    assert units.roi_membership.values[-1].tolist() == [False, False, True]
    assert np.isnan(units.ncsnr.values[-1])
    assert units.model_roi.values[-1] == ""
    assert units.attrs["simulated"] == 1


def test_each_subject_keeps_its_own_volume():
    both = two_models(subjects=(1, 2))
    assert "affine" not in both.attrs
    assert both.attrs["volume_shape_subject_2"] == [1, 1, 4]
    assert both.attrs["affine_subject_2"][0] == 2
    three = concatenate_units([coordinates_to_units(both), coordinates_to_units(two_models(subjects=(3, 3)))])
    assert {key for key in three.attrs if key.startswith("volume")} == {
        "volume_shape_subject_1",
        "volume_shape_subject_2",
        "volume_shape_subject_3",
    }


def test_different_spaces_and_stimuli_are_not_put_together(volume, surface):
    with pytest.raises(InputValueError, match="different spaces"):
        concatenate_units([coordinates_to_units(volume), coordinates_to_units(surface)])
    with pytest.raises(InputValueError, match="different stimuli"):
        concatenate_responses([volume, volume.assign_coords(stimulus=["x", "y", "z"])])

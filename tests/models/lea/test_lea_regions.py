"""Regions made disjoint in order, for any memberships."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from braincodec.datasets.god.regions import arrange_units
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.models.lea.regions import NO_REGION, disjoint_regions
from braincodec.responses import build_sensor_units, build_units

MEMBERSHIPS = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


def units_of(membership):
    names = [f"R{number}" for number in range(membership.shape[1])]
    count = len(membership)
    return build_units(ijk=np.zeros((count, 3), int), rois=dict(zip(names, membership.T, strict=True)))


@given(MEMBERSHIPS)
@settings(max_examples=60, deadline=None)
def test_every_unit_is_in_one_region_the_first_that_has_it(membership):
    regions = disjoint_regions(units_of(membership))
    assert sorted(regions.columns) == list(range(len(membership)))
    assert sum(regions.voxels) == len(membership) and min(regions.voxels) >= 1
    owner = np.repeat(regions.names, regions.voxels)
    for column, name in zip(regions.columns, owner, strict=True):
        members = np.flatnonzero(membership[column])
        assert name == (f"R{members[0]}" if len(members) else NO_REGION)
    order = [name for name in [*(f"R{k}" for k in range(membership.shape[1])), NO_REGION] if name in regions.names]
    assert list(regions.names) == order


@given(MEMBERSHIPS.filter(lambda membership: membership.any()), st.randoms())
@settings(max_examples=40, deadline=None)
def test_chosen_regions_leave_other_units_out_and_set_the_order(membership, random):
    names = [f"R{number}" for number in range(membership.shape[1])]
    random.shuffle(names)
    regions = disjoint_regions(units_of(membership), names)
    masks = {name: membership[:, int(name[1:])] for name in names}
    columns, disjoint = arrange_units(masks, "disjoint")
    assert regions.columns.tolist() == columns.tolist()
    assert regions.names == tuple(disjoint)
    assert regions.voxels == tuple(int(mask.sum()) for mask in disjoint.values())


def test_units_without_regions_are_one_region():
    regions = disjoint_regions(build_units(ijk=np.zeros((5, 3), int)))
    assert regions.names == (NO_REGION,) and regions.voxels == (5,) and regions.columns.tolist() == [0, 1, 2, 3, 4]


def test_one_name_is_one_region():
    membership = np.array([[True, False], [True, True]])
    assert disjoint_regions(units_of(membership), "R1").columns.tolist() == [1]


def test_unknown_and_empty_regions_are_refused():
    units = units_of(np.array([[True, False], [True, False]]))
    with pytest.raises(UnknownNameError, match=r"unknown roi 'R3'.*available: R0, R1"):
        disjoint_regions(units, ["R0", "R3"])
    for names in (["R1"], []):
        with pytest.raises(InputValueError, match="no unit is in any of these regions"):
            disjoint_regions(units, names)
    with pytest.raises(InputValueError, match="regions need units along the dimension unit"):
        disjoint_regions(build_sensor_units(["Oz"], [0.0]))

"""Strength and similarity of responses, region by region."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from braincodec.app.neighbours import Neighbours
from braincodec.app.predicting import RoiBar
from braincodec.app.reference import compared
from braincodec.app.regions import ALL, Regions
from braincodec.app.scalp import channel_groups, scalp_positions
from braincodec.app.volume import middle_slices
from braincodec.errors import UnknownNameError
from braincodec.responses import build_responses, build_sensor_units, build_units

IMAGES, UNITS = 40, 9
V1, SCATTERED = np.arange(UNITS) < 4, np.array([0, 1, 0, 0, 1, 1, 0, 1, 0], bool)


def responses(values, **attrs) -> xr.DataArray:
    ijk = np.argwhere(np.ones((3, 3, 3), bool))[:UNITS]
    units = build_units(ijk=ijk, rois={"V1": V1, "other": SCATTERED}, **attrs)
    return build_responses(values, [str(number) for number in range(len(values))], units)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(3, 1, (IMAGES, UNITS)).astype(np.float32)


@pytest.fixture
def regions(values):
    return Regions.of(responses(values)[0])


def test_levels_are_means_over_units(regions, values):
    assert regions.names == (ALL, "V1", "other")
    wanted = np.stack([values.mean(1), values[:, V1].mean(1), values[:, SCATTERED].mean(1)], 1)
    np.testing.assert_allclose(regions.levels(values), wanted, rtol=1e-6)
    assert [regions.units(name) for name in regions.names] == [9, 4, 4]


def test_levels_of_sensors_are_root_mean_squares_of_channel_groups():
    units = build_sensor_units(["Oz", "Cz", "PO3"], [0.0, 0.1])
    one = build_responses(np.arange(6.0).reshape(1, 3, 2), ["a"], units)[0]
    regions = Regions.of(one)
    assert regions.shown == ("occipital", "central")
    wanted = [np.sqrt(np.mean([0, 1, 16, 25])), np.sqrt((4 + 9) / 2)]
    np.testing.assert_allclose(regions.levels(one.values.reshape(1, -1))[0, 1:], wanted)


def test_units_that_are_never_predicted_count_nowhere(values):
    values[:, 1] = np.nan
    regions = Regions.of(responses(values)[0])
    np.testing.assert_allclose(regions.levels(values)[:, 1], values[:, [0, 2, 3]].mean(1), rtol=1e-6)
    assert regions.units("V1") == 3


def test_a_region_without_units_is_not_shown(values):
    values[:, V1] = np.nan
    assert Regions.of(responses(values)[0]).shown == ("other",)


@pytest.mark.parametrize("roi", [None, "V1", "other"])
@pytest.mark.parametrize("held", [True, False])
def test_similarity_is_pearson_correlation(regions, values, roi, held, monkeypatch):
    monkeypatch.setattr("braincodec.app.gallery.BLOCK_BYTES", 8 * UNITS * 7)  # blocks of seven images
    lazy = [responses(values)[:, :5], responses(values)[:, 5:]]
    found = Neighbours(
        lazy[0]["stimulus"].values, regions, regions.norms(values), values if held else None, [] if held else lazy
    )
    query = np.random.default_rng(1).normal(3, 1, UNITS).astype(np.float32)
    mask = regions.mask(roi)
    wanted = [np.corrcoef(query[mask], row[mask])[0, 1] for row in values]
    np.testing.assert_allclose(found.similarities(query, roi), wanted, atol=2e-6)
    nearest = found.nearest(query, roi, 3)
    assert [int(name) for name, _ in nearest] == np.argsort(wanted)[::-1][:3].tolist()


def test_the_same_response_is_its_own_nearest_neighbour(regions, values):
    found = Neighbours(np.arange(IMAGES).astype(str), regions, regions.norms(values), values)
    ((name, similarity),) = found.nearest(values[17], "V1", 1)
    assert name == "17"
    assert similarity == pytest.approx(1, abs=1e-6)


def test_responses_that_do_not_vary_have_no_similarity(regions, values):
    values[3] = 2.0
    found = Neighbours(np.arange(IMAGES).astype(str), regions, regions.norms(values), values)
    assert np.isnan(found.similarities(values[0])[3])
    assert np.isnan(found.similarities(np.full(UNITS, 5.0))).all()
    assert found.nearest(np.full(UNITS, 5.0), None, 3) == []
    assert len(found.nearest(values[0], None, 100)) == IMAGES - 1


def test_an_unknown_region_is_named(regions, values):
    found = Neighbours(np.arange(IMAGES).astype(str), regions, regions.norms(values), values)
    with pytest.raises(UnknownNameError, match="V2"):
        found.similarities(values[0], "V2")


def test_a_bar_tells_how_many_images_of_a_hundred_drive_a_region_less():
    levels = np.sort(np.random.default_rng(2).normal(size=201))
    bar = compared(RoiBar("V1", float(levels[150]), 5), levels)
    assert bar.percentile == pytest.approx(100 * 150 / 201)
    assert bar.quantiles == pytest.approx(np.percentile(levels, [5, 25, 50, 75, 95]))
    assert compared(RoiBar("V1", -99.0, 5), levels).percentile == 0
    assert compared(RoiBar("V1", 99.0, 5), levels).percentile == 100


def test_channel_groups_hold_each_known_channel_once():
    names = ["Fp1", "AF7", "F5", "FT9", "FC3", "C1", "T7", "TP10", "CP1", "P7", "PO3", "O1", "Iz", "VEOG"]
    groups = channel_groups(names)
    counts = np.sum(list(groups.values()), axis=0)
    assert counts.tolist() == [1] * 13 + [0]


def test_channels_lie_where_they_are_on_the_head():
    pytest.importorskip("mne")
    cz, oz, t7, unknown = scalp_positions(["Cz", "Oz", "T7", "nowhere"])
    np.testing.assert_allclose(cz, 0, atol=0.01)
    assert oz[1] == pytest.approx(-1, abs=0.1)  # at the back
    assert t7[0] == pytest.approx(-1, abs=0.1)  # left
    assert np.isnan(unknown).all()
    assert scalp_positions(["nowhere"]) is None


def test_slices_are_shown_upright_and_left_is_left():
    shape = (4, 5, 6)
    affine = np.array([[-2.0, 0, 0, 9], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])  # i runs to the left
    ijk = np.argwhere(np.ones(shape, bool))
    units = build_units(ijk=ijk, rois={"spot": (ijk == [0, 4, 5]).all(1)}, affine=affine, volume_shape=shape)
    one = build_responses((ijk @ [100, 10, 1])[None].astype(np.float32), ["a"], units)[0]
    spot = one.isel(unit=np.flatnonzero(one["roi_spot"].values))
    shown = middle_slices(one, spot)
    assert shown.positions == {"sagittal": 0, "coronal": 4, "axial": 5}
    assert {name: plane.shape for name, plane in shown.slices.items()} == {
        "sagittal": (6, 5), "coronal": (6, 4), "axial": (5, 4)
    }  # fmt: skip
    # the spot is at the top, in front, on the right
    assert shown.slices["sagittal"][0, -1] == 45
    assert shown.slices["coronal"][0, -1] == 45
    assert shown.slices["axial"][0, -1] == 45
    assert sum(np.isfinite(plane).sum() for plane in shown.slices.values()) == 3
    whole = middle_slices(one, one)
    assert whole.slices["axial"][0, 0] == 345 - 5 + whole.positions["axial"]  # front left: i largest


def test_units_without_voxels_have_no_slices():
    units = build_units(vertex=[1, 2], hemisphere="left", space="fsaverage5")
    one = build_responses(np.zeros((1, 2)), ["a"], units)[0]
    assert middle_slices(one, one) is None

"""Made-up visual areas on fsaverage5."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("nilearn")

from braincodec.errors import UnknownNameError
from braincodec.mesh import fsaverage5
from braincodec.simulate.geometry import (
    AREAS,
    CATEGORY_AREAS,
    LARGEST_ECCENTRICITY,
    RETINOTOPIC_AREAS,
    category_strength,
    retinotopy,
    simulated_units,
)

HEMISPHERES = ("left", "right")


@pytest.fixture(scope="module")
def units():
    return simulated_units()


def pieces(vertices: np.ndarray, faces: np.ndarray) -> int:
    """Number of connected pieces of a set of vertices on the mesh."""
    label = {int(v): int(v) for v in vertices}

    def root(v: int) -> int:
        while label[v] != v:
            v = label[v]
        return v

    for face in faces[np.isin(faces, vertices).sum(1) >= 2]:
        inside = [int(v) for v in face if int(v) in label]
        for v in inside[1:]:
            label[root(v)] = root(inside[0])
    return len({root(v) for v in label})


def test_every_area_has_vertices_and_word_area_is_on_the_left_only(units):
    for hemisphere in HEMISPHERES:
        here = units.roi_membership.values[units.hemisphere.values == hemisphere]
        count = dict(zip(AREAS, here.sum(0), strict=True))
        assert (count.pop("VWFA") > 10) == (hemisphere == "left")
        assert min(count.values()) > 10


def test_each_hemisphere_sees_the_opposite_visual_field(units):
    early = units.roi_membership.sel(roi=list(RETINOTOPIC_AREAS)).any("roi").values
    left = units.hemisphere.values == "left"
    assert (units.receptive_field_x.values[early & left] >= 0).all()
    assert (units.receptive_field_x.values[early & ~left] <= 0).all()


@pytest.mark.parametrize("hemisphere", HEMISPHERES)
def test_dorsal_v2_sees_the_lower_field_and_ventral_v2_the_upper(hemisphere):
    area, _, angle = retinotopy(hemisphere)
    height = fsaverage5(hemisphere).inflated[:, 2]
    for name in ("V2", "V3"):
        upper, lower = (area == name) & (angle > 0), (area == name) & (angle < 0)
        assert height[lower].mean() > height[upper].mean() + 5


@pytest.mark.parametrize("hemisphere", HEMISPHERES)
def test_v1_is_one_piece_and_v2_lies_on_both_sides_of_it(hemisphere):
    area, _, _ = retinotopy(hemisphere)
    faces = fsaverage5(hemisphere).faces
    assert pieces(np.flatnonzero(area == "V1"), faces) == 1
    assert pieces(np.flatnonzero(area == "hV4"), faces) == 1
    assert pieces(np.flatnonzero(area == "V2"), faces) >= 2


@pytest.mark.parametrize("hemisphere", HEMISPHERES)
def test_maps_change_smoothly_within_an_area(hemisphere):
    area, eccentricity, angle = retinotopy(hemisphere)
    faces = fsaverage5(hemisphere).faces
    for name in RETINOTOPIC_AREAS:
        inside = faces[(area[faces] == name).all(1) & (eccentricity[faces] > 0.5).all(1)]
        field = eccentricity * np.exp(1j * angle)
        steps = np.abs(field[inside] - np.roll(field[inside], 1, axis=1))
        assert steps.max() < 2.5
        assert np.median(steps) < 0.8


def test_receptive_fields_grow_with_eccentricity_and_from_area_to_area(units):
    membership = units.roi_membership
    means = []
    for name in RETINOTOPIC_AREAS:
        inside = membership.sel(roi=name).values
        sizes, eccentricity = units.receptive_field_size.values[inside], units.eccentricity.values[inside]
        assert np.corrcoef(sizes, eccentricity)[0, 1] > 0.99
        means.append(sizes.mean())
    assert means == sorted(means)


def test_receptive_fields_of_early_areas_lie_inside_the_image(units):
    early = units.roi_membership.sel(roi=list(RETINOTOPIC_AREAS)).any("roi").values
    assert units.eccentricity.values[early].max() <= LARGEST_ECCENTRICITY


def test_category_areas_stay_out_of_retinotopic_ones(units):
    early = units.roi_membership.sel(roi=list(RETINOTOPIC_AREAS))
    categories = units.roi_membership.sel(roi=list(CATEGORY_AREAS)).any("roi").values
    assert not (early.any("roi").values & categories).any()
    assert (early.sum("roi").values <= 1).all()


def test_category_strength_falls_from_centre_to_border():
    strength = category_strength("right", "FFA")
    assert strength.max() > 0.99
    assert 0.25 < strength[strength > 0].min() < 0.6
    assert not category_strength("right", "VWFA").any()


def test_units_say_that_they_are_simulated(units):
    assert units.attrs["simulated"] == 1
    assert "no atlas" in units.attrs["geometry"]


def test_an_unknown_hemisphere_is_refused():
    with pytest.raises(UnknownNameError, match="left, right"):
        fsaverage5("middle")

"""Surfaces as pixels."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("nilearn")

from braincodec.errors import UnknownNameError
from braincodec.mesh import fsaverage5
from braincodec.viz.render import MARGIN, VIEWS, raster

COARSE = 1.0


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("hemisphere", ["left", "right"])
def test_the_visible_surface_has_no_holes(hemisphere, view):
    from scipy.ndimage import binary_fill_holes

    visible = raster(hemisphere, view, COARSE).visible
    assert visible.mean() > 0.3
    np.testing.assert_array_equal(binary_fill_holes(visible), visible)


def test_interpolated_positions_are_those_of_the_pixels():
    mesh = fsaverage5("right")
    seen = raster("right", "lateral", COARSE)
    front, up = (seen.interpolate(mesh.inflated[:, axis])[0] for axis in (1, 2))
    rows, columns = np.nonzero(seen.visible)
    # the camera looks from the right, so the front of the head is at the right
    np.testing.assert_allclose(front[rows, columns], mesh.inflated[:, 1].min() - MARGIN + (columns + 0.5), atol=1e-3)
    np.testing.assert_allclose(up[rows, columns], mesh.inflated[:, 2].max() + MARGIN - (rows + 0.5), atol=1e-3)


def test_only_the_near_side_is_seen():
    seen = raster("right", "lateral", COARSE)
    lateral, _ = seen.interpolate(fsaverage5("right").inflated[:, 0])
    middle = tuple(size // 2 for size in lateral.shape)
    assert lateral[middle] > 10


def test_hemispheres_mirror_each_other():
    left, right = (raster(name, "ventral", COARSE).visible for name in ("left", "right"))
    # the two hemispheres of fsaverage differ by a few millimetres
    assert abs(left.mean() - right.mean()) < 0.05
    assert left.shape == pytest.approx(right.shape, abs=4)


def test_vertices_without_a_value_have_no_say():
    seen = raster("left", "lateral", COARSE)
    values = np.full(10_242, np.nan)
    values[::2] = 7.0
    shown, share = seen.interpolate(values)
    assert np.nanmin(shown) == pytest.approx(7)
    assert np.isnan(shown[share == 0]).all()
    assert 0 < share[seen.visible].mean() < 1


def test_an_unknown_view_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'lateral'"):
        raster("left", "laterall", COARSE)

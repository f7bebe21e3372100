"""Maps on the cortex, inflated and unfolded."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("nilearn")
pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.mesh import fsaverage5
from braincodec.viz import plot_cortex, text_alternative
from braincodec.viz.flat import flat_surface
from braincodec.viz.unit_values import metric_title
from braincodec.viz.vertices import FINE_VERTICES, colour_limits, roi_outlines, vertex_maps, vertex_values

from .drawn import texts

# pixels per millimetre
COARSE = 0.6
EMPTY = {"left": np.full(10_242, np.nan), "right": np.full(10_242, np.nan)}


def draw(data, **options):
    return plot_cortex(data, resolution=COARSE, **options)


def colours_of(figure) -> np.ndarray:
    """Pixels of the cortex that are not grey, (n, 3)."""
    pixels = np.concatenate([image.get_array().reshape(-1, 4) for image in brains(figure)])
    pixels = pixels[pixels[:, 3] > 0.99, :3]
    return pixels[np.ptp(pixels, axis=1) > 0.15]


def brains(figure) -> list:
    from matplotlib.image import AxesImage

    return [image for image in figure.findobj(AxesImage) if image.get_array().ndim == 3]


def test_units_are_spread_over_their_vertices(cortex_responses):
    one = cortex_responses.sel(stimulus="a")
    values = vertex_values(one)
    for name in ("left", "right"):
        here = one.hemisphere.values == name
        np.testing.assert_allclose(values[name][one.vertex.values[here]], one.values[here])
        assert np.isfinite(values[name]).sum() == here.sum()


def test_a_vertex_with_several_units_shows_the_mean_of_those_with_a_value(cortex_responses):
    one = cortex_responses.sel(stimulus="a")[[0, 0, 0]].copy(data=[1.0, 3.0, np.nan])
    values = vertex_values(one)[str(one.hemisphere.values[0])]
    assert values[int(one.vertex[0])] == 2


def test_other_spaces_dims_and_vertices_are_refused(cortex_responses):
    one = cortex_responses.sel(stimulus="a")
    with pytest.raises(InputValueError, match="one value for each unit"):
        vertex_values(cortex_responses)
    with pytest.raises(InputValueError, match="'volume'"):
        vertex_values(one.assign_attrs(space="volume"))
    with pytest.raises(InputValueError, match="fsaverage5 has no vertex 20000"):
        vertex_values(one.assign_coords(vertex=("unit", np.full(one.sizes["unit"], 20_000))))


def test_full_fsaverage_is_drawn_at_the_vertices_that_fsaverage5_shares():
    units = xr.DataArray(
        [1.0, 2.0, 3.0],
        dims="unit",
        coords={"vertex": ("unit", [5, 10_241, 90_000]), "hemisphere": ("unit", ["left"] * 3)},
        attrs={"space": "fsaverage"},
    )
    values = vertex_values(units)["left"]
    assert values[[5, 10_241]].tolist() == [1, 2]
    assert np.isfinite(values).sum() == 2
    assert "the vertices that fsaverage5 shares are drawn" in text_alternative(draw(units))
    with pytest.raises(InputValueError, match="none of the 1 units"):
        vertex_values(units[2:])
    full = {"left": np.arange(FINE_VERTICES, dtype=float)}
    maps = vertex_maps(full, None, None)
    np.testing.assert_array_equal(maps["left"], np.arange(10_242))
    assert np.isnan(maps["right"]).all()


def test_first_vertices_are_those_of_the_coarser_mesh():
    # dividing a mesh puts a new vertex in the middle of each edge: new triangles have at most one old corner, and
    # every old vertex is such a corner. It is so on each level, which is why fsaverage5 is the beginning of fsaverage.
    faces, old = fsaverage5("left").faces, 2562
    assert ((faces < old).sum(1) <= 1).all()
    np.testing.assert_array_equal(np.unique(faces[faces < old]), np.arange(old))


def test_positive_is_red_and_negative_is_blue(cortex_responses):
    for stimulus, channel in (("a", 0), ("b", 2)):
        pixels = colours_of(draw(cortex_responses.sel(stimulus=stimulus), colour_bar=False))
        assert len(pixels) > 100
        assert (pixels[:, channel] > pixels[:, 2 - channel]).all()


def test_a_map_without_values_is_grey():
    figure = draw(EMPTY, colour_bar=False)
    assert len(colours_of(figure)) == 0
    assert text_alternative(figure) == "Cortex map without values."


def test_a_single_vertex_is_seen():
    values = {"right": np.full(10_242, np.nan)}
    nearest = int(fsaverage5("right").inflated[:, 0].argmax())  # the most lateral
    values["right"][nearest] = 1.0
    figure = plot_cortex(values, view="lateral", colour_bar=False, limits=(-1, 1), resolution=1.5)
    assert 3 < len(colours_of(figure)) < 200


def test_regions_are_outlined_named_and_put_into_words(cortex_responses):
    one = cortex_responses.sel(stimulus="a")
    figure = draw(one)
    assert {"V1", "hV4", "FFA", "EBA"} <= set(texts(figure))
    v1 = float(one[cortex_responses.roi_V1.values & (cortex_responses.hemisphere == "left").values].mean())
    assert f"left hemisphere V1 {v1:+.2f}" in text_alternative(figure)
    assert "V1" not in texts(draw(one, labels=False))
    assert "V1" not in text_alternative(draw(one, outlines=False))


def test_outlines_agree_between_responses_and_units(cortex_responses):
    from braincodec.simulate import simulated_units

    one, other = roi_outlines(cortex_responses), roi_outlines(simulated_units())
    for name in ("left", "right"):
        assert list(one[name]) == list(other[name])
        for roi in one[name]:
            np.testing.assert_array_equal(one[name][roi], other[name][roi])


def test_crop_keeps_the_part_asked_for(axes, cortex_responses):
    draw(cortex_responses.sel(stimulus="a"), axes=axes)
    whole = axes.get_ylim()
    draw(cortex_responses.sel(stimulus="a"), crop=(0.5, 1.0), axes=axes)
    assert axes.get_ylim()[0] > 0.45 * whole[1]


def test_flat_map_shows_every_unfolded_vertex():
    values = {name: np.ones(10_242) for name in ("left", "right")}
    figure = draw(values, surface="flat", scale="sequential", limits=(0, 2), colour_bar=False)
    for image in brains(figure):
        pixels = image.get_array()
        assert 0.4 < (pixels[..., 3] > 0.99).mean() < 0.9
        solid = pixels[pixels[..., 3] > 0.99, :3]
        assert (np.ptp(solid, axis=1) > 0.15).mean() > 0.97


def test_flat_surface_unfolds_the_same_mesh_with_the_backs_of_the_heads_together():
    for name, sign in (("left", -1), ("right", 1)):
        points, faces = flat_surface(name)
        mesh = fsaverage5(name)
        whole = {tuple(sorted(face)) for face in mesh.faces.tolist()}
        assert all(tuple(sorted(face)) in whole for face in faces.tolist())
        used = np.unique(faces)
        assert np.corrcoef(points[used, 0], mesh.pial[used, 1])[0, 1] * sign > 0.9


def test_several_views_are_on_one_scale(cortex_responses):
    figure = draw(cortex_responses.sel(stimulus="a"), view=("lateral", "ventral"), colour_bar=False)
    assert len(brains(figure)) == 4
    figure.draw_without_rendering()
    sizes = {image.axes.get_window_extent().height / np.ptp(image.axes.get_ylim()) for image in brains(figure)}
    assert max(sizes) / min(sizes) < 1.02


def test_scores_show_a_metric_from_zero_with_its_name(fmri):
    figure = draw(fmri, metric="r2_correlation", subject=1)
    assert metric_title("r2_correlation") in texts(figure)
    assert "0" in texts(figure)
    assert "90 units" in text_alternative(figure)
    assert "180 units of 2 subjects; a vertex shows their mean" in text_alternative(draw(fmri))


def test_wrong_requests_are_named(cortex_responses, eeg):
    one = cortex_responses.sel(stimulus="a")
    with pytest.raises(UnknownNameError, match="surface 'round'"):
        draw(one, surface="round")
    with pytest.raises(UnknownNameError, match="did you mean 'lateral'"):
        draw(one, view="laterall")
    with pytest.raises(InputValueError, match="at least one view"):
        draw(one, view=())
    with pytest.raises(InputTypeError, match="Scores, a DataArray or a dict"):
        draw(np.zeros(10_242))
    with pytest.raises(InputValueError, match=r"shape \(7,\)"):
        draw({"left": np.zeros(7)})
    with pytest.raises(InputValueError, match="not centre"):
        draw({"centre": np.zeros(10_242)})
    with pytest.raises(InputValueError, match="coordinates vertex and hemisphere"):
        draw(eeg)


def test_limits():
    maps = {"left": np.array([-4.0, 1.0, np.nan]), "right": np.array([2.0])}
    low, high = colour_limits(maps, "symmetric")
    assert low == -high
    assert 3.5 < high <= 4
    low, high = colour_limits(maps, "sequential")
    assert -4 <= low < -3.5
    assert 1.9 < high <= 2
    assert colour_limits({"left": np.array([3.0, 3.0])}, "sequential") == (3, 4)
    assert colour_limits({"left": np.array([np.nan])}, "sequential") == (0, 1)

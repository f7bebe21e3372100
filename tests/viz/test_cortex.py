"""Maps on the inflated cortex."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("nilearn")
pytest.importorskip("matplotlib")

import matplotlib.pyplot as plt

from braincodec.errors import InputValueError
from braincodec.viz.cortex import colour_limits, plot_cortex, roi_outlines, vertex_values

RESOLUTION = 1.0


def colours_of(axes) -> np.ndarray:
    """Pixels of both hemispheres that are not grey, (n, 3)."""
    pixels = np.concatenate([image.get_array().reshape(-1, 4) for image in axes.get_images()])
    pixels = pixels[pixels[:, 3] > 0.99, :3]
    return pixels[np.ptp(pixels, axis=1) > 0.15]


def test_units_are_spread_over_their_vertices(cortex_responses):
    one = cortex_responses.sel(stimulus="a")
    values = vertex_values(one)
    for name in ("left", "right"):
        here = one.hemisphere.values == name
        np.testing.assert_allclose(values[name][one.vertex.values[here]], one.values[here])
        assert np.isfinite(values[name]).sum() == here.sum()


def test_a_vertex_with_two_units_shows_their_mean(cortex_responses):
    one = cortex_responses.sel(stimulus="a")[[0, 0]].copy(data=[1.0, 3.0])
    values = vertex_values(one)[str(one.hemisphere.values[0])]
    assert values[int(one.vertex[0])] == 2


def test_other_spaces_and_dims_are_refused(cortex_responses):
    with pytest.raises(InputValueError, match="one value for each unit"):
        vertex_values(cortex_responses)
    with pytest.raises(InputValueError, match="'volume'"):
        vertex_values(cortex_responses.sel(stimulus="a").assign_attrs(space="volume"))


def test_positive_is_red_and_negative_is_blue(cortex_responses):
    for stimulus, channel in (("a", 0), ("b", 2)):
        axes = plt.figure().add_subplot()
        plot_cortex(cortex_responses.sel(stimulus=stimulus), axes, resolution=RESOLUTION)
        pixels = colours_of(axes)
        assert len(pixels) > 100
        assert (pixels[:, channel] > pixels[:, 2 - channel]).all()


def test_a_map_without_values_is_grey(cortex_responses):
    axes = plt.figure().add_subplot()
    words = plot_cortex(
        {"left": np.full(10_242, np.nan), "right": np.full(10_242, np.nan)}, axes, resolution=RESOLUTION
    )
    assert len(colours_of(axes)) == 0
    assert words == "Cortex map without values."


def test_regions_are_outlined_named_and_put_into_words(cortex_responses):
    axes = plt.figure().add_subplot()
    outlines = roi_outlines(cortex_responses)
    words = plot_cortex(cortex_responses.sel(stimulus="a"), axes, outlines=outlines, labels=True, resolution=RESOLUTION)
    assert {"V1", "hV4", "FFA", "EBA"} <= {text.get_text() for text in axes.texts}
    v1 = float(
        cortex_responses.sel(stimulus="a")[
            cortex_responses.roi_V1.values & (cortex_responses.hemisphere == "left").values
        ].mean()
    )
    assert f"left hemisphere V1 {v1:+.2f}" in words
    assert "right hemisphere" in words


def test_outlines_agree_between_responses_and_units(cortex_responses):
    from braincodec.simulate import simulated_units

    one, other = roi_outlines(cortex_responses), roi_outlines(simulated_units())
    for name in ("left", "right"):
        assert list(one[name]) == list(other[name])
        for roi in one[name]:
            np.testing.assert_array_equal(one[name][roi], other[name][roi])


def test_crop_keeps_the_part_asked_for(cortex_responses):
    whole, part = (plt.figure().add_subplot() for _ in range(2))
    plot_cortex(cortex_responses.sel(stimulus="a"), whole, resolution=RESOLUTION)
    plot_cortex(cortex_responses.sel(stimulus="a"), part, crop=(0.5, 1.0), resolution=RESOLUTION)
    assert part.get_ylim()[0] > 0.45 * whole.get_ylim()[1]


def test_limits():
    maps = {"left": np.array([-4.0, 1.0, np.nan]), "right": np.array([2.0])}
    low, high = colour_limits(maps, "symmetric")
    assert low == -high
    assert 3.5 < high <= 4
    assert colour_limits(maps, "sequential") == (-4, 2)
    assert colour_limits({"left": np.array([3.0, 3.0])}, "sequential") == (3, 4)

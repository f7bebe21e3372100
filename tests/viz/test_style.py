"""Palette, typography, and figures that stand alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import matplotlib
from matplotlib.colors import to_rgb

from braincodec.viz import layout, style

# Machado, Oliveira, Fernandes 2009, severity 1
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# difference in CIELAB at which two thin lines are told apart at a glance
DISTINCT = 20


def linear(colour: str) -> np.ndarray:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = to_xyz @ rgb.clip(0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_of_lines_are_told_apart_with_colour_blindness(deficiency):
    seen = [lab(np.array(DEFICIENCIES[deficiency]) @ linear(colour)) for colour in style.CYCLE]
    for place, one in enumerate(seen):
        for other in seen[:place]:
            assert np.linalg.norm(one - other) > DISTINCT


@pytest.mark.parametrize("colour", [style.INK, style.MUTED, style.MODEL, style.OTHER])
def test_text_has_the_contrast_that_readers_need(colour):
    luminance = linear(colour) @ [0.2126, 0.7152, 0.0722]
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_density_grows_darker_everywhere():
    lightness = [lab(linear(style.density_colours()(share)))[0] for share in np.linspace(0, 1, 20)]
    assert (np.diff(lightness) < 0).all()


def test_settings_hold_inside_the_context_only():
    matplotlib.rcParams["font.size"] = 17
    try:
        with style.styled():
            assert matplotlib.rcParams["font.size"] == style.SIZE
        assert matplotlib.rcParams["font.size"] == 17
    finally:
        matplotlib.rcdefaults()
        matplotlib.use("Agg")


def test_settings_are_put_back_after_an_error():
    before = matplotlib.rcParams["axes.spines.top"]
    with pytest.raises(ZeroDivisionError), style.styled():
        _ = 1 / 0
    assert matplotlib.rcParams["axes.spines.top"] == before


def test_panels_fill_the_axes_given_without_overlap(axes):
    grid = layout.panels(axes, 2, 3, gap=(0.2, 0.2), heights=(2, 1))
    boxes = [panel.get_position() for panel in grid]
    outer = axes.get_position()
    assert boxes[0].x0 == pytest.approx(outer.x0)
    assert boxes[-1].x1 == pytest.approx(outer.x1)
    assert boxes[0].y1 == pytest.approx(outer.y1)
    assert boxes[-1].y0 == pytest.approx(outer.y0)
    assert boxes[0].height == pytest.approx(2 * boxes[3].height)
    for left, right in itertools.pairwise(boxes[:3]):
        assert right.x0 - left.x1 == pytest.approx(0.2 / 6)
    assert boxes[0].y0 - boxes[3].y1 == pytest.approx(0.2 / 4)


def test_labels_at_line_ends_do_not_overlap(axes):
    axes.set_ylim(0, 1)
    layout.end_labels(axes, [(0.5, "a", "k"), (0.5, "b", "k"), (0.51, "c", "k"), (0.9, "d", "k")])
    heights = {text.get_text(): text.xy[1] for text in axes.texts}
    points = axes.get_window_extent().height / axes.figure.dpi * 72
    ordered = sorted(heights.values())
    assert np.diff(ordered).min() * points > style.SMALL
    assert heights["d"] == pytest.approx(0.9, abs=0.02)


def test_a_label_of_two_lines_gets_the_room_of_two(axes):
    axes.set_ylim(0, 1)
    layout.end_labels(axes, [(0.5, "one", "k"), (0.5, "two\n(lines)", "k"), (0.5, "three", "k")])
    axes.figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(upper.y0 >= lower.y1 for lower, upper in itertools.pairwise(boxes))


def test_root_figure_is_found_through_subfigures():
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subfigures(1, 2)[0].subfigures(2, 1)[1].add_subplot()
    assert style.root_figure(axes) is figure


def test_without_matplotlib_figures_name_the_extra(monkeypatch):
    import sys

    from braincodec.errors import MissingExtraError
    from braincodec.viz import plot_accuracy_histogram

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"braincodec\[viz\]"):
        plot_accuracy_histogram([0.1, 0.2])


def test_drawing_packages_are_loaded_when_first_used():
    import subprocess
    import sys

    code = (
        "import sys, braincodec.viz; print([name for name in ('matplotlib', 'nilearn', 'mne') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

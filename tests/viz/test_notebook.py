"""Figures in notebooks: shown where a cell ends with one, kept alive by nothing."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
import weakref

import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure
from PIL import Image

from braincodec import viz

from ..evaluation.example_scores import decoding_scores, fmri_scores


def test_a_figure_is_displayed_as_a_picture_of_its_size_with_its_text_alternative():
    figure = viz.plot_accuracy_by_roi(fmri_scores())
    picture, facts = figure._repr_png_()  # what IPython asks an object for
    shown = Image.open(io.BytesIO(picture))
    width, height = figure.get_size_inches()
    assert shown.format == "PNG"
    assert shown.size == pytest.approx((192 * width, 192 * height), abs=1)
    assert (facts["width"], facts["height"]) == (round(96 * width), round(96 * height))
    assert facts["alt"] == viz.text_alternative(figure) != ""
    assert len(shown.convert("L").getcolors()) > 2


def test_ipython_displays_it_as_it_displays_its_own_images():
    formatters = pytest.importorskip("IPython.core.formatters")
    data, facts = formatters.DisplayFormatter().format(viz.plot_accuracy_histogram(fmri_scores()))
    assert len(data["image/png"]) > 1000
    assert facts["image/png"]["alt"].startswith("Histogram of ")


def test_displayed_figures_are_freed():
    figure = viz.plot_accuracy_histogram(fmri_scores())
    figure._repr_png_()
    alive = weakref.ref(figure)
    del figure
    gc.collect()
    assert alive() is None


def test_neither_drawing_nor_displaying_imports_pyplot():
    script = (
        "import sys, numpy as np\n"
        "from braincodec import viz\n"
        "figure = viz.plot_accuracy_histogram(np.linspace(0, 1, 50))\n"
        "figure._repr_png_()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=120).returncode == 0


def test_a_figure_of_the_users_stays_theirs():
    axes = Figure().add_subplot()
    assert type(viz.plot_accuracy_histogram(fmri_scores(), axes=axes)) is Figure


@pytest.mark.parametrize(
    ("plot", "scores"), [(viz.plot_accuracy_by_roi, fmri_scores), (viz.plot_decoding_scores, decoding_scores)]
)
def test_texts_do_not_keep_their_distance_by_spaces_which_svg_drops(plot, scores):
    from matplotlib.text import Text

    texts = [item.get_text() for item in plot(scores()).findobj(Text)]
    assert [text for text in texts if text != text.strip()] == []

"""Text alternatives, and the files that carry them."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure
from PIL import Image

from braincodec.errors import InputValueError, OutputError, UnknownNameError
from braincodec.viz import describe, save_figure, text_alternative

WORDS = "Median 0.43 of 1,200 units, “V1” & V2 < hV4."


@pytest.fixture
def figure():
    figure = Figure(figsize=(2, 1))
    axes = figure.add_subplot()
    axes.set_title("Title")
    describe(axes, WORDS)
    return figure


def test_text_of_a_figure_is_its_own_then_that_of_its_axes():
    figure = Figure()
    first, second = figure.subplots(1, 2)
    assert text_alternative(figure) == ""
    describe(second, "Second.")
    describe(first, "First.")
    describe(figure, "Both.")
    assert text_alternative(figure) == "Both. First. Second."
    assert text_alternative(second) == "Second."
    describe(first, "Anew.")
    assert text_alternative(figure) == "Both. Anew. Second."


def test_text_of_axes_in_subfigures_counts():
    figure = Figure()
    describe(figure.subfigures(1, 2)[1].add_subplot(), "Inside.")
    assert text_alternative(figure) == "Inside."


def test_png_holds_the_text(figure, tmp_path):
    with Image.open(save_figure(tmp_path / "a.png", figure, resolution=100)) as picture:
        assert picture.text["Description"] == WORDS
        assert picture.size == (200, 100)


def test_svg_holds_the_text_and_keeps_words_as_words(figure, tmp_path):
    content = save_figure(tmp_path / "a.svg", figure).read_text(encoding="utf-8")
    escaped = WORDS.replace("&", "&amp;").replace("<", "&lt;")
    assert escaped in content
    assert re.search(r"<text[^>]*>Title</text>", content)


def test_pdf_holds_the_text(figure, tmp_path):
    content = save_figure(tmp_path / "a.pdf", figure).read_bytes()
    assert b"/Subject" in content
    assert WORDS.encode("utf-16-be") in content or b"Median 0.43" in content


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_equal_figures_give_equal_files(figure, tmp_path, suffix):
    one, two = (save_figure(tmp_path / f"{name}.{suffix}", figure) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_transparent_only_when_asked(figure, tmp_path):
    with Image.open(save_figure(tmp_path / "a.png", figure)) as white:
        assert white.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)
    with Image.open(save_figure(tmp_path / "b.png", figure, transparent=True)) as clear:
        assert clear.convert("RGBA").getpixel((0, 0))[3] == 0


def test_what_cannot_be_written_is_said_and_nothing_is_left(figure, tmp_path):
    with pytest.raises(UnknownNameError, match=r"'\.gif'.*\.png"):
        save_figure(tmp_path / "a.gif", figure)
    with pytest.raises(InputValueError, match="positive"):
        save_figure(tmp_path / "a.png", figure, resolution=0)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        save_figure(tmp_path / "file" / "a.png", figure)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

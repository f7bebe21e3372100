"""Figures show what was chosen, and say so in words."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from braincodec.control import response_similarity, search, search_similarity
from braincodec.errors import InputValueError, MissingFileError
from braincodec.stimuli import StimulusSet
from braincodec.viz import text_alternative

from .population import planted

QUICK = {"images": 12, "draws": 50, "permutations": 49, "batches": 200}


@pytest.fixture(scope="module")
def found():
    return search(planted(), drive="A", suppress="B", subjects=[1], **QUICK)


def marks(figure):
    return [np.asarray(one.get_offsets()) for axes in figure.axes for one in axes.collections]


def test_every_chosen_image_is_marked_at_its_responses(found):
    figure = found.plot()
    expected = found.responses.values[0][:, found.chosen].T
    assert any(points.shape == expected.shape and np.allclose(points, expected) for points in marks(figure))
    assert "12 images of 200 that drive A and suppress B" in text_alternative(figure)


def test_one_region_is_a_histogram_and_several_are_means():
    people = planted()
    one = search(people, suppress="A", **QUICK).plot()
    assert sum(bar.get_height() for bar in one.axes[0].patches) == 200
    for regions in people.values():
        regions["C"] = regions["A"] + 1
    many = search(people, drive=["A", "C"], suppress="B", **QUICK)
    assert "A, C: chosen" in text_alternative(many.plot())


def test_held_out_effects_are_told_with_their_intervals(found):
    checked = found.confirm([2, 3])
    text = text_alternative(checked.plot())
    assert "subject 2, contrast" in text
    assert "mean, A" in text
    assert "95 % interval" in text


def test_the_sheet_shows_the_chosen_images_themselves(found):
    pixels = np.zeros((200, 6, 6, 3), np.uint8)
    pixels[found.chosen] = 200
    figure = found.images(pixels)
    shown = [axes.images[0].get_array() for axes in figure.axes[0].child_axes if axes.images]
    assert sum(int(picture.max()) == 200 for picture in shown) >= 12
    assert len(shown) == 24
    with pytest.raises(InputValueError, match="come as arrays"):
        found.images()
    with pytest.raises(InputValueError, match="are not among the 3 given"):
        found.images(StimulusSet.open(pixels[:3], ids=["a", "b", "c"]))
    with pytest.raises(InputValueError, match="1 to 100"):
        found.images(pixels, shown=0)


def test_a_search_from_disk_asks_for_its_images(found, tmp_path):
    from braincodec.control import load

    with pytest.raises(MissingFileError, match="give images="):
        load(found.save(tmp_path / "found")).images()


def test_figures_of_similarity_tell_their_numbers():
    people = planted(images=60)
    options = {"images": 10, "generations": 5, "draws": 20, "permutations": 20}
    found = search_similarity(people, align=("A", "B"), subjects=[1], **options)
    assert f"similarity {found.similarity:.2f} after 5 generations" in text_alternative(found.plot())
    assert "subject 2: " in text_alternative(found.confirm([2, 3]).plot())
    regions = response_similarity(people, draws=10, permutations=10)
    assert f"A and B {regions.matrix.loc['A', 'B']:.2f}" in text_alternative(regions.plot())
    assert "1 subject" in text_alternative(response_similarity(people, subjects=1, draws=5, permutations=5).plot())

"""The picture of the demo."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mne")
pytest.importorskip("nilearn")

from PIL import Image

from braincodec.errors import InputValueError
from braincodec.viz import demo_figure, save_figure, text_alternative


@pytest.fixture
def images():
    return {name: np.full((16, 16, 3), 90, np.uint8) for name in ("a", "b")}


def test_figure_shows_every_image_and_says_simulated(images, cortex_responses, eeg_responses, tmp_path):
    figure = demo_figure(images, cortex_responses, eeg_responses)
    words = text_alternative(figure)
    photographs = [
        picture
        for axes in figure.get_axes()
        for picture in axes.get_images()
        if picture.get_array().shape == (16, 16, 3)
    ]
    assert len(photographs) == 3  # both beside their maps, the first again beside its EEG
    titles = [text.get_text() for part in figure.subfigs for text in part.texts]
    assert any("simulated subject" in title for title in titles)
    assert "simulated" in words
    assert "a: Cortex map: left hemisphere V1" in words
    assert "EEG for a." in words
    path = save_figure(tmp_path / "demo.png", figure, resolution=40)
    with Image.open(path) as picture:
        assert picture.text["Description"] == words
        assert picture.width > 400
    assert [file.name for file in tmp_path.iterdir()] == ["demo.png"]


def test_missing_responses_are_named(images, cortex_responses, eeg_responses):
    with pytest.raises(InputValueError, match="eeg has no response to b"):
        demo_figure(images, cortex_responses, eeg_responses[:1])
    with pytest.raises(InputValueError, match="at least one image"):
        demo_figure({}, cortex_responses, eeg_responses)

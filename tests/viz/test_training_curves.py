"""Losses of several networks over their epochs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError
from braincodec.viz import plot_training_curves, text_alternative

from .drawn import panels, texts


def curve(losses=(3.0, 2.0, 1.0), validation=(3.5, 2.0, 2.5), **more):
    return [
        {"epoch": n, "loss": loss, "validation_loss": other} | more
        for n, (loss, other) in enumerate(zip(losses, validation, strict=True), 1)
    ]


def test_each_network_has_a_panel_with_its_least_validation_loss_marked(axes):
    figure = plot_training_curves({"tokenizer": curve(), "fMRI autoencoder": curve((5, 4, 3))}, axes=axes)
    assert figure is axes.figure
    first, second = panels(figure)
    np.testing.assert_allclose(first.lines[0].get_xydata(), [[1, 3], [2, 2], [3, 1]])
    np.testing.assert_allclose(first.lines[1].get_ydata(), [3.5, 2, 2.5])
    np.testing.assert_allclose(first.collections[0].get_offsets(), [[2, 2]])
    np.testing.assert_allclose(second.lines[0].get_ydata(), [5, 4, 3])
    assert {"Tokenizer", "fMRI autoencoder"} <= set(texts(figure))


def test_curves_without_validation_or_with_a_loss_of_another_name():
    figure = plot_training_curves({"gan": [{"epoch": 1, "reconstruction": 2.0}, {"epoch": 2, "reconstruction": 1.0}]})
    (panel,) = panels(figure)
    np.testing.assert_allclose(panel.lines[0].get_ydata(), [2, 1])
    assert text_alternative(figure) == "Training curves. Gan: 2 epochs, loss from 2.00 to 1.00."


def test_models_give_their_own_curves():
    class Model:
        kind = "lea"

        def __init__(self, **training):
            self.description = type("About", (), {"model": "lea", "training": training})

    figure = plot_training_curves(Model(curve=curve(), alignment={"joint": {"curve": curve(), "best": 1}}, split={}))
    assert {"fMRI autoencoder", "Alignment, joint"} <= set(texts(figure))
    assert "the least in epoch 2" in text_alternative(figure)
    history = {"tokenizer": {"curve": curve(), "best_epoch": 2}}
    assert "Tokenizer: 3 epochs" in text_alternative(plot_training_curves(history))
    with pytest.raises(InputValueError, match="lea has no training curves"):
        plot_training_curves(Model())


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ([], InputTypeError, "by name"),
        ({}, InputValueError, "1 to 12"),
        ({"a": []}, InputValueError, "an entry for each epoch"),
        ({"a": [{"loss": 1}]}, InputValueError, "no epoch"),
        ({"a": [{"epoch": 1}]}, InputValueError, "no loss"),
    ],
)
def test_what_cannot_be_drawn_is_said(given, error, words):
    with pytest.raises(error, match=words):
        plot_training_curves(given)

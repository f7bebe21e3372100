"""Settings of a linear encoder: checked at once, and what is wrong with them is said."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import braincodec as bc
from braincodec.errors import InputTypeError, InputValueError, NotTrainedError, UnknownNameError
from braincodec.features import Preprocessing, get_backbone
from braincodec.models.linear import FeatureChoice, LinearRecipe

from ...small_models import tiny_backbone


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readuot": "ridge"}, "unknown key 'readuot' .did you mean 'readout'"),
        ({"readout": "rigde"}, "unknown readout 'rigde'; did you mean 'ridge'"),
        ({"layers": None}, "layers of gabor:bank must be named"),
        ({"backbone": None, "layers": None}, "give a backbone and its layers, or features"),
        ({"features": [{"backbone": "gabor:bank", "layers": "a"}]}, "give a backbone and its layers, or features"),
        ({"components": 0}, "components: .*greater than or equal to 1"),
        ({"folds": 1}, "folds: .*greater than or equal to 2"),
        ({"alphas": [1, -2]}, "alphas must be positive and finite, not -2"),
        ({"alphas": [1], "readout": "least_squares"}, "least_squares has no strengths"),
        ({"one_alpha": True, "readout": "banded"}, "one_alpha belongs to ridge and kernel_sum"),
        ({"pooling": "none"}, "pooling 'none' keeps maps"),
        ({"pooling": "mean"}, "pooling: "),
        ({"image_size": 64, "preprocessing": Preprocessing(resize=32)}, "not both"),
        ({"readout": "fields", "components": 3}, "components and standardise belong elsewhere"),
        ({"readout": "fields", "pooling": "spatial_mean"}, "pooling must be 'flatten'"),
        ({"readout": "fields", "windows": [(0, 0, -1)]}, "positive sizes"),
        ({"repetitions": "both"}, "repetitions: "),
        ({"seed": -1}, "seed: "),
    ],
)
def test_wrong_settings_are_refused_when_the_model_is_made(changes, message):
    with pytest.raises(InputValueError, match=message):
        bc.LinearEncoder(**({"backbone": "gabor:bank", "layers": "scales.*"} | changes))


def test_unknown_key_of_features_is_refused():
    with pytest.raises(InputValueError, match=r"unknown key 'features.0.image_sizes' .did you mean 'image_size'"):
        bc.LinearEncoder(features=[{"backbone": "gabor:bank", "layers": "scales.0", "image_sizes": 3}])


def test_signature_names_every_setting_and_its_default():
    parameters = inspect.signature(bc.LinearEncoder).parameters
    assert {*parameters} - {"unknown"} == {*LinearRecipe.model_fields}
    for name, field in LinearRecipe.model_fields.items():
        assert parameters[name].default == field.default


def test_untrained_model_shows_its_settings_and_does_not_predict():
    model = bc.LinearEncoder("gabor:bank", "scales.*", components=3)
    assert "components=3" in repr(model) and model.recipe.layers == ("scales.*",)
    with pytest.raises(NotTrainedError):
        model.encode(np.zeros((1, 4, 4, 3), np.uint8))


def test_settings_survive_being_written_down():
    recipe = bc.LinearEncoder(
        features=[{"backbone": "gabor:bank", "layers": "scales.0", "image_size": (32, 48)}],
        readout="fields",
        windows=[(0, 0, np.inf), (0.1, 0, 0.2)],
    ).recipe
    assert LinearRecipe.parse(recipe.model_dump()) == recipe
    plain = bc.LinearEncoder("gabor:bank", ["scales.0"], alphas=np.logspace(0, 2, 3)).recipe
    assert LinearRecipe.model_validate_json(plain.model_dump_json()) == plain


def test_size_of_images_leaves_the_rest_of_the_preprocessing():
    backbone = get_backbone("efficientnet_lite:0@none")
    own = backbone.preprocessing
    square = FeatureChoice(backbone=backbone.name, layers="_blocks.2", image_size=112).for_backbone(backbone)
    assert square.preprocessing == own.model_copy(update={"resize": (112, 112), "square_crop": True})
    oblong = FeatureChoice(backbone=backbone.name, layers="_blocks.2", image_size=(96, 160)).for_backbone(backbone)
    assert oblong.preprocessing.output_size == (96, 160) and not oblong.preprocessing.square_crop


def test_two_networks_of_one_name_are_refused():
    choices = [{"backbone": tiny_backbone(), "layers": "first"} for _ in range(2)]
    with pytest.raises(InputValueError, match="two networks are called 'tiny'"):
        bc.LinearEncoder(features=choices)


def test_network_must_be_named_or_at_hand():
    with pytest.raises((InputTypeError, InputValueError), match="backbone"):
        bc.LinearEncoder(3, "first")
    with pytest.raises(UnknownNameError, match="unknown layer"):
        from .tiny_recordings import voxels

        bc.LinearEncoder(tiny_backbone(), "frist").fit(voxels(2))

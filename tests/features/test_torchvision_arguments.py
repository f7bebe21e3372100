"""Networks are built as torchvision builds them for published weights: input transform, image size."""

from __future__ import annotations

import pytest
import torch

from braincodec.features import get_backbone
from braincodec.features.torchvision_backbones import _arguments, _preprocessing


@pytest.mark.parametrize("name", ["inception_v3", "googlenet"])
def test_networks_with_an_input_transform_of_their_own_keep_it(torchvision, name):
    assert get_backbone(f"torchvision:{name}@none").module.transform_input


@pytest.mark.parametrize("name", ["vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"])
def test_vision_transformers_take_images_of_the_size_their_preprocessing_gives(torchvision, name):
    for published in torchvision.models.get_model_weights(name):
        with torch.device("meta"):
            module = torchvision.models.get_model(name, weights=None, **_arguments(name, published))
        assert (module.image_size, module.image_size) == _preprocessing(published).output_size

"""Maps of luminance through a saturating response."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.features import FeatureExtractor, get_backbone
from braincodec.features.luminance import BLURS, SEMISATURATION, gaussian_blur


def test_blur_is_that_of_scipy():
    image = np.random.default_rng(0).random((20, 30))
    expected = gaussian_filter(image, 1.7, mode="nearest", truncate=3)
    found = gaussian_blur(torch.from_numpy(image)[None, None], 1.7)[0, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_uniform_image_gives_the_saturated_value_everywhere():
    for values in get_backbone("luminance:maps").module(torch.full((2, 3, 28, 28), 0.3)):
        torch.testing.assert_close(values, torch.full((2, 1, 28, 28), 0.3 / (0.3 + SEMISATURATION)))


def test_response_to_twice_the_light_is_less_than_twice():
    module = get_backbone("luminance:maps").module
    image = torch.rand(1, 3, 28, 28, generator=torch.Generator().manual_seed(0)) / 2
    for dim, bright in zip(module(image), module(2 * image), strict=True):
        assert bool((bright > dim).all() and (bright < 2 * dim).all())


def test_maps_of_each_blur_are_layers_and_let_gradients_through():
    extractor = FeatureExtractor({"backbone": "luminance:maps", "layers": "blurs.*"})
    images = torch.rand(2, 3, 28, 28)
    assert not extractor(images)["blurs.0"].requires_grad
    features = extractor(images.requires_grad_())
    assert {name: tuple(values.shape) for name, values in features.items()} == {
        f"blurs.{number}": (2, 784) for number in range(len(BLURS))
    }
    features["blurs.1"].sum().backward()
    assert float(images.grad.abs().min()) > 0


def test_it_takes_no_other_name_and_no_weights():
    with pytest.raises(UnknownNameError, match="maps"):
        get_backbone("luminance:map")
    with pytest.raises(InputValueError, match="takes no weights"):
        get_backbone("luminance:maps@file.pth")

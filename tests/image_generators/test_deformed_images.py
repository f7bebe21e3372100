"""Training images deformed until they explain evidence."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from braincodec.errors import InputValueError, NotTrainedError
from braincodec.image_generators import IMAGE_GENERATORS
from braincodec.image_generators.deformation import DeformationConfig, deform, enlarged
from braincodec.image_generators.deformed_images import DeformedImages
from braincodec.image_generators.evidence import Evidence
from braincodec.stimuli import StimulusSet

SIDE = 12
CONFIG = DeformationConfig(stroke=0.3)


def bars() -> np.ndarray:
    """A lying and a standing bar, uint8 (2, side, side, 3)."""
    images = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    images[0, 5:7, 2:10] = images[1, 2:10, 5:7] = 255
    return images


class Pixels:
    """Embeds images by their grey pixels."""

    size = (SIDE, SIDE)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(1).flatten(1)


def embedded(images: np.ndarray) -> np.ndarray:
    return Pixels()(torch.from_numpy(images).movedim(-1, 1).float() / 255).numpy()


def fitted(**settings) -> DeformedImages:
    few = {"candidates": 60, "particles": 4, "steps": 12, "embedding_noise": 0.1}
    return DeformedImages(**few | settings).fit(StimulusSet.open(bars()), embedded(bars()), progress=False)


def random_parameters(count: int, config: DeformationConfig = CONFIG) -> torch.Tensor:
    return torch.randn(count, config.dimension, generator=torch.Generator().manual_seed(0))


def test_no_deformation_leaves_the_image():
    images = torch.rand(3, 3, 10, 14)
    torch.testing.assert_close(deform(images, torch.zeros(3, CONFIG.dimension), (10, 14), CONFIG), images)


def test_a_shift_moves_the_picture_by_its_share_of_the_width():
    config = DeformationConfig(shift=0.25)
    parameters = torch.zeros(1, config.dimension)
    parameters[0, 4] = 1.0  # across
    image = torch.from_numpy(bars()[:1]).movedim(-1, 1).float() / 255
    found = deform(image, parameters, (SIDE, SIDE), config)
    torch.testing.assert_close(found[..., : SIDE - 3], image[..., 3:])


def test_rotation_and_scale_are_those_of_scipy():
    config = DeformationConfig(rotation=20.0, scale=0.2)
    parameters = torch.zeros(1, config.dimension)
    parameters[0, 0], parameters[0, 2], parameters[0, 3] = 1.0, 1.0, -0.5
    image = np.random.default_rng(0).random((SIDE, SIDE))
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    turn, wide, high = np.deg2rad(20), np.exp(0.2), np.exp(-0.1)
    across = np.cos(turn) * wide * columns - np.sin(turn) * high * rows
    down = np.sin(turn) * wide * columns + np.cos(turn) * high * rows
    middle = (SIDE - 1) / 2
    expected = map_coordinates(image, [down + middle, across + middle], order=1, mode="nearest")
    found = deform(torch.from_numpy(image).float()[None, None], parameters, (SIDE, SIDE), config)
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-4)


def test_strokes_become_thicker_and_thinner():
    image = torch.from_numpy(bars()[:1]).movedim(-1, 1).float() / 255
    ink = []
    for value in (-1.0, 0.0, 1.0):
        parameters = torch.zeros(1, CONFIG.dimension)
        parameters[0, 6] = value
        ink.append(float(deform(image, parameters, (SIDE, SIDE), CONFIG).sum()))
    assert ink[0] < ink[1] < ink[2]


def test_the_same_deformation_gives_the_same_picture_at_any_size():
    smooth = torch.nn.functional.interpolate(torch.rand(1, 1, 4, 4), size=(64, 64), mode="bicubic").clamp(0, 1)
    parameters = random_parameters(1, DeformationConfig())
    large = deform(smooth, parameters, (64, 64), DeformationConfig())
    small = deform(smooth, parameters, (32, 32), DeformationConfig())
    assert float((torch.nn.functional.avg_pool2d(large, 2) - small).abs().mean()) < 0.01


def test_values_stay_in_range_and_gradients_reach_every_parameter():
    images = enlarged(torch.rand(4, 3, 8, 8))
    assert images.shape == (4, 3, 16, 16)
    parameters = random_parameters(4).requires_grad_()
    found = deform(images, parameters, (8, 8), CONFIG)
    assert float(found.detach().min()) >= 0
    assert float(found.detach().max()) <= 1
    (found * torch.rand(found.shape)).sum().backward()
    assert bool((parameters.grad.abs().amax(0) > 0).all())


def test_a_deformed_training_image_is_found_again():
    config = DeformationConfig(rotation=0, shear=0, scale=0, shift=0.08, bend=0)
    parameters = torch.zeros(2, config.dimension)
    parameters[:, 4], parameters[:, 5] = torch.tensor([1.0, -1.0]), 0.7
    seen = deform(torch.from_numpy(bars()).movedim(-1, 1).float() / 255, parameters, (SIDE, SIDE), config)
    generator = fitted(deformation=config, temperature=1.0).embed_by(Pixels())
    found = generator.generate(Pixels()(seen).numpy(), device="cpu")[:, 0]
    truth = (seen.movedim(1, -1) * 255).numpy()
    for image, own, plain in zip(found, truth, bars(), strict=True):
        assert np.abs(image - own).mean() < 0.25 * np.abs(plain - own).mean()


def test_evidence_is_compared_in_units_of_its_noise():
    projection, offset = torch.randn(144, 5), torch.randn(5)
    evidence = Evidence(torch.randn(3, 5), projection, offset)
    embeddings = torch.randn(2, 144)
    expected = [((embeddings @ projection + offset - row) ** 2).sum(1) for row in evidence.values]
    for one, distance in zip(evidence.rows(), expected, strict=True):
        torch.testing.assert_close(one.squared_distance(one.predicted(embeddings)), distance)


def test_a_sample_does_not_depend_on_what_else_is_asked_for():
    generator = fitted(first_temperature=1000.0).embed_by(Pixels())
    new = embedded(bars()[[0, 1, 1]])
    whole = generator.generate(new, n_samples=2, seed=3, device="cpu")
    assert whole.shape == (3, 2, SIDE, SIDE, 3)
    assert whole.dtype == np.uint8
    part = generator.generate(new[2:], n_samples=1, seed=3, stimuli=[2], device="cpu")
    np.testing.assert_array_equal(part[0, 0], whole[2, 0])
    assert (whole[:, 0] != whole[:, 1]).any()
    assert (generator.generate(new, seed=4, device="cpu")[:, 0] != whole[:, 0]).any()


def test_stored_parts_make_the_same_images():
    generator = fitted().embed_by(Pixels())
    config = json.loads(generator.config.model_dump_json())
    again = IMAGE_GENERATORS.get("deformed_images").from_parts(config, generator.tensors()).embed_by(Pixels())
    new = embedded(bars())
    np.testing.assert_array_equal(again.generate(new, device="cpu"), generator.generate(new, device="cpu"))
    with pytest.raises(InputValueError):
        DeformedImages.from_parts(config, {"images": generator.tensors()["images"]})


def test_it_says_when_it_is_not_trained_or_has_no_network():
    with pytest.raises(NotTrainedError, match="not trained"):
        DeformedImages().generate([[1.0]])
    with pytest.raises(NotTrainedError, match="embed_by"):
        fitted().generate(embedded(bars()))
    with pytest.raises(InputValueError, match="candidates"):
        DeformedImages(candidates=0)

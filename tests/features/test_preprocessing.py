"""Preprocessing gives what torchvision's transforms give, from any array of uint8 pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputTypeError, InputValueError
from braincodec.features import NSD_FWRF, TORCHVISION_IMAGENET, Preprocessing


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def as_tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


@pytest.fixture(scope="module")
def transforms(torchvision):
    from torchvision import transforms

    return transforms


@pytest.mark.parametrize("size", [(300, 300), (425, 425), (112, 112), (227, 227), (201, 340)])
def test_fwrf_preprocessing_is_torchvisions_resize_of_an_uint8_tensor(transforms, size):
    images = pixels(2, *size)
    expected = transforms.functional.resize(as_tensor(images), [227, 227], antialias=True).float() / 255
    assert torch.equal(NSD_FWRF(images), expected)


@pytest.mark.parametrize("size", [(256, 256), (300, 401), (401, 300), (227, 227), (500, 333), (113, 97)])
def test_imagenet_preprocessing_is_torchvisions_own(torchvision, size):
    images = pixels(2, *size)
    expected = torchvision.models.ViT_B_32_Weights.IMAGENET1K_V1.transforms()(as_tensor(images))
    assert torch.equal(TORCHVISION_IMAGENET(images), expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("antialias", [True, False])
def test_every_interpolation_equals_torchvision(transforms, interpolation, antialias):
    images = pixels(1, 61, 83)
    mode = transforms.InterpolationMode(interpolation)
    expected = transforms.functional.resize(as_tensor(images), [40, 50], mode, antialias=antialias).float() / 255
    ours = Preprocessing(resize=(40, 50), interpolation=interpolation, antialias=antialias)(images)
    assert torch.equal(ours, expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(40, 50), (90, 101), (61, 30)])
def test_pillow_resizing_is_pillows_within_two_grey_levels(interpolation, size):
    from PIL import Image

    images = pixels(2, 61, 83)
    mode = getattr(Image.Resampling, interpolation.upper())
    expected = [np.asarray(Image.fromarray(image).resize(size[::-1], mode)) for image in images]
    ours = Preprocessing(resize=size, interpolation=interpolation, resize_in="pillow", divisor=1)(images)
    assert (ours - as_tensor(np.stack(expected)).float()).abs().max() <= 2  # of 255, on white noise


def test_resizing_in_float_does_not_round(transforms):
    images = pixels(1, 61, 83)
    expected = transforms.functional.resize(as_tensor(images).float(), [40, 50], antialias=True)
    ours = Preprocessing(resize=(40, 50), resize_in="float", divisor=1)(images)
    assert torch.equal(ours, expected)
    assert not torch.equal(ours, ours.round())


@settings(max_examples=40, deadline=None)
@given(height=st.integers(20, 70), width=st.integers(20, 70), crop=st.integers(1, 20))
def test_centre_crop_has_torchvisions_rounding(transforms, height, width, crop):
    images = pixels(1, height, width)
    expected = transforms.functional.center_crop(as_tensor(images), [crop, crop]).float()
    assert torch.equal(Preprocessing(center_crop=crop, divisor=1)(images), expected)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(8, 60),
    width=st.integers(8, 60),
    resize=st.none() | st.integers(5, 40) | st.tuples(st.integers(5, 40), st.integers(5, 40)),
    square=st.booleans(),
)
def test_result_has_the_promised_size_and_range(height, width, resize, square):
    preprocessing = Preprocessing(resize=resize, square_crop=square)
    result = preprocessing(pixels(2, height, width))
    assert result.dtype == torch.float32
    assert result.shape[:2] == (2, 3)
    assert 0 <= result.min() <= result.max() <= 1
    if preprocessing.output_size is not None:
        assert tuple(result.shape[2:]) == preprocessing.output_size
    if isinstance(resize, int):
        assert min(result.shape[2:]) == resize


@pytest.mark.parametrize(
    "view",
    [
        lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 3, 1)), 1, 3),
        lambda a: np.flip(np.ascontiguousarray(np.flip(a, 2)), 2),
        lambda a: np.repeat(a, 2, 0)[::2],
        lambda a: np.frombuffer(a.tobytes(), np.uint8).reshape(a.shape),  # read-only
    ],
    ids=["channels-first", "negative strides", "strided", "read-only"],
)
@pytest.mark.filterwarnings("error")
def test_any_memory_layout_gives_the_same_tensor(view):
    images = pixels(3, 30, 40)
    for resize_in in ("uint8", "pillow"):
        preprocessing = Preprocessing(resize=16, resize_in=resize_in, center_crop=12, std=(0.5, 0.6, 0.7))
        assert torch.equal(preprocessing(view(images)), preprocessing(images))
    assert torch.equal(Preprocessing()(view(images)), Preprocessing()(images))


def test_input_is_left_as_it_was():
    images = pixels(1, 30, 30)
    before = images.copy()
    Preprocessing(mean=(1, 1, 1))(images)
    np.testing.assert_array_equal(images, before)


def test_square_crop_keeps_the_middle():
    images = np.zeros((1, 10, 20, 3), np.uint8)
    images[:, :, 5:15] = 255
    assert Preprocessing(square_crop=True)(images).eq(1).all()
    assert Preprocessing(square_crop=True, resize=7).output_size == (7, 7)


def test_normalisation_by_whole_numbers():
    images = np.full((1, 4, 4, 3), 191, np.uint8)
    assert Preprocessing(divisor=1, mean=(127,) * 3, std=(128,) * 3)(images).eq(0.5).all()


def test_one_image_equals_the_same_image_in_a_batch():
    images = pixels(5, 50, 60)
    preprocessing = Preprocessing(resize=32)
    assert torch.equal(preprocessing(images)[3:4], preprocessing(images[3:4]))


def test_an_empty_batch_stays_empty():
    assert Preprocessing(resize=(8, 8))(pixels(0, 20, 20)).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.uint16])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(InputTypeError, match=f"uint8, got {np.dtype(dtype)}"):
        NSD_FWRF(np.zeros((1, 8, 8, 3), dtype))


@pytest.mark.parametrize("shape", [(8, 8, 3), (1, 3, 8, 8), (1, 8, 8, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputValueError, match="shape"):
        NSD_FWRF(np.zeros(shape, np.uint8))


def test_too_small_an_image_for_the_crop_names_both_sizes():
    with pytest.raises(InputValueError, match="112 x 100 are smaller than the centre crop of 224 x 224"):
        Preprocessing(center_crop=224)(pixels(1, 112, 100))


@pytest.mark.parametrize(
    "values", [{"resize": 0}, {"resize": (-1, 3)}, {"std": (0, 1, 1)}, {"divisor": 0}, {"size": 3}]
)
def test_impossible_settings_are_refused(values):
    with pytest.raises(InputValueError, match="Preprocessing"):
        Preprocessing.parse(values)


def test_settings_survive_json():
    for preprocessing in (NSD_FWRF, TORCHVISION_IMAGENET, Preprocessing(resize=3, square_crop=True)):
        assert Preprocessing.model_validate_json(preprocessing.model_dump_json()) == preprocessing
        assert Preprocessing.parse(preprocessing.model_dump(mode="json")).hash() == preprocessing.hash()

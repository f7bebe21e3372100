"""Generators of nearest images and of predicted components."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from braincodec.errors import InputValueError
from braincodec.image_generators.pixel_components import PixelComponents
from braincodec.image_generators.retrieval import Retrieval
from braincodec.image_generators.sampling import normal_noise, placed
from braincodec.stimuli import StimulusSet

from .small_generators import IMAGES, embeddings, fitted, images_of, photographs


@given(
    similarity=st.sampled_from(["cosine", "correlation", "euclidean"]),
    gallery=st.integers(2, 20),
    queries=st.integers(1, 70),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=12, deadline=None)
def test_samples_are_the_nearest_of_the_gallery_as_scipy_measures(similarity, gallery, queries, seed):
    rows = np.random.default_rng(seed).normal(size=(gallery + queries, 5)).astype(np.float32)
    numbered = np.arange(gallery, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    generator = Retrieval(similarity=similarity).fit(StimulusSet.open(numbered, layout="channels_last"), rows[:gallery])
    found = generator.generate(rows[gallery:], n_samples=gallery)[:, :, 0, 0, 0]
    expected = cdist(rows[gallery:].astype(float), rows[:gallery].astype(float), similarity).argsort(1, kind="stable")
    np.testing.assert_array_equal(found, expected)


def test_equally_near_images_come_in_the_order_of_the_gallery():
    generator = Retrieval().fit(photographs(3), np.ones((3, 2)))
    np.testing.assert_array_equal(generator.generate([[0.0, 0.0]], n_samples=3)[0], images_of(embeddings(3)))


@pytest.mark.parametrize("generator", [Retrieval, PixelComponents])
def test_files_of_several_sizes_are_refused_with_the_setting_that_brings_them_to_one(generator, tmp_path):
    for name, shape in zip("abcdef", [(8, 8, 3), (6, 9, 3)] * 3, strict=True):
        PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8)).save(tmp_path / f"{name}.png")
    pictures = StimulusSet.open(tmp_path)
    message = rf"'a.png' has 8 x 8 pixels, 'b.png' 6 x 9; set image_size .*'{generator.kind}', 'image_size': 6"
    with pytest.raises(InputValueError, match=message):
        generator().fit(pictures, embeddings(6))
    assert generator(image_size=6).fit(pictures, embeddings(6)).generate(embeddings(1)).shape == (1, 1, 6, 6, 3)


def test_more_samples_than_the_gallery_has_images_are_refused():
    with pytest.raises(InputValueError, match="gallery of 24 images gives at most as many samples, got n_samples 25"):
        fitted("retrieval").generate(embeddings(1), n_samples=25)


@pytest.mark.parametrize("components", [3, 256])
def test_pixels_are_those_of_scikit_learns_components_and_ridge(components):
    rows, new = embeddings(60), embeddings(4, seed=1)
    pixels = images_of(rows)
    generator = PixelComponents(components=components, alphas=(2.0,)).fit(StimulusSet.open(pixels), rows)
    pca = PCA(components if components < 59 else None).fit(pixels.reshape(60, -1).astype(float))
    scores = Ridge(alpha=2.0).fit(rows, pca.transform(pixels.reshape(60, -1).astype(float))).predict(new)
    expected = pca.inverse_transform(scores).clip(0, 255).reshape(4, 1, 8, 8, 3)
    assert np.abs(generator.generate(new) - expected).max() < 0.51


def test_pixels_come_back_where_embeddings_explain_them():
    new = embeddings(6, seed=2)
    images = fitted("pixel_components").generate(new)[:, 0]
    truth = images_of(new)
    mean = images_of(embeddings()).mean(0)
    assert np.square(images - truth.astype(float)).mean() < 0.05 * np.square(mean - truth).mean()


def test_without_temperature_all_samples_are_the_most_likely_image_and_with_it_they_scatter_around_it():
    calm, noisy = fitted("pixel_components"), fitted("pixel_components", temperature=1.0)
    new = embeddings(2, seed=3)
    images = calm.generate(new, n_samples=3)
    assert (images == images[:, :1]).all()
    scattered = noisy.generate(new, n_samples=200).astype(float)
    assert scattered.std(1).mean() > 0.1
    assert np.abs(scattered.mean(1) - images[:, 0]).mean() < 0.3 * scattered.std(1).mean() + 0.5


def test_images_that_are_all_the_same_cannot_be_fitted_and_leave_nothing_behind():
    generator = PixelComponents()
    with pytest.raises(InputValueError, match="constant"):
        generator.fit(StimulusSet.open(np.full((IMAGES, 4, 4, 3), 9, np.uint8)), embeddings())
    assert not generator.trained


def test_a_network_in_another_precision_is_a_copy():
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    copy = placed(network, torch.device("cpu"), torch.bfloat16)
    assert {tensor.dtype for tensor in copy.state_dict().values()} == {torch.bfloat16, torch.int64}
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32, torch.int64}
    assert not copy.training


def test_noise_of_a_sample_is_its_own():
    whole = normal_noise(3, [5, 6, 7], 4, 2, 3)
    assert whole.shape == (3, 4, 2, 3)
    torch.testing.assert_close(normal_noise(3, [7], 2, 2, 3)[0], whole[2, :2], rtol=0, atol=0)
    assert len(whole.unique()) == whole.numel()

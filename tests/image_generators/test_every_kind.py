"""What every image generator promises: shapes, samples that are their own, storage, and errors before work."""

from __future__ import annotations

import json

import numpy as np
import pytest

from braincodec.errors import BraincodecError, InputTypeError, InputValueError, NotTrainedError, UnknownNameError
from braincodec.image_generators import IMAGE_GENERATORS, ImageEmbedding
from braincodec.stimuli import StimulusSet

from .small_generators import IMAGES, KINDS, WIDTH, embeddings, fitted, photographs

NEW = embeddings(5, seed=4)


@pytest.fixture(scope="module", params=KINDS)
def generator(request):
    noisy = {"temperature": 1.0} if request.param in ("pixel_components", "latent_autoencoder") else {}
    return fitted(request.param, **noisy)


def test_images_are_uint8_with_one_row_an_embedding_and_say_what_they_are_conditioned_on(generator):
    images = generator.generate(NEW, n_samples=2, device="cpu")
    assert images.dtype == np.uint8
    assert images.shape[:2] == (5, 2)
    assert images.shape[-1] == 3
    assert images.std() > 1
    assert generator.embedding == ImageEmbedding(name="mine", dimension=WIDTH)
    assert generator.trained


def test_a_sample_does_not_depend_on_what_else_is_asked_for(generator):
    whole = generator.generate(NEW, n_samples=3, seed=7, device="cpu")
    np.testing.assert_array_equal(generator.generate(NEW, n_samples=3, seed=7, device="cpu"), whole)
    np.testing.assert_array_equal(generator.generate(NEW, n_samples=1, seed=7, device="cpu"), whole[:, :1])
    part = generator.generate(NEW[3:4], n_samples=2, seed=7, stimuli=[3], device="cpu")
    np.testing.assert_array_equal(part, whole[3:4, :2])


def test_other_seeds_and_samples_give_other_images_unless_the_kind_draws_nothing(generator):
    first, second = (generator.generate(NEW, n_samples=2, seed=seed, device="cpu") for seed in (0, 1))
    assert (first[:, 0] != first[:, 1]).any()
    if generator.kind == "retrieval":
        np.testing.assert_array_equal(first, second)
    else:
        assert (first != second).any()


def test_stored_parts_make_the_same_images(generator):
    config = json.loads(generator.config.model_dump_json())
    tensors = {name: value.clone() for name, value in generator.tensors().items()}
    again = IMAGE_GENERATORS.get(generator.kind).from_parts(config, tensors)
    assert again.embedding == generator.embedding
    np.testing.assert_array_equal(
        again.generate(NEW, n_samples=2, device="cpu"), generator.generate(NEW, n_samples=2, device="cpu")
    )


def test_stored_parts_that_do_not_fit_together_are_refused(generator):
    config = json.loads(generator.config.model_dump_json())
    tensors = dict(sorted(generator.tensors().items())[1:])
    with pytest.raises(InputValueError):
        type(generator).from_parts(config, tensors)


@pytest.mark.parametrize(
    ("wrong", "settings", "message"),
    [
        (NEW, {"n_samples": 0}, "n_samples must be at least 1, got 0"),
        (NEW, {"n_samples": 1.5}, "n_samples must be a whole number"),
        (NEW, {"seed": -1}, "seed must be at least 0, got -1"),
        (NEW[:, :4], {}, r"embeddings must have shape \(n, 10\), got \(5, 4\)"),
        (NEW[0], {}, "embeddings must have shape"),
        (NEW[:0], {}, "embeddings must have shape"),
        (np.where(np.arange(5)[:, None] == 3, np.nan, NEW), {}, "rows with NaN or infinity: 3"),
        ("text", {}, "embeddings must be numbers"),
        (NEW, {"stimuli": [0, 1]}, "one number from 0 for each of 5 embeddings"),
        (NEW, {"device": "cpu", "dtype": "float8"}, "unknown dtype"),
    ],
)
def test_impossible_requests_are_refused_before_work(generator, wrong, settings, message):
    with pytest.raises(BraincodecError, match=message):
        generator.generate(wrong, **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_fitting_refuses_a_single_image_and_embeddings_that_do_not_match(kind):
    generator = fitted(kind)
    with pytest.raises(InputValueError, match="at least 2 images, got 1"):
        generator.fit(photographs(1), embeddings(1))
    with pytest.raises(InputValueError, match="24 images need as many embeddings, got 23"):
        generator.fit(photographs(), embeddings(23))
    with pytest.raises(InputValueError, match=r"rows with NaN or infinity: 0, 1, 2, 3, 4 \.\.\."):
        generator.fit(photographs(), np.full((IMAGES, WIDTH), np.inf))
    assert generator.trained


@pytest.mark.parametrize("kind", ["retrieval", "pixel_components", "maskgit"])
def test_an_untrained_generator_says_so(kind):
    untrained = IMAGE_GENERATORS.get(kind)()
    assert not untrained.trained
    for use in (lambda: untrained.generate(NEW), untrained.tensors, lambda: untrained.embedding):
        with pytest.raises(NotTrainedError, match="not trained"):
            use()


@pytest.mark.parametrize("kind", ["retrieval", "pixel_components", "latent_autoencoder"])
def test_images_of_several_sizes_need_one_size_to_be_set(kind, tmp_path):
    from PIL import Image

    for number, side in enumerate([8] * 23 + [12]):
        pixels = np.random.default_rng(number).integers(0, 255, (side, side + 2, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
    stimuli = StimulusSet.open(tmp_path)
    generator = fitted(kind)
    with pytest.raises(BraincodecError, match=r"size|pixels"):
        generator.fit(stimuli, embeddings())
    sized = fitted(kind, image_size=6).fit(stimuli, embeddings())
    assert sized.generate(NEW, device="cpu").shape == (5, 1, 6, 6, 3)


def test_unknown_kinds_and_settings_are_named():
    with pytest.raises(UnknownNameError, match="did you mean 'retrieval'"):
        IMAGE_GENERATORS.get("retrival")
    with pytest.raises(InputValueError, match="unknown key 'similarty'"):
        IMAGE_GENERATORS.get("retrieval")(similarty="cosine")
    with pytest.raises(InputTypeError):
        IMAGE_GENERATORS.get("retrieval").config_class.parse(["cosine"])

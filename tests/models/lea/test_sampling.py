"""Parallel decoding: the published procedure, and samples that depend on nothing but their own seed."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError
from braincodec.models.lea.tiles import in_tiles
from braincodec.models.lea.token_generator import SamplingConfig, sample_tokens
from braincodec.models.lea.token_generator.sampling import SCHEDULES, _draw, _noise, masked_counts

from .small_lea import numbers, token_generator, tokenizer

EMBEDDINGS = numbers(5, 10)


def published_decoding(network, embedding, noise, steps=11, temperature=4.5):
    """One image by the published procedure: logits of all places, a sorted confidence, a threshold."""
    mask_id, count = network.config.mask_id, network.config.tokens
    ids = torch.full((1, count), mask_id)
    for step in range(1, steps + 1):
        logits = network(ids, embedding[None])
        probability = logits.softmax(-1)
        uniform, other = noise[step - 1]
        cumulative = probability[0].cumsum(-1)
        sampled = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(-1)[None]
        masked = ids == mask_id
        sampled = torch.where(masked, sampled, ids)
        chosen = probability.gather(-1, sampled[..., None])[..., 0]
        chosen = torch.where(masked, chosen, torch.tensor(math.inf))
        again = math.floor(np.float32(count) * np.float32(math.cos(math.pi / 2 * step / steps)))
        again = max(1, min(int(masked.sum()) - 1, again))
        confidence = chosen.log() + temperature * (1 - step / steps) * -(-other.log()).log()
        threshold = confidence.sort(-1).values[:, again]
        ids = torch.where(confidence < threshold, mask_id, sampled)
    return sampled[0]


@torch.inference_mode()
def test_tokens_are_those_of_the_published_procedure():
    network = token_generator(tokens=64)
    found = sample_tokens(network, EMBEDDINGS, n_samples=2, seed=3)
    for stimulus, embedding in enumerate(EMBEDDINGS):
        for sample in range(2):
            expected = published_decoding(network, embedding, _noise(3, stimulus, sample, 11, 64))
            assert torch.equal(found[stimulus, sample], expected)


@pytest.mark.parametrize("tile", [1, 3, 4])
def test_a_sample_does_not_depend_on_what_else_is_asked_for(tile):
    network, images = token_generator(tokens=64), tokenizer()

    def decode(ids):
        return images.decode_ids(ids.unflatten(1, (8, 8)))

    def pictures(rows, n_samples):
        drawn = sample_tokens(network, EMBEDDINGS[rows], n_samples=n_samples, seed=7, stimuli=rows, tile=tile)
        with torch.inference_mode():
            return in_tiles(decode, drawn.flatten(0, 1), tile=tile).unflatten(0, (len(rows), n_samples))

    every = pictures([0, 1, 2, 3, 4], 3)
    assert torch.equal(pictures([0, 1], 3), every[:2])
    assert torch.equal(pictures([4], 3), every[4:])
    assert torch.equal(pictures([3, 1, 2], 1), every[[3, 1, 2], :1])
    assert len({tuple(image.flatten().tolist()) for image in every.flatten(0, 1)}) == 15, "samples differ"


def test_seed_stimulus_and_sample_each_give_other_noise():
    network = token_generator()
    twice = EMBEDDINGS[:1].expand(2, -1)
    first = sample_tokens(network, twice, n_samples=2, seed=0)
    assert torch.equal(first, sample_tokens(network, twice, n_samples=2, seed=0))
    other = sample_tokens(network, twice, n_samples=2, seed=1)
    assert len({tuple(ids.tolist()) for ids in torch.cat([first, other]).flatten(0, 1)}) == 8


def test_samples_leave_the_global_generator_and_the_mode_of_the_network_alone():
    network = token_generator(dropout=0.5).train()
    state = torch.get_rng_state()
    first = sample_tokens(network, EMBEDDINGS)
    assert torch.equal(state, torch.get_rng_state()) and network.training
    assert torch.equal(first, sample_tokens(network.eval(), EMBEDDINGS)) and not network.training


@given(st.integers(1, 40), st.sampled_from(sorted(SCHEDULES)), st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_every_token_is_an_entry_of_the_codebook(steps, schedule, seed):
    config = SamplingConfig(steps=steps, schedule=schedule)
    ids = sample_tokens(token_generator(depth=1), EMBEDDINGS[:2], seed=seed, config=config)
    assert ids.shape == (2, 1, 16) and ids.dtype == torch.int64
    assert ids.min() >= 0 and ids.max() < 24


@given(st.integers(1, 400), st.integers(1, 60), st.sampled_from(sorted(SCHEDULES)))
@settings(deadline=None)
def test_fewer_tokens_are_masked_from_step_to_step(tokens, steps, schedule):
    counts = masked_counts(tokens, SamplingConfig(steps=steps, schedule=schedule))
    assert len(counts) == steps and counts[0] == tokens and min(counts) >= 1
    assert all(after < before or before == after == 1 for before, after in pairwise(counts))


def test_draws_follow_the_distribution():
    weights = torch.tensor([0.0, 0.5, 0.2, 0.0, 0.3, 0.0])
    uniform = torch.rand(1, 40_000, generator=torch.Generator().manual_seed(0))
    drawn = _draw(weights.log().expand(1, 40_000, -1), uniform)
    share = torch.bincount(drawn.flatten(), minlength=6) / 40_000
    assert (share[weights == 0] == 0).all()
    torch.testing.assert_close(share, weights, atol=0.01, rtol=0)


def test_the_ends_of_the_uniform_numbers_never_draw_what_has_no_probability():
    weights = torch.tensor([0.0, 0.1, 0.9, 0.0])
    ends = torch.tensor([[0.0, torch.finfo(torch.float32).tiny, 0.5, 1 - 2**-24]])
    assert _draw(weights.log().expand(1, 4, -1), ends).tolist() == [[1, 1, 2, 2]]


def test_noise_is_never_at_an_end_and_the_same_for_more_steps():
    noise = _noise(0, 1, 2, 200, 256)
    assert noise.min() > 0 and noise.max() < 1
    assert torch.equal(_noise(0, 1, 2, 3, 256), noise[:3])
    assert torch.isfinite(-(-noise.log()).log()).all()


def test_without_noise_and_near_temperature_zero_the_likeliest_tokens_win():
    config = SamplingConfig(temperature=1e-4, confidence_noise=0.0)
    network = token_generator()
    assert torch.equal(
        sample_tokens(network, EMBEDDINGS, seed=0, config=config),
        sample_tokens(network, EMBEDDINGS, seed=99, config=config),
    )
    one_step = sample_tokens(network, EMBEDDINGS, config=SamplingConfig(steps=1, temperature=1e-4))
    with torch.inference_mode():
        likeliest = network(torch.full((5, 16), network.config.mask_id), EMBEDDINGS).argmax(-1)
    assert torch.equal(one_step[:, 0], likeliest)


def test_progress_counts_samples():
    done = []
    sample_tokens(token_generator(), EMBEDDINGS, n_samples=2, tile=4, on_tile=done.append)
    assert done == [4, 4, 2]


def test_bfloat16_networks_are_sampled():
    ids = sample_tokens(token_generator().bfloat16(), EMBEDDINGS)
    assert ids.max() < 24


@pytest.mark.parametrize(
    "how, says",
    [
        ({"n_samples": 0}, "n_samples must be at least 1, got 0"),
        ({"seed": -1}, "must not be negative.*seed -1"),
        ({"stimuli": [0, 1]}, "2 numbers for 5 embeddings"),
        ({"stimuli": [0, 1, 2, 3, -4]}, "must not be negative"),
    ],
)
def test_impossible_requests_are_refused(how, says):
    with pytest.raises(InputValueError, match=says):
        sample_tokens(token_generator(), EMBEDDINGS, **how)


def test_embeddings_of_another_size_or_with_nan_are_refused():
    for wrong in (EMBEDDINGS[:, :9], EMBEDDINGS[0], EMBEDDINGS[:0]):
        with pytest.raises(InputValueError, match=r"shape \(n, 10\)"):
            sample_tokens(token_generator(), wrong)
    broken = EMBEDDINGS.clone()
    broken[[1, 4], 3] = math.nan
    with pytest.raises(InputValueError, match="rows with NaN or infinity: 1, 4"):
        sample_tokens(token_generator(), broken)


@pytest.mark.parametrize("values", [{"steps": 0}, {"schedule": "sine"}, {"temperature": 0.0}, {"confidence_noise": -1}])
def test_impossible_settings_are_refused(values):
    with pytest.raises(InputValueError, match=next(iter(values))):
        SamplingConfig.parse(values)


@given(st.integers(1, 20), st.integers(1, 8))
def test_tiles_always_have_one_size(rows, tile):
    seen = []

    def run(x, y):
        seen.append(len(x))
        return x * y

    x = torch.arange(rows * 3.0).view(rows, 3)
    assert torch.equal(in_tiles(run, x, x + 1, tile=tile), x * (x + 1))
    assert set(seen) == {tile} and len(seen) == math.ceil(rows / tile)

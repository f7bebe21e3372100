"""Parallel decoding: all tokens of an image in a few steps, the surest first (MaskGIT, Chang et al. 2022).

In each step every masked place draws a token; the places that were least sure are masked again. How sure a place was is
the log-probability of its draw, plus noise that fades from step to step.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from braincodec.config import Config
from braincodec.device import fast_matmul
from braincodec.errors import InputValueError
from braincodec.models.lea.tiles import in_tiles, tile_for
from braincodec.models.lea.token_generator.network import TokenGenerator

SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: math.cos(math.pi / 2 * done),
    "linear": lambda done: 1 - done,
    "square": lambda done: 1 - done**2,
    "cubic": lambda done: 1 - done**3,
}
"""Part of the tokens that is still masked once the part `done` of the steps is over."""

UNIFORM_BITS = 24  # as many as float32 has
MASS_BITS = 36  # of a distribution's total; the product with a uniform number stays below 2**63


class SamplingConfig(Config):
    """How tokens are drawn; the defaults are the published ones.

    Attributes
    ----------
    steps : int
        Passes through the network.
    schedule : {"cosine", "linear", "square", "cubic"}
        How many tokens stay masked after each.
    temperature : float
        Of the distribution that tokens are drawn from.
    confidence_noise : float
        Factor of the Gumbel noise on how sure a place was; it falls to zero in equal steps.

    Examples
    --------
    >>> SamplingConfig.parse({"steps": 0})
    Traceback (most recent call last):
    braincodec.errors.InputValueError: sampling of tokens: steps: Input should be greater than or equal to 1 (got 0)
    """

    shown_as = "sampling of tokens"

    steps: int = Field(11, ge=1)
    schedule: Literal["cosine", "linear", "square", "cubic"] = "cosine"
    temperature: float = Field(1.0, gt=0, allow_inf_nan=False)
    confidence_noise: float = Field(4.5, ge=0, allow_inf_nan=False)


def sample_tokens(
    network: TokenGenerator,
    embeddings: torch.Tensor,
    *,
    n_samples: int = 1,
    seed: int = 0,
    stimuli: Sequence[int] | None = None,
    config: SamplingConfig | None = None,
    tile: int | None = None,
    on_tile: Callable[[int], object] | None = None,
) -> torch.Tensor:
    """Tokens of images for image embeddings.

    Each sample has noise of its own, seeded by `seed`, the number of its stimulus and its own number, and the network
    always runs on tiles of one size: in float32 on one machine, a sample is the same whatever else is asked for.

    Parameters
    ----------
    network : TokenGenerator
        Used in evaluation mode, where it lies, in the dtype that it has.
    embeddings : torch.Tensor, shape (n, embedding)
    n_samples : int
        For each embedding.
    seed : int
        Not negative.
    stimuli : sequence of int, optional
        Number of each row's stimulus, where `embeddings` is a part of more. Default: 0 to n - 1.
    config : SamplingConfig, optional
    tile : int, optional
        Rows in one call of the network; another number may change last bits. Default: by device.
    on_tile : callable, optional
        Told how many samples were done after each tile.

    Returns
    -------
    torch.Tensor of int64, shape (n, n_samples, tokens)
        Codebook entries, on the network's device.

    Raises
    ------
    InputValueError
        For no samples, a negative seed, or numbers that do not fit the embeddings.

    Examples
    --------
    >>> from braincodec.models.lea.token_generator import TokenGeneratorConfig
    >>> config = TokenGeneratorConfig(codebook_size=8, tokens=4, embedding=6, width=16, depth=1, heads=2)
    >>> sample_tokens(TokenGenerator(config), torch.zeros(3, 6), n_samples=2).shape
    torch.Size([3, 2, 4])
    """
    settings = config or SamplingConfig.parse({})
    numbers = list(range(len(embeddings))) if stimuli is None else [int(number) for number in stimuli]
    _check(network, embeddings, n_samples, seed, numbers)
    device, dtype = network.mlps_bias.device, network.mlps_bias.dtype
    tokens = network.config.tokens
    size = tile or tile_for(device)
    samples = [(row, number, sample) for row, number in enumerate(numbers) for sample in range(n_samples)]
    drawn = []
    decode = partial(_decode, network, settings)
    with torch.inference_mode(), fast_matmul(device), _evaluating(network):
        for begin in range(0, len(samples), size):
            part = samples[begin : begin + size]
            rows = embeddings[[row for row, _, _ in part]].to(device, dtype)  # (samples of tile, embedding)
            noise = torch.stack([_noise(seed, number, one, settings.steps, tokens) for _, number, one in part])
            drawn.append(in_tiles(decode, rows, noise.to(device), tile=size))
            if on_tile is not None:
                on_tile(len(part))
    return torch.cat(drawn).view(len(embeddings), n_samples, tokens)


def masked_counts(tokens: int, config: SamplingConfig) -> list[int]:
    """Tokens that are masked before each step.

    Examples
    --------
    >>> masked_counts(256, SamplingConfig())
    [256, 253, 245, 232, 215, 193, 167, 138, 106, 72, 36]
    """
    counts = [tokens]
    for step in range(1, config.steps):
        share = SCHEDULES[config.schedule](step / config.steps)
        # in float32, as published: a product just below a whole number may round to it
        counts.append(max(1, min(counts[-1] - 1, math.floor(np.float32(tokens) * np.float32(share)))))
    return counts


def _decode(
    network: TokenGenerator, config: SamplingConfig, embedding: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Tokens (batch, tokens) for embeddings (batch, embedding) and uniform noise (batch, steps, 2, tokens)."""
    batch, tokens = len(embedding), network.config.tokens
    counts = masked_counts(tokens, config)
    ids = torch.full((batch, tokens), network.config.mask_id, device=embedding.device)
    places = torch.arange(tokens, device=embedding.device).expand(batch, -1)  # the masked ones, (batch, masked)
    for step in range(config.steps):
        logits = network.logits_at(ids, embedding, places).float() / config.temperature  # (batch, masked, codebook)
        log_probability = logits.log_softmax(-1)
        uniform, other = (noise[:, step, use].gather(1, places) for use in (0, 1))  # each (batch, masked)
        drawn = _draw(log_probability, uniform)  # (batch, masked)
        ids = ids.scatter(1, places, drawn)
        if step + 1 < config.steps:
            fading = config.confidence_noise * (1 - (step + 1) / config.steps)
            gumbel = -(-other.log()).log()
            sureness = log_probability.gather(-1, drawn[..., None])[..., 0] + fading * gumbel
            again = sureness.topk(counts[step + 1], largest=False).indices.sort().values
            places = places.gather(1, again)  # (batch, masked in the next step)
            ids = ids.scatter(1, places, network.config.mask_id)
    return ids


def _draw(log_probability: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Entries (batch, places) where the cumulative distribution (batch, places, entries) passes `uniform`.

    In whole numbers: their sums are the same in any order, which GPUs choose freely, and no entry without probability
    can be drawn.
    """
    mass = (log_probability.exp() * 2.0**MASS_BITS).long()  # (batch, places, entries)
    cumulative = mass.cumsum(-1)
    height = (uniform * 2.0**UNIFORM_BITS).long()[..., None] * cumulative[..., -1:] >> UNIFORM_BITS  # below the total
    return torch.searchsorted(cumulative, height, right=True)[..., 0]


def _noise(seed: int, stimulus: int, sample: int, steps: int, tokens: int) -> torch.Tensor:
    """Uniform numbers above zero and below one for one sample, shape (steps, 2, tokens); the same on every device."""
    state = int(np.random.SeedSequence((seed, stimulus, sample)).generate_state(1, np.uint64)[0])
    generator = torch.Generator().manual_seed(state)
    drawn = torch.rand(steps, 2, tokens, generator=generator, dtype=torch.float64)
    # the float32 nearest to the largest of these is one, which has no Gumbel value
    return drawn.float().clamp(torch.finfo(torch.float32).tiny, 1 - torch.finfo(torch.float32).eps / 2)


@contextlib.contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _check(
    network: TokenGenerator, embeddings: torch.Tensor, n_samples: int, seed: int, numbers: Sequence[int]
) -> None:
    expected = network.config.embedding
    if embeddings.ndim != 2 or not len(embeddings) or embeddings.shape[1] != expected:
        raise InputValueError(f"embeddings must have shape (n, {expected}), got {tuple(embeddings.shape)}")
    if not embeddings.isfinite().all():
        bad = sorted(set((~embeddings.isfinite()).nonzero()[:, 0].tolist()))
        raise InputValueError(f"embeddings must be finite; rows with NaN or infinity: {', '.join(map(str, bad[:5]))}")
    if n_samples < 1:
        raise InputValueError(f"n_samples must be at least 1, got {n_samples}")
    if seed < 0 or min(numbers, default=0) < 0 or len(numbers) != len(embeddings):
        raise InputValueError(
            f"seed and numbers of stimuli must not be negative, one number an embedding; got seed {seed} and "
            f"{len(numbers)} numbers for {len(embeddings)} embeddings"
        )

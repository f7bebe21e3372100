"""What the token generator is trained on: tokens hidden at random, to be named from the others and the embedding.

The schedule is MaskGIT's (Chang et al. 2022): an image's masked share is the cosine of a uniform number, so that all
stages of decoding occur; LEA (Qian et al. 2024, TMLR) never masks less than half.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def draw_masks(count: int, tokens: int, least: float, generator: torch.Generator) -> torch.Tensor:
    """Which tokens of each image are hidden.

    Parameters
    ----------
    count, tokens : int
        Images, and tokens of each.
    least : float
        Share that is masked at least, 0 to 1.
    generator : torch.Generator
        Of the CPU, so that a seed gives the same masks on every device.

    Returns
    -------
    torch.Tensor of bool, shape (count, tokens)
        At least one token of each image.

    Examples
    --------
    >>> masks = draw_masks(5, 16, 0.5, torch.Generator().manual_seed(0))
    >>> bool((masks.sum(1) >= 8).all())
    True
    """
    return masks_of(torch.rand(count, generator=generator, dtype=torch.float64), tokens, least, generator)


def masks_of(uniform: torch.Tensor, tokens: int, least: float, generator: torch.Generator) -> torch.Tensor:
    """Masks (count, tokens) whose shares follow from uniform numbers (count,); which places they are is drawn."""
    share = (uniform * (math.pi / 2)).cos().clamp(min=least)  # (count,)
    masked = (share * tokens).ceil().clamp(1, tokens)
    order = torch.rand(len(uniform), tokens, generator=generator, dtype=torch.float64).argsort(1).argsort(1)
    return order < masked[:, None]


def masked_cross_entropy(
    logits: torch.Tensor, tokens: torch.Tensor, masked: torch.Tensor, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Mean cross-entropy over masked places; what is said of the others does not count.

    Parameters
    ----------
    logits : torch.Tensor, shape (batch, tokens, codebook size)
    tokens : torch.Tensor of int64, shape (batch, tokens)
        What the image has.
    masked : torch.Tensor of bool, shape (batch, tokens)
        At least one place.
    label_smoothing : float
        Part of the target that is spread over the whole codebook.

    Returns
    -------
    torch.Tensor, shape ()
        In nats, float32.
    """
    return F.cross_entropy(logits[masked].float(), tokens[masked], label_smoothing=label_smoothing)


def disturbed(
    embeddings: torch.Tensor, deviation: torch.Tensor, noise: float, dropped: float, generator: torch.Generator
) -> torch.Tensor:
    """Embeddings as the network is shown them in training.

    Parameters
    ----------
    embeddings : torch.Tensor, shape (batch, embedding)
        On the CPU.
    deviation : torch.Tensor, shape (embedding,)
        Standard deviation of each dimension over the training images.
    noise : float
        Standard deviation of the normal noise that is added, as a multiple of `deviation`: embeddings predicted from
        brain responses are never exact.
    dropped : float
        Share of the images that are shown zeros in place of their embedding.
    generator : torch.Generator
        Of the CPU.

    Returns
    -------
    torch.Tensor, shape (batch, embedding)
    """
    if noise:
        drawn = torch.randn(embeddings.shape, generator=generator)
        embeddings = embeddings + noise * deviation * drawn
    if dropped:
        kept = torch.rand(len(embeddings), 1, generator=generator) >= dropped
        embeddings = embeddings * kept
    return embeddings

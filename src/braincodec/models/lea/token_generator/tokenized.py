"""Tokenized images with their embeddings: checked, and divided into training and what chooses the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError

if TYPE_CHECKING:
    from braincodec.models.lea.token_generator.settings import TokenGeneratorSettings

MOST_ROWS_NAMED = 5


class TokenizedImages(NamedTuple):
    """Images as the token generator learns from them.

    Parameters
    ----------
    tokens : torch.Tensor of int64, shape (n, places)
    embeddings : torch.Tensor of float32, shape (n, embedding)
    """

    tokens: torch.Tensor
    embeddings: torch.Tensor

    def rows(self, rows: NDArray[np.int64]) -> TokenizedImages:
        """Some of the images."""
        chosen = torch.from_numpy(rows)
        return TokenizedImages(self.tokens[chosen], self.embeddings[chosen])


def checked_images(tokens: ArrayLike, embeddings: ArrayLike, codebook_size: int, what: str) -> TokenizedImages:
    """Tokens (n, places) and embeddings (n, embedding) that fit together.

    Parameters
    ----------
    tokens, embeddings : array_like
    codebook_size : int
    what : {"training", "validation"}
        What they are called in messages.

    Raises
    ------
    InputTypeError, InputValueError
    """
    ids, vectors = np.asarray(tokens), np.asarray(embeddings)
    if ids.dtype.kind not in "iu" or vectors.dtype.kind not in "iuf":
        raise InputTypeError(
            f"tokens must be whole numbers and embeddings numbers, got {ids.dtype} and {vectors.dtype}"
        )
    if ids.ndim != 2 or vectors.ndim != 2 or len(ids) != len(vectors) or not ids.size or not vectors.size:
        raise InputValueError(
            f"{what} tokens must have shape (n, places) and embeddings (n, dimension), "
            f"got {ids.shape} and {vectors.shape}"
        )
    if ids.min() < 0 or ids.max() >= codebook_size:
        raise InputValueError(
            f"{what} tokens must be entries of the codebook, 0 to {codebook_size - 1}; got {ids.min()} to {ids.max()}"
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(1))
    if len(bad):
        named = ", ".join(map(str, bad[:MOST_ROWS_NAMED])) + (" ..." if len(bad) > MOST_ROWS_NAMED else "")
        raise InputValueError(f"{what} embeddings must be finite; rows with NaN or infinity: {named}")
    return TokenizedImages(torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(vectors.astype(np.float32)))


def check_alike(train: TokenizedImages, validation: TokenizedImages) -> None:
    """Raise `InputValueError` unless both have as many tokens an image and values an embedding."""
    for what, ours, theirs in zip(("tokens an image", "values an embedding"), train, validation, strict=True):
        if ours.shape[1] != theirs.shape[1]:
            raise InputValueError(f"validation has {theirs.shape[1]} {what}, training {ours.shape[1]}")


def divided(images: TokenizedImages, settings: TokenGeneratorSettings) -> tuple[TokenizedImages, TokenizedImages]:
    """Training and held-out images; those with the very same tokens are on one side."""
    _, image = np.unique(images.tokens.numpy(), axis=0, return_inverse=True)
    image = image.reshape(-1)
    different = int(image.max()) + 1
    if different < 2:
        raise InputValueError("the token generator learns from at least 2 images that differ in their tokens, got 1")
    count = min(different - 1, max(1, round(settings.held_out * different)))
    chosen = np.random.default_rng([settings.seed, different]).permutation(different)[:count]
    held_out = np.isin(image, chosen)
    return images.rows(np.flatnonzero(~held_out)), images.rows(np.flatnonzero(held_out))

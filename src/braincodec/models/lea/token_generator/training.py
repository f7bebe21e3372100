"""Training of the token generator on the tokens of images and their embeddings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.device import resolve_device
from braincodec.errors import InputValueError
from braincodec.models.gradient_training import (
    GradientTask,
    adamw,
    choose_precision,
    descend,
    kept_in,
    seeded,
    train_network,
)
from braincodec.models.gradient_training.optimisation import autocast
from braincodec.models.lea.checkpoints import load_token_generator
from braincodec.models.lea.token_generator.network import TokenGenerator
from braincodec.models.lea.token_generator.objective import disturbed, draw_masks, masked_cross_entropy, masks_of
from braincodec.models.lea.token_generator.tokenized import TokenizedImages, check_alike, checked_images, divided
from braincodec.models.tensors import add_tensor

if TYPE_CHECKING:
    from braincodec.models.lea.token_generator.settings import TokenGeneratorSettings

# of each validation image, at evenly spread masked shares, so that few images give a steady criterion
VALIDATION_MASKS = 4


class TrainedTokenGenerator(NamedTuple):
    """What `fit_token_generator` gives.

    Parameters
    ----------
    network : TokenGenerator
        With the best epoch's weights, float32, on the CPU, in evaluation mode.
    curve : list of dict
        For each epoch: ``epoch``, ``loss`` (smoothed), ``validation_loss`` in nats a token and
        ``validation_accuracy``, both over masked places.
    best_epoch : int
        From 1; 0 where none was better than the checkpoint that training started from.
    """

    network: TokenGenerator
    curve: list[dict[str, Any]]
    best_epoch: int


def fit_token_generator(
    tokens: ArrayLike,
    embeddings: ArrayLike,
    settings: TokenGeneratorSettings,
    *,
    codebook_size: int,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    workspace: str | Path | None = None,
    device: str | torch.device = "auto",
    progress: bool | None = None,
) -> TrainedTokenGenerator:
    """Train a token generator.

    Parameters
    ----------
    tokens : array_like of int, shape (n, places)
        Codebook entries of each image, row by row of its grid.
    embeddings : array_like, shape (n, embedding)
        Of the same images.
    settings : TokenGeneratorSettings
    codebook_size : int
        Of the tokenizer.
    validation : (tokens, embeddings), optional
        What chooses the epoch. Default: a part of the images, of which no other has the very same tokens.
    workspace : str or Path, optional
        Where training stands is kept here, so that the same call goes on exactly where it was cut short.
    device : str or torch.device
    progress : bool, optional
        Default: a bar when stderr is a terminal.

    Returns
    -------
    TrainedTokenGenerator

    Raises
    ------
    InputTypeError, InputValueError
        When tokens and embeddings do not fit together, or a checkpoint to start from does not fit to them.

    Examples
    --------
    >>> from braincodec.models.lea.token_generator import TokenGeneratorSettings
    >>> rng = np.random.default_rng(0)
    >>> settings = TokenGeneratorSettings(width=16, depth=1, heads=2, epochs=2)
    >>> tokens, embeddings = rng.integers(8, size=(20, 4)), rng.normal(size=(20, 3))
    >>> trained = fit_token_generator(tokens, embeddings, settings, codebook_size=8)
    >>> [sorted(entry) for entry in trained.curve][1]
    ['epoch', 'loss', 'validation_accuracy', 'validation_loss']
    """
    train = checked_images(tokens, embeddings, codebook_size, "training")
    if validation is None:
        train, held_out = divided(train, settings)
    else:
        held_out = checked_images(*validation, codebook_size, "validation")
        check_alike(train, held_out)
    target = resolve_device(device)
    network = _first_network(settings, codebook_size, train)
    task = TokenGeneratorTask(network.to(target), train, held_out, settings, target)
    with kept_in(
        workspace, "token-generator", lambda: _identity(settings, codebook_size, network, train, held_out)
    ) as checkpoints:
        curve, best_epoch = train_network(
            task,
            settings,
            checkpoints,
            title="train token generator",
            start_counts=settings.start is not None,
            progress=progress,
        )
    return TrainedTokenGenerator(network.cpu().eval(), curve, best_epoch)


class TokenGeneratorTask(GradientTask):
    """A token generator in training.

    Parameters
    ----------
    network : TokenGenerator
        On the device.
    train, validation : TokenizedImages
        On the CPU.
    settings : TokenGeneratorSettings
    device : torch.device
    """

    kept, criterion = ("network",), "validation_loss"

    def __init__(
        self,
        network: TokenGenerator,
        train: TokenizedImages,
        validation: TokenizedImages,
        settings: TokenGeneratorSettings,
        device: torch.device,
    ) -> None:
        self.network, self.train, self.validation = network, train, validation
        self.settings, self.device = settings, device
        self.precision = choose_precision(settings.precision, device)
        self.modules, self.optimisers = {"network": network}, {"adamw": adamw([network], settings)}
        self.examples = len(train.tokens)
        self.deviation = train.embeddings.std(0, correction=0)
        self.validation_masks = self._validation_masks()

    def step(self, rows: NDArray[np.int64], generator: torch.Generator, done: float) -> dict[str, float]:
        """Move the network by one batch, of which part is masked."""
        settings, batch = self.settings, self.train.rows(rows)
        masked = draw_masks(len(rows), batch.tokens.shape[1], settings.least_masked, generator)
        shown = disturbed(
            batch.embeddings, self.deviation, settings.embedding_noise, settings.embedding_dropped, generator
        )
        self.network.train()
        logits, tokens, masked = self._logits(TokenizedImages(batch.tokens, shown), masked)
        loss = masked_cross_entropy(logits, tokens, masked, settings.label_smoothing)
        descend(self.optimisers["adamw"], loss, settings)
        return {"loss": float(loss.detach())}

    def _logits(self, batch: TokenizedImages, masked: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits, tokens and masks on the device; the network sees the tokens that are not masked."""
        tokens, masked = batch.tokens.to(self.device), masked.to(self.device)
        seen = tokens.masked_fill(masked, self.network.config.mask_id)
        with autocast(self.device, self.precision):
            return self.network(seen, batch.embeddings.to(self.device)), tokens, masked

    def _validation_masks(self) -> torch.Tensor:
        """Masks (draw, image, place), the same in each epoch."""
        count, places = self.validation.tokens.shape
        generator = seeded([self.settings.seed, count, places])
        return torch.stack(
            [
                masks_of(torch.full((count,), share).double(), places, self.settings.least_masked, generator)
                for share in (torch.arange(VALIDATION_MASKS) + 0.5) / VALIDATION_MASKS
            ]
        )

    def validate(self) -> dict[str, float]:
        """Cross-entropy and share of right tokens over places whose masks never change."""
        self.network.eval()
        loss, right, places = 0.0, 0, 0
        size = self.settings.batch_size
        with torch.no_grad():
            for masks in self.validation_masks:
                for begin in range(0, len(masks), size):
                    rows = np.arange(begin, min(begin + size, len(masks)))
                    logits, tokens, masked = self._logits(self.validation.rows(rows), masks[rows])
                    count = int(masked.sum())
                    loss += float(masked_cross_entropy(logits, tokens, masked)) * count
                    right += int((logits.argmax(-1) == tokens)[masked].sum())
                    places += count
        return {"validation_loss": loss / places, "validation_accuracy": right / places}


def _first_network(settings: TokenGeneratorSettings, codebook_size: int, train: TokenizedImages) -> TokenGenerator:
    """The network that training starts from: random by the seed, or a checkpoint's."""
    places, dimension = train.tokens.shape[1], train.embeddings.shape[1]
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        if settings.start is None:
            return TokenGenerator(settings.network(codebook_size, places, dimension))
        published = load_token_generator(settings.start, heads=settings.heads)
        sizes = published.config
        for what, ours, theirs in (
            ("codebook entries", codebook_size, sizes.codebook_size),
            ("tokens an image", places, sizes.tokens),
        ):
            if ours != theirs:
                raise InputValueError(
                    f"{settings.start} was trained with {theirs} {what}, the images have {ours}; use the tokenizer "
                    "and the image size that it was trained with, or leave out start"
                )
        network = TokenGenerator(sizes.model_copy(update={"embedding": dimension, "dropout": settings.dropout}))
        weights = published.state_dict()
        if sizes.embedding != dimension:
            weights |= {f"decoder_embed.{name}": own for name, own in network.decoder_embed.state_dict().items()}
        network.load_state_dict(weights)
        return network


def _identity(
    settings: TokenGeneratorSettings,
    codebook_size: int,
    network: TokenGenerator,
    train: TokenizedImages,
    validation: TokenizedImages,
) -> dict[str, Any]:
    """All that decides the result."""
    digest = hashlib.sha256()
    for part, images in (("train", train), ("validation", validation)):
        add_tensor(digest, f"{part}.tokens", images.tokens)
        add_tensor(digest, f"{part}.embeddings", images.embeddings)
    if settings.start is not None:
        for name, tensor in network.state_dict().items():
            add_tensor(digest, name, tensor)
    chosen = settings.model_dump(mode="json") | {"start": settings.start is not None}
    return {"settings": chosen, "codebook_size": codebook_size, "data": digest.hexdigest()}

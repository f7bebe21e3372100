"""The tokenizer's training: from a stimulus set to a network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from braincodec.device import resolve_device
from braincodec.errors import InputValueError
from braincodec.features.weights import with_seed
from braincodec.models.gradient_training import kept_in, train_network
from braincodec.models.lea.tokenizer.images import TrainingImages, as_values
from braincodec.models.lea.tokenizer.network import Tokenizer
from braincodec.models.lea.tokenizer.perceptual import PerceptualDistance, open_perceptual_distance
from braincodec.models.lea.tokenizer.settings import TokenizerSettings, check_divides
from braincodec.models.lea.tokenizer.task import TokenizerTask

if TYPE_CHECKING:
    from torch import nn

    from braincodec.stimuli import StimulusSet

IMAGES_FOR_FLOOR = 1000  # that the mean image is made of, at most


@dataclass(frozen=True, eq=False)
class TrainedTokenizer:
    """A tokenizer, and how its training went.

    Attributes
    ----------
    network : Tokenizer
        With the weights of the best epoch, on the CPU, in evaluation mode.
    curve : list of dict
        An entry for each epoch: losses of training; of validation ``validation_reconstruction``,
        ``validation_perceptual`` (with such a term), their weighted sum ``validation_error``, which chooses the epoch,
        and ``validation_perplexity``: how many entries are in use, had each been used as often.
    best_epoch : int
        From 1; 0 where the weights that training started from were best.
    floor : float
        What ``validation_reconstruction`` would be if every image were the mean training image.
    perceptual : str
        Network that images were compared in, and its weights; empty for none.
    """

    network: Tokenizer
    curve: list[dict[str, Any]]
    best_epoch: int
    floor: float
    perceptual: str


def fit_tokenizer(
    images: StimulusSet,
    settings: TokenizerSettings | dict[str, Any],
    *,
    validation: StimulusSet | None = None,
    workspace: str | Path | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> TrainedTokenizer:
    """Train a tokenizer on images.

    Parameters
    ----------
    images : StimulusSet
    settings : TokenizerSettings or dict
    validation : StimulusSet, optional
        Images that choose the epoch. Default: the share of `images` that the settings hold out.
    workspace : path, optional
        Folder in which an interrupted training is found again, and goes on as if nothing had been. Default: nothing is
        kept on disk.
    device : str
    progress : bool, optional
        Show bars; default: when stderr is a terminal.

    Returns
    -------
    TrainedTokenizer

    Raises
    ------
    InputValueError
        For images of several sizes, of sides that do not divide into patches, fewer than a batch; and when training
        diverges.
    MissingFileError, DamagedFileError
        For a checkpoint to start from, or weights to compare images with, that are not there or cannot be read.

    Examples
    --------
    >>> from braincodec.simulate import images
    >>> tiny = {"size": "small", "base_width": 8, "code_width": 4, "codebook_size": 8, "epochs": 1, "batch_size": 4}
    >>> trained = fit_tokenizer(images.stimuli(10, size=16), {**tiny, "perceptual": "none", "adversarial": 0})
    >>> trained.network.config.patch, len(trained.curve)
    (2, 1)
    """
    settings = TokenizerSettings.parse(settings)
    place = resolve_device(device)
    parts = _parts(images, validation, settings)
    train, held_out = (TrainingImages(part, settings.image_size, progress=progress) for part in parts)
    _check_images(train, held_out, settings)
    network = _network(settings, train)
    perceptual = _perceptual(settings, train)
    task = with_seed(settings.seed, lambda: TokenizerTask(network, train, held_out, settings, perceptual, place))
    description = "" if perceptual is None else perceptual.description

    def identity() -> dict[str, Any]:
        return {
            "settings": settings.model_dump(mode="json", exclude={"start"}),
            "images": [part.fingerprint() for part in parts],
            "start": _digest(network) if settings.start else "",
            "perceptual": description,
            "device": place.type,
        }

    start_counts = settings.start is not None and not settings.adversarial
    with kept_in(workspace, "tokenizer", identity) as checkpoints:
        done = train_network(
            task, settings, checkpoints, title="train tokenizer", start_counts=start_counts, progress=progress
        )
    return TrainedTokenizer(
        network.cpu().to_channels_last().eval(), done.curve, done.best_epoch, task.floor(_mean(train)), description
    )


def _parts(
    images: StimulusSet, validation: StimulusSet | None, settings: TokenizerSettings
) -> tuple[StimulusSet, StimulusSet]:
    """Images to train on, and those that choose the epoch."""
    if validation is not None:
        return images, validation
    if len(images) < 2:
        raise InputValueError(f"a tokenizer is trained on at least 2 images, got {len(images)}")
    order = np.random.default_rng([settings.seed, len(images)]).permutation(len(images))
    count = min(max(1, round(settings.held_out * len(images))), len(images) - 1)
    return images[np.sort(order[count:])], images[np.sort(order[:count])]


def _check_images(train: TrainingImages, validation: TrainingImages, settings: TokenizerSettings) -> None:
    sizes = [f"{part.height} x {part.width}" for part in (train, validation)]
    if sizes[0] != sizes[1]:
        raise InputValueError(
            f"training images have {sizes[0]} pixels, validation images {sizes[1]}; set image_size to bring all to one"
        )
    if len(train) < settings.batch_size:
        raise InputValueError(
            f"{len(train)} training images are fewer than a batch of {settings.batch_size}; lower batch_size"
        )


def _network(settings: TokenizerSettings, train: TrainingImages) -> Tokenizer:
    """The network as training begins: random, or that of a published checkpoint."""
    if settings.start is None:
        config = settings.network(train.height, train.width)
        network = with_seed(settings.seed, lambda: Tokenizer(config))
        bias = network.decoder.conv_out.bias
        assert bias is not None
        with torch.no_grad():  # the mean colour, which a bias would take hundreds of steps to reach
            bias.copy_(_mean(train).mean((1, 2)))
        return network
    from braincodec.models.lea.checkpoints import load_tokenizer  # which imports this package

    network = load_tokenizer(settings.start)
    check_divides(network.config, train.height, train.width)
    return network


def _perceptual(settings: TokenizerSettings, train: TrainingImages) -> PerceptualDistance | None:
    perceptual = open_perceptual_distance(settings.perceptual, settings.perceptual_layers)
    if perceptual is not None:
        blank = torch.zeros(1, 3, train.height, train.width)
        try:
            perceptual(blank, blank)
        except RuntimeError as error:
            raise InputValueError(
                f"images of {train.height} x {train.width} pixels are too small for {perceptual.description}; choose "
                f"another network to compare them in, or perceptual='none' ({str(error).splitlines()[0]})"
            ) from error
    return perceptual


def _mean(train: TrainingImages) -> torch.Tensor:
    rows = np.unique(np.linspace(0, len(train) - 1, min(len(train), IMAGES_FOR_FLOOR)).astype(np.int64))
    total = torch.zeros(3, train.height, train.width, dtype=torch.float64)
    for row in rows:
        total += as_values(train.pixels(row[None]), torch.device("cpu"))[0]
    return (total / len(rows)).float()


def _digest(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()

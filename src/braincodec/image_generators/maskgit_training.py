"""How MaskGIT's networks are trained: images to tokens by a tokenizer, and a token generator on these."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.device import fast_matmul
from braincodec.image_generators.images import ImageSize
from braincodec.image_generators.sampling import placed
from braincodec.models.lea.tiles import in_tiles, tile_for
from braincodec.models.lea.token_generator import TokenGenerator, TokenGeneratorSettings
from braincodec.models.lea.token_generator.training import fit_token_generator
from braincodec.models.lea.tokenizer import Tokenizer
from braincodec.models.lea.tokenizer.images import TrainingImages, as_values
from braincodec.models.lea.tokenizer.settings import TokenizerSettings, check_divides
from braincodec.models.lea.tokenizer.training import fit_tokenizer
from braincodec.progress import progress_bar

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet

IMAGES_READ_AT_ONCE = 32
REDUCED_SIDE = 64
REDUCED: dict[str, Any] = {
    "tokenizer_training": TokenizerSettings.parse(
        {"size": "small", "image_size": REDUCED_SIDE, "epochs": 20, "adversarial": 0.0}
    ),
    "token_generator_training": TokenGeneratorSettings.parse({"size": "small", "epochs": 60}),
}
"""What is trained where neither checkpoints nor trainings are named: what a processor manages."""


class TrainedNetworks(NamedTuple):
    """What training gives.

    Parameters
    ----------
    tokenizer : Tokenizer
    token_generator : TokenGenerator
    rows : int
        Of the grid of tokens.
    history : dict
        For each network that was trained its ``curve`` and ``best_epoch``.
    """

    tokenizer: Tokenizer
    token_generator: TokenGenerator
    rows: int
    history: dict[str, dict[str, Any]]


class Means(NamedTuple):
    """Where networks are trained.

    Parameters
    ----------
    workspace : Path, optional
    device : torch.device
    progress : bool, optional
    """

    workspace: Path | None
    device: torch.device
    progress: bool | None


def train_networks(
    images: StimulusSet,
    embeddings: NDArray[np.float32],
    tokenizer: Tokenizer | TokenizerSettings,
    settings: TokenGeneratorSettings,
    image_size: ImageSize | None,
    means: Means,
) -> TrainedNetworks:
    """Train both networks, or the token generator over a tokenizer that is there.

    Parameters
    ----------
    images : StimulusSet
    embeddings : array of float32, shape (images, dimension)
    tokenizer : Tokenizer or TokenizerSettings
        A trained one, or how to train it.
    settings : TokenGeneratorSettings
    image_size : int or (int, int), optional
        Of what is read; default: that of the images.
    means : Means

    Raises
    ------
    InputValueError
        When images do not divide into the tokenizer's patches, or are of several sizes.
    """
    workspace, device, progress = means
    history: dict[str, dict[str, Any]] = {}
    if isinstance(tokenizer, TokenizerSettings):
        chosen = tokenizer.model_copy(update={"image_size": image_size})
        trained = fit_tokenizer(images, chosen, workspace=workspace, device=str(device), progress=progress)
        tokenizer, history["tokenizer"] = trained.network, {"curve": trained.curve, "best_epoch": trained.best_epoch}
    grids = tokens_of(tokenizer, TrainingImages(images, image_size, progress=progress), device, progress=progress)
    curve: Any
    network, curve, best_epoch = fit_token_generator(
        grids.reshape(len(grids), -1),
        embeddings,
        settings,
        codebook_size=tokenizer.config.codebook_size,
        workspace=workspace,
        device=device,
        progress=progress,
    )
    history["token_generator"] = {"curve": curve, "best_epoch": best_epoch}
    return TrainedNetworks(tokenizer, network, grids.shape[1], history)


def tokens_of(
    tokenizer: Tokenizer, images: TrainingImages, device: torch.device, *, progress: bool | None = None
) -> NDArray[np.int64]:
    """Numbers of the codebook entries of images, shape (images, rows, columns).

    Raises
    ------
    InputValueError
        When images do not divide into patches.

    Examples
    --------
    >>> from braincodec.models.lea.tokenizer import TokenizerConfig
    >>> from braincodec.stimuli import StimulusSet
    >>> network = Tokenizer(TokenizerConfig(base_width=32, multipliers=(1, 2), blocks=1, codebook_size=8))
    >>> images = TrainingImages(StimulusSet.open(np.zeros((3, 8, 6, 3), np.uint8)))
    >>> tokens_of(network, images, torch.device("cpu"), progress=False).shape
    (3, 4, 3)
    """
    check_divides(tokenizer.config, images.height, images.width)
    network = placed(tokenizer, device, torch.float32)

    def encode(pixels: torch.Tensor) -> torch.Tensor:  # (tile, 3, height, width)
        return network.quantise(network.encode(as_values(pixels, device))).cpu()

    found = []
    with (
        torch.inference_mode(),
        fast_matmul(device),
        progress_bar("encode images", len(images), show=progress) as advance,
    ):
        for begin in range(0, len(images), IMAGES_READ_AT_ONCE):
            rows = np.arange(begin, min(begin + IMAGES_READ_AT_ONCE, len(images)))
            found.append(in_tiles(encode, images.pixels(rows), tile=tile_for(device), on_tile=advance).numpy())
    return np.concatenate(found)

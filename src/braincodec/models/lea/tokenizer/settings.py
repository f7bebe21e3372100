"""How the tokenizer is trained: its sizes, the terms of its loss, and what all trainings have."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from braincodec.errors import InputValueError
from braincodec.models.gradient_training.settings import TrainingSettings
from braincodec.models.lea.tokenizer.losses import Error
from braincodec.models.lea.tokenizer.network import Count, TokenizerConfig

ImageSize = Count | tuple[Count, Count]

SMALL: dict[str, Any] = {
    "base_width": 32,
    "groups": 8,
    "blocks": 1,
    "middle_blocks": 1,
    "code_width": 64,
    "codebook_size": 256,
}
SMALL_MULTIPLIERS = (1, 1, 2, 2, 4)  # of as many levels as the patch needs
SMALL_PATCHES = (16, 8, 4, 2)
LEAST_ROWS = 7  # of the small one's tokens, along the shorter side


class TokenizerSettings(TrainingSettings):
    """Settings of the tokenizer's training; see also `TrainingSettings`.

    Attributes
    ----------
    size : {"published", "small"}
        ``"small"`` trains on a processor in minutes; its patches leave at least seven rows of tokens.
    base_width, multipliers, blocks, middle_blocks, code_width, codebook_size, groups : optional
        As in `TokenizerConfig`, in place of what `size` says.
    image_size : int or (int, int), optional
        Height and width; an int makes squares: the middle of an image, then resized. Default: that of the images.
    flips : bool
        Whether images are mirrored at random. Not for digits or letters, where a flip makes another one.
    crops : float
        Least side of the squares that are cut out at random and brought back to full size; 1 cuts nothing.
    held_out : float
        Share of the images that is held out to choose the epoch, where there are no validation images.
    reconstruction : {"absolute", "squared"}
        Error of pixels.
    codebook, commitment : float
        Weights of the terms that move entries to vectors and vectors to entries.
    entropy, entropy_temperature : float
        Weight and temperature of the term that spreads use over the codebook; MaskGIT's weight is 0.1.
    restart : float
        Entries used less than so many times their fair share move to other places; 0 leaves them.
    perceptual : str
        Network that images are compared in: ``"auto"`` (LPIPS over VGG-16 where its weights have been downloaded, else
        ``"efficientnet_lite:0"``), ``"none"``, or the name of a backbone; ``"torchvision:vgg16"`` is LPIPS.
    perceptual_layers : tuple of str
        Layers of a backbone whose layers are not known here.
    perceptual_weight : float
        Beside a weight of 1 for the error of pixels.
    adversarial : float
        Weight of the adversarial term, in multiples of the reconstruction's pull on the last layer; 0 leaves it out,
        which suits a few hundred images.
    adversarial_start : float
        Share of all steps after which that term begins; the epoch that is kept is one of those that end after it.
    discriminator_width : int
        Channels of the discriminator's first convolution.
    start : str, optional
        Published checkpoint that training goes on from; it decides the sizes.

    Examples
    --------
    >>> settings = TokenizerSettings(size="small", codebook_size=128)
    >>> settings.network(64, 64).patch, settings.network(28, 28).patch, TokenizerSettings().network(256, 256).patch
    (8, 4, 16)
    """

    shown_as = "training of the tokenizer"

    size: Literal["published", "small"] = "published"
    base_width: Count | None = None
    multipliers: tuple[Count, ...] | None = None
    blocks: Count | None = None
    middle_blocks: int | None = Field(None, ge=0)
    code_width: Count | None = None
    codebook_size: int | None = Field(None, ge=2)
    groups: Count | None = None
    image_size: ImageSize | None = None
    flips: bool = False
    crops: float = Field(1.0, ge=0.3, le=1)
    held_out: float = Field(0.1, gt=0, lt=1)
    reconstruction: Error = "absolute"
    codebook: float = Field(1.0, gt=0, allow_inf_nan=False)
    commitment: float = Field(0.25, ge=0, allow_inf_nan=False)
    entropy: float = Field(0.0, ge=0, allow_inf_nan=False)
    entropy_temperature: float = Field(0.01, gt=0, allow_inf_nan=False)
    restart: float = Field(0.03, ge=0, lt=1)
    perceptual: str = "auto"
    perceptual_layers: tuple[str, ...] = ()
    perceptual_weight: float = Field(0.1, gt=0, allow_inf_nan=False)
    adversarial: float = Field(0.8, ge=0, allow_inf_nan=False)
    adversarial_start: float = Field(0.5, ge=0, lt=1)
    discriminator_width: int = Field(64, ge=8, multiple_of=8)
    start: str | None = None

    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(5e-4, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [name for name in ("size", *TokenizerConfig.model_fields) if name in self.model_fields_set]
        given = [name for name in given if getattr(self, name) is not None]
        if self.start is not None and given:
            raise ValueError(f"start decides the sizes; leave out {' and '.join(given)}")
        return self

    def network(self, height: int, width: int) -> TokenizerConfig:
        """Sizes of a network for images of so many pixels.

        Raises
        ------
        InputValueError
            When such images do not divide into patches, or sizes do not fit together.

        Examples
        --------
        >>> TokenizerSettings().network(28, 28)
        Traceback (most recent call last):
        braincodec.errors.InputValueError: images of 28 x 28 pixels do not divide into the tokenizer's patches of 16...
        """
        own = {name: getattr(self, name) for name in TokenizerConfig.model_fields}
        own = {name: value for name, value in own.items() if value is not None}
        chosen = {**SMALL, "multipliers": _small_multipliers(height, width)} if self.size == "small" else {}
        config = TokenizerConfig.parse({**chosen, **own})
        check_divides(config, height, width)
        return config


def check_divides(config: TokenizerConfig, height: int, width: int) -> None:
    """Refuse images that do not divide into patches.

    Raises
    ------
    InputValueError
    """
    if height % config.patch or width % config.patch:
        raise InputValueError(
            f"images of {height} x {width} pixels do not divide into the tokenizer's patches of {config.patch}; set "
            f"image_size to a multiple of {config.patch}, or size='small' or multipliers for another patch"
        )


def _small_multipliers(height: int, width: int) -> tuple[int, ...]:
    """Levels of the largest patch that leaves enough rows of tokens; of the smallest where none does."""
    for patch in SMALL_PATCHES:
        if not height % patch and not width % patch and min(height, width) >= LEAST_ROWS * patch:
            return SMALL_MULTIPLIERS[: patch.bit_length()]
    return SMALL_MULTIPLIERS[: SMALL_PATCHES[-1].bit_length()]

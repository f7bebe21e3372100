"""How the fMRI autoencoder is trained: its sizes, what is hidden from it, and what all trainings have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field

from braincodec.models.gradient_training.settings import TrainingSettings
from braincodec.models.lea.fmri_autoencoder.network import Count, FMRIAutoencoderConfig

SIZES: dict[str, dict[str, int]] = {
    "published": {
        "tokens_per_region": 32,
        "width": 1024,
        "depth": 24,
        "heads": 16,
        "latent": 1024,
        "decoder_width": 512,
        "decoder_depth": 8,
        "mlp_ratio": 1,
    },
    "small": {
        "tokens_per_region": 4,
        "width": 128,
        "depth": 3,
        "heads": 4,
        "latent": 256,
        "decoder_width": 128,
        "decoder_depth": 2,
        "mlp_ratio": 2,
    },
}
"""Sizes by name; the small ones train on 1,200 patterns in minutes on a processor."""


class FMRIAutoencoderSettings(TrainingSettings):
    """Settings of the fMRI autoencoder's training; see also `TrainingSettings`.

    Attributes
    ----------
    size : {"small", "published"}, optional
        Default: that of the network that training starts from, or else "small".
    tokens_per_region, width, depth, heads, latent, decoder_width, decoder_depth, mlp_ratio : int, optional
        In place of what `size` says; see `FMRIAutoencoderConfig`. Where training starts from another network, sizes
        that are given must be its own.
    dropout : float
        In the transformer's blocks.
    learning_rate : float
        Of a network 128 wide; wider ones take it in inverse proportion, as Adam wants it (Yang et al. 2022, Tensor
        Programs V).
    voxel_dropout : float
        Share of a pattern's voxels that is dropped when one subject's network is trained; those that remain are
        scaled up as much, so that a whole pattern is no surprise.
    hidden : float
        Share of the runs of voxels that is hidden in pre-training.
    hidden_run : int, optional
        Neighbouring voxels of a region that are hidden together in pre-training. None: whole regions.
    held_out : float
        Share of each data set's training stimuli that is held out to choose the epoch of a pre-training.

    Examples
    --------
    >>> FMRIAutoencoderSettings(size="published", depth=2).network([40, 25]).width
    1024
    """

    shown_as = "training of the fMRI autoencoder"

    size: Literal["small", "published"] | None = None
    tokens_per_region: Count | None = None
    width: Count | None = None
    depth: Count | None = None
    heads: Count | None = None
    latent: Count | None = None
    decoder_width: Count | None = None
    decoder_depth: Count | None = None
    mlp_ratio: Count | None = None
    dropout: float = Field(0.0, ge=0, lt=1)
    voxel_dropout: float = Field(0.1, ge=0, lt=1)
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    batch_size: int = Field(16, ge=1)
    epochs: int = Field(60, ge=1)
    patience: int | None = Field(15, ge=1)
    hidden: float = Field(0.75, gt=0, lt=1)
    hidden_run: Count | None = 16
    held_out: float = Field(0.1, gt=0, lt=1)

    @property
    def sizes(self) -> dict[str, int]:
        """Of a new network, all of them."""
        return SIZES[self.size or "small"] | self._own_sizes()

    @property
    def given_sizes(self) -> dict[str, int]:
        """Those that were given, by name or one by one."""
        return (SIZES[self.size] if self.size else {}) | self._own_sizes()

    def at_width(self, width: int) -> Self:
        """The same settings with the learning rate of a network of that width.

        Examples
        --------
        >>> FMRIAutoencoderSettings(learning_rate=0.002).at_width(512).learning_rate
        0.0005
        """
        factor = min(1.0, SIZES["small"]["width"] / width)
        return self.model_copy(update={"learning_rate": self.learning_rate * factor})

    def network(self, voxels: Sequence[int]) -> FMRIAutoencoderConfig:
        """Sizes of a network for regions of so many voxels.

        Raises
        ------
        InputValueError
            When the heads cannot share a width.
        """
        return FMRIAutoencoderConfig.parse({"voxels": tuple(voxels), **self.sizes, "dropout": self.dropout})

    def _own_sizes(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in SIZES["small"]}
        return {name: value for name, value in own.items() if value is not None}

"""How the token generator is trained: its sizes, what is hidden from it, and what all trainings have."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from braincodec.models.gradient_training.settings import TrainingSettings
from braincodec.models.lea.token_generator.network import Count, TokenGeneratorConfig

SIZES = {
    "published": {"width": 768, "depth": 24, "heads": 16},
    "small": {"width": 256, "depth": 4, "heads": 8},
}
"""Sizes by name; the small one trains on a processor in minutes."""


class TokenGeneratorSettings(TrainingSettings):
    """Settings of the token generator's training; see also `TrainingSettings`.

    Attributes
    ----------
    size : {"published", "small"}
    width, depth, heads : int, optional
        In place of what `size` says.
    dropout : float
        In the transformer.
    least_masked : float
        Share of an image's tokens that is hidden at least.
    label_smoothing : float
        Part of the target that is spread over the whole codebook.
    embedding_noise : float
        Of the image embedding in training, as a multiple of each dimension's standard deviation.
    embedding_dropped : float
        Share of the images that are shown without their embedding: zeros in its place.
    held_out : float
        Share of the images that is held out to choose the epoch, where there are no validation images.
    start : str, optional
        Published checkpoint that training goes on from; it decides the sizes. The layer that reads the embedding is a
        new one where the embedding has another number of values.

    Examples
    --------
    >>> TokenGeneratorSettings(size="small", depth=2).network(codebook_size=64, tokens=16, embedding=10).width
    256
    """

    shown_as = "training of the token generator"

    size: Literal["published", "small"] = "published"
    width: Count | None = None
    depth: Count | None = None
    heads: Count | None = None
    dropout: float = Field(0.1, ge=0, lt=1)
    least_masked: float = Field(0.5, ge=0, le=1)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    embedding_noise: float = Field(0.0, ge=0, allow_inf_nan=False)
    embedding_dropped: float = Field(0.0, ge=0, lt=1)
    held_out: float = Field(0.1, gt=0, lt=1)
    start: str | None = None

    learning_rate: float = Field(3e-4, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(0.045, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [name for name in ("size", "width", "depth") if getattr(self, name) not in (None, "published")]
        if self.start is not None and given:
            raise ValueError(f"start decides the sizes; leave out {' and '.join(given)}")
        return self

    def network(self, codebook_size: int, tokens: int, embedding: int) -> TokenGeneratorConfig:
        """Sizes of a network for such data.

        Raises
        ------
        InputValueError
            When the heads cannot share the width.
        """
        own = {name: getattr(self, name) for name in ("width", "depth", "heads")}
        chosen = SIZES[self.size] | {name: value for name, value in own.items() if value is not None}
        data = {"codebook_size": codebook_size, "tokens": tokens, "embedding": embedding}
        return TokenGeneratorConfig.parse({**data, **chosen, "dropout": self.dropout})

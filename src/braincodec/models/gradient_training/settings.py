"""Settings that every training by gradients has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from braincodec.config import Config


class TrainingSettings(Config):
    """How a network is trained; kinds of network add their own and change the defaults.

    Attributes
    ----------
    epochs : int
        At most; the best on validation examples is kept.
    patience : int, optional
        Stop after so many epochs without a better one. Default: never.
    batch_size : int
        Examples in one step.
    learning_rate : float
        The highest; it rises linearly during `warmup` and falls to zero along half a cosine.
    warmup : float
        Share of all steps.
    weight_decay : float
        Of AdamW; biases, norms and tokens are spared.
    gradient_limit : float, optional
        Largest norm of a gradient; longer ones are shortened.
    precision : {"auto", "float32", "bfloat16"}
        Of the network in training; ``"auto"`` is bfloat16 on GPUs that have it, and float32 elsewhere.
    seed : int
    """

    epochs: int = Field(100, ge=1)
    patience: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    warmup: float = Field(0.05, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    gradient_limit: float | None = Field(1.0, gt=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(0, ge=0)

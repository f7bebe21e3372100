"""How a model is judged: the arguments of `evaluate`, validated, and kept with its scores."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from braincodec.config import Config

Ceiling = Literal["auto", "variance_components", "split_half", "ncsnr", "units", "given", "none"]
Part = Literal["train", "validation", "test"]
Leakage = Literal["hash", "features", "off"]


class Settings(Config):
    """Everything that changes a score besides predictions and measurements."""

    shown_as: ClassVar[str] = "evaluate"

    part: Part = "test"
    metrics: tuple[str, ...] | None = None
    rois: tuple[str, ...] | None = None
    direction: Literal["auto", "encoding", "decoding"] = "auto"
    noise_ceiling: Ceiling = "auto"
    draws: int = Field(1000, ge=0)
    permutations: int = Field(1000, ge=0)
    level: float = Field(0.95, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    leakage: Leakage = "hash"
    rescale: Literal["transductive"] | None = None
    samples: int = Field(1, ge=1)

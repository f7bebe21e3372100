"""How the feature-weighted receptive-field network is trained: the published scheme, and what may be changed."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from braincodec.config import Config


class FwRFRecipe(Config):
    """Settings of the training.

    Attributes
    ----------
    epochs : int
        At most; the epoch with the best correlation on validation stimuli is kept.
    patience : int, optional
        Stop after so many epochs without a better one. Default: never.
    learning_rate : float
        Of Adam, for trunk and readouts.
    batch_size : int
        Examples in one step.
    dropout : float
        Part of the channels that are left out before each convolution of the trunk.
    momentum : float
        Weight of a new batch in the running statistics of the batch norm.
    sparsity : float
        L1 penalty on the readout's weights.
    weight_decay : float
        L2 penalty on all weights, as Adam adds it to the gradient.
    least_weight : float
        Errors are weighted by the squared correlation of prediction and response within the batch, at least by this.
    alternating : bool
        Each batch moves the trunk, and after another pass the readout; otherwise one pass moves both.
    repetitions : {"single", "average"}
        Whether each repetition is an example of its own.
    prefilter : str
        Where the first two convolutions start: ``"alexnet"``, ``"random"``, a file with AlexNet's weights, or
        ``"auto"``: AlexNet where its weights have been downloaded.
    train_prefilter, train_trunk : bool
        Whether the two first, and the other convolutions move.
    shift : int
        Augmentation: images are moved by up to so many pixels of 227.
    held_out : float
        Part of the training stimuli that is held out to choose the epoch, where there are no validation stimuli.
    rois : tuple of str
        A network for each of these regions, and one for all other units. Default: one network for all.
    start : str, optional
        The trained model that training goes on from: the path of its artefact.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Of trunk and pooling; ``"auto"`` is bfloat16 on GPUs that have it, and float32 elsewhere.
    seed : int
    """

    shown_as: ClassVar[str] = "FwRF"

    epochs: int = Field(75, ge=1)
    patience: int | None = Field(None, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    batch_size: int = Field(128, ge=2)
    dropout: float = Field(0.5, ge=0, lt=1)
    momentum: float = Field(0.25, gt=0, le=1)
    sparsity: float = Field(0.1, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    least_weight: float = Field(0.1, gt=0, le=1)
    alternating: bool = True
    repetitions: Literal["single", "average"] = "single"
    prefilter: str = "auto"
    train_prefilter: bool = True
    train_trunk: bool = True
    shift: int = Field(0, ge=0, le=32)
    held_out: float = Field(0.1, gt=0, lt=1)
    rois: tuple[str, ...] = ()
    start: str | None = None
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.rois)) != len(self.rois):
            raise ValueError(f"rois names a region twice: {', '.join(self.rois)}")
        return self

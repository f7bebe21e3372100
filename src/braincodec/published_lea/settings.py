"""What the published inference is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from braincodec.config import Config
from braincodec.subjects import Subject

# what a trained model was trained by
OF_TRAINING = (
    "autoencoder", "maskgit", "tokenizer", "configs", "image_embedding", "size", "preprocessing", "alpha", "intercept",
    "settings",
)  # fmt: skip


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _texts(value: Any) -> Any:
    given = (value,) if isinstance(value, str | Path) else value
    return tuple(_text(one) for one in given) if isinstance(given, list | tuple) else given


PathText = Annotated[str, BeforeValidator(_text)]


class InferenceSettings(Config):
    """Everything that decides what `lea_inference` gives.

    Attributes
    ----------
    dataset : {"god", "bold5000"}
    root : str
        Folder where the data set lies.
    subject : int or str
    model : str, optional
        Folder of a trained LEA; otherwise one is made of checkpoints, or trained.
    autoencoder, maskgit, tokenizer : str, optional
        Published checkpoints of the fMRI autoencoder of this subject, of the token generator (which may hold the
        tokenizer too), and of the tokenizer. What is not given is trained.
    configs : tuple of str
        LEA's published YAML files. Other settings take the place of what they say.
    image_embedding : str, optional
        Default: what the files say, else the published visual tower of open_clip.
    size : {"small", "published"}
        Of networks that are trained.
    preprocessing : {"training", "published"}
        "published": as the public code scales responses, which lets test patterns take part (BOLD5000) or leaves them
        unscaled (GOD).
    rescale : {"training", "none", "transductive"}
        Of predicted latents. "transductive": by mean and deviation of the test set's own predictions, as published.
    alpha : float, optional
        Of the ridge between the latents; published: 500. Default: chosen by cross-validation inside the training data.
    intercept : bool
        Of the map from fMRI to image embeddings; published: none.
    settings : dict
        Any other setting of `braincodec.LEA`, such as ``{"autoencoder": {"epochs": 3}}``.
    samples : int
        Images decoded of each response.
    metrics : tuple of str, optional
        Default: all.
    draws, permutations : int
        As in `braincodec.evaluate`.
    leakage : {"hash", "features", "off"}
    seed : int
    dtype : str
        Of networks that make images and responses.

    Examples
    --------
    >>> InferenceSettings.parse({"dataset": "god", "root": "data", "subject": 1, "model": "lea", "alpha": 500})
    Traceback (most recent call last):
    braincodec.errors.InputValueError: published inference: alpha is of the training; model 'lea' is trained already...
    """

    shown_as: ClassVar[str] = "published inference"

    dataset: Literal["god", "bold5000"]
    root: PathText
    subject: Subject
    model: PathText | None = None
    autoencoder: PathText | None = None
    maskgit: PathText | None = None
    tokenizer: PathText | None = None
    configs: Annotated[tuple[str, ...], BeforeValidator(_texts)] = ()
    image_embedding: str | None = None
    size: Literal["small", "published"] = "small"
    preprocessing: Literal["training", "published"] = "training"
    rescale: Literal["training", "none", "transductive"] = "training"
    alpha: float | None = Field(None, gt=0, allow_inf_nan=False)
    intercept: bool = True
    settings: dict[str, Any] = Field(default_factory=dict)
    samples: int = Field(5, ge=1)
    metrics: Annotated[tuple[str, ...] | None, BeforeValidator(_texts)] = None
    draws: int = Field(1000, ge=0)
    permutations: int = Field(1000, ge=0)
    leakage: Literal["hash", "features", "off"] = "hash"
    seed: int = Field(0, ge=0)
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [
            name for name in OF_TRAINING if name in self.model_fields_set and getattr(self, name) not in (None, ())
        ]
        if self.model is not None and given:
            raise ValueError(
                f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} of the training; model {self.model!r} is "
                "trained already: leave out one or the other"
            )
        return self

    def paths(self) -> list[str]:
        """Files and folders of models that the settings name."""
        named = (self.model, self.autoencoder, self.maskgit, self.tokenizer, *self.configs)
        return [path for path in named if path is not None]

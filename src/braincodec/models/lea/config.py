"""Settings of a trained LEA, and the names of its tensors."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from braincodec.config import Config
from braincodec.features import FeatureConfig
from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoderConfig

# names, or beginnings of names, of tensors
ORDER = "units.order"
SELECTED = "units.selected"
DECODING, ENCODING, HEAD, GENERATOR = "decoding.", "encoding.", "head.", "generator."
INVERSION = "inversion."


class StoredGenerator(Config):
    """Which image generator, and its settings.

    Attributes
    ----------
    kind : str
    settings : dict
        As its own class has them.
    """

    kind: str
    settings: dict[str, Any] = Field(default_factory=dict)


class LEAConfig(Config):
    """Settings of a trained `LEA`.

    Attributes
    ----------
    features : FeatureConfig
        What embeds images: network, layers, pooling, preprocessing.
    unit_length : bool
        Whether embeddings have unit length.
    regions : tuple of str
        In the order in which a pattern has them.
    voxels : tuple of int
        Of each region.
    unmeasured : int
        Units beside them that were NaN in every training trial: what is predicted for them is NaN.
    fmri_latent : {"autoencoder", "components", "voxels"}
    autoencoder : FMRIAutoencoderConfig, optional
        Its sizes, where there is one.
    generator : StoredGenerator
    rescale, encoding_rescale : {"training", "none"}
        How predicted embeddings, and predicted fMRI latents, are scaled unless a call says otherwise.
    """

    shown_as: ClassVar[str] = "LEA"

    features: FeatureConfig
    unit_length: bool
    regions: tuple[str, ...]
    voxels: tuple[int, ...]
    unmeasured: int = Field(0, ge=0)
    fmri_latent: Literal["autoencoder", "components", "voxels"]
    autoencoder: FMRIAutoencoderConfig | None = None
    generator: StoredGenerator
    rescale: Literal["training", "none"] = "training"
    encoding_rescale: Literal["training", "none"] = "none"

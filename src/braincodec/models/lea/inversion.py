"""Decoding by inversion of the encoding direction: what is needed to say how well an image explains a pattern.

An image explains a pattern when the encoding direction predicts the pattern's latents from it, up to noise. The noise
is that of held-out training stimuli: what the encoding direction missed of them, correlated over voxels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from braincodec.config import Config
from braincodec.device import resolve_device
from braincodec.errors import InputValueError
from braincodec.image_generators.deformed_images import DeformedImages
from braincodec.image_generators.evidence import Evidence
from braincodec.models.tensors import check_tensor_shapes

if TYPE_CHECKING:
    from braincodec.features import FeatureExtractor
    from braincodec.models.lea.aligned import AlignedEncoder
    from braincodec.models.lea.alignment import LatentMap

Floats = NDArray[np.float32]
LARGEST = 255.0  # value of a pixel


class InversionSettings(Config):
    """Settings of `fit_inversion`.

    Attributes
    ----------
    least_r2 : float
        Latents of which out-of-fold predictions explain less of the variance say nothing.
    shrinkage : float
        Of the correlations of the noise, towards none: there are fewer stimuli than latents to estimate them from.
    components : int
        Directions of the whitened latents that are kept, those along which training embeddings move predictions most.
    """

    shown_as: ClassVar[str] = "inversion"

    least_r2: float = Field(0.15, ge=0, lt=1)
    shrinkage: float = Field(0.7, gt=0, le=1)
    components: int = Field(150, ge=1)


@dataclass(frozen=True, eq=False)
class Inversion:
    """How latents, and embeddings, become evidence with independent noise of variance 1.

    Parameters
    ----------
    whitening : array of float32, shape (latent, evidence)
    projection : array of float32, shape (dimension, evidence)
        Weights of the encoding direction, whitened.
    offset : array of float32, shape (evidence,)
    """

    whitening: Floats
    projection: Floats
    offset: Floats

    def evidence(self, latents: Floats) -> Evidence:
        """What images are to explain, of latents (stimuli, latent)."""
        values = latents.astype(np.float64) @ self.whitening
        return Evidence(
            *(torch.from_numpy(np.asarray(part, np.float32)) for part in (values, self.projection, self.offset))
        )

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of it by name."""
        return {name: torch.from_numpy(value) for name, value in vars(self).items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> Self:
        """Those that `tensors` of earlier ones make up.

        Raises
        ------
        InputValueError
        """
        size = len(tensors.get("offset", ()))
        check_tensor_shapes(tensors, {"whitening": (None, size), "projection": (None, size), "offset": (size,)})
        return cls(*(tensors[name].detach().cpu().float().numpy() for name in ("whitening", "projection", "offset")))


def fit_inversion(encoding: LatentMap, residuals: Floats, embeddings: Floats, settings: InversionSettings) -> Inversion:
    """Whiten the encoding direction by the noise of held-out stimuli.

    Parameters
    ----------
    encoding : LatentMap
        From embeddings to latents.
    residuals : array, shape (trials, latent)
        Of out-of-fold predictions of latents.
    embeddings : array, shape (stimuli, dimension)
        Of training images.
    settings : InversionSettings

    Raises
    ------
    InputValueError
        When no latent is predicted well enough.

    Examples
    --------
    >>> from braincodec.models.lea.alignment import fit_alignment
    >>> random = np.random.default_rng(0)
    >>> embeddings = random.normal(size=(50, 3)).astype(np.float32)
    >>> latents = embeddings @ random.normal(size=(3, 20)) + random.normal(size=(50, 20))
    >>> encoding = fit_alignment(embeddings, latents)
    >>> found = fit_inversion(encoding, latents - encoding.predict(embeddings), embeddings, InversionSettings())
    >>> found.projection.shape
    (3, 3)
    """
    good = np.flatnonzero(np.nan_to_num(encoding.r2, nan=-1.0) >= settings.least_r2)
    if not len(good):
        raise InputValueError(
            f"the encoding direction explains at least {settings.least_r2:.0%} of no fMRI latent out of fold, so it "
            "cannot be inverted; choose another image embedding, or least_r2 nearer 0"
        )
    root = np.linalg.cholesky(shrunk_covariance(residuals[:, good], settings.shrinkage))
    # a row of latents x becomes x @ inverse.T, of covariance 1
    inverse = np.linalg.solve(root, np.eye(len(good)))
    weights = encoding.weights[:, good].astype(np.float64) @ inverse.T  # (dimension, good)
    moved = (embeddings - embeddings.mean(0, dtype=np.float64)) @ weights
    kept = min(settings.components, *moved.shape, np.linalg.matrix_rank(moved))
    axes = np.linalg.svd(moved, full_matrices=False)[2][:kept].T  # (good, evidence)
    whitening = np.zeros((len(encoding.r2), kept))
    whitening[good] = inverse.T @ axes
    offset = encoding.intercept @ whitening
    return Inversion(*(np.asarray(part, np.float32) for part in (whitening, weights @ axes, offset)))


def shrunk_covariance(residuals: NDArray[np.floating], shrinkage: float) -> NDArray[np.float64]:
    """Second moments of rows, whose correlations are shrunk towards none; variances are as they are.

    Parameters
    ----------
    residuals : array, shape (rows, columns)
    shrinkage : float
        1 leaves no correlation.

    Examples
    --------
    >>> shrunk_covariance(np.array([[2.0, 1.0], [-2.0, -1.0]]), 0.5).tolist()
    [[4.0, 1.0], [1.0, 1.0]]
    """
    moments = residuals.T.astype(np.float64) @ residuals / len(residuals)
    return (1 - shrinkage) * moments + shrinkage * np.diag(np.diag(moments))


class DifferentiableEmbedding:
    """A feature extractor as `DeformedImages` takes it: from images of values in 0..1 to embeddings, with gradients.

    Parameters
    ----------
    extractor : FeatureExtractor
    unit_length : bool

    Raises
    ------
    InputValueError
        When the size of the images that the network takes depends on the image.
    """

    def __init__(self, extractor: FeatureExtractor, unit_length: bool) -> None:
        preprocessing = extractor.preprocessing
        if preprocessing.output_size is None:
            raise InputValueError("the image embedding takes images of any size; set image_size, to deform them at one")
        self.size = preprocessing.output_size
        self._extractor, self._unit_length = extractor, unit_length
        self._scale = LARGEST / preprocessing.divisor
        self._mean, self._std = (torch.tensor(v).view(3, 1, 1) for v in (preprocessing.mean, preprocessing.std))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, dimension), on the device of the images."""
        mean, std = self._mean.to(images.device), self._std.to(images.device)
        features = self._extractor((images * self._scale - mean) / std)
        found = torch.cat([one.float() for one in features.values()], 1).to(images.device)
        return torch.nn.functional.normalize(found, dim=1) if self._unit_length else found


def explain(
    model: AlignedEncoder,
    latents: Floats,
    *,
    device: str = "auto",
    dtype: str = "float32",
    one_network_at_a_time: bool = False,
    **options: Any,
) -> NDArray[np.uint8]:
    """Images from which the encoding direction of a model predicts latents.

    Parameters
    ----------
    model : AlignedEncoder
        With an `inversion`.
    latents : array of float32, shape (stimuli, latent)
    device, dtype, one_network_at_a_time
        As of `ImageGenerator.generate`. The search needs gradients, and is in float32 whatever `dtype` says; there is
        one network.
    **options
        Others of `DeformedImages.explain`.

    Returns
    -------
    array of uint8, shape (stimuli, samples, height, width, 3)
    """
    generator = model.generator
    assert isinstance(generator, DeformedImages)
    assert model.inversion is not None
    place = resolve_device(device)
    generator.embed_by(model.differentiable_embedding(place))
    return generator.explain(model.inversion.evidence(latents), device=place, **options)

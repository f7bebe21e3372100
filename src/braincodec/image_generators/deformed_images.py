"""Training images, deformed until they explain what was measured: Bayesian reconstruction with a prior of shapes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from braincodec.device import fast_matmul, resolve_device
from braincodec.errors import InputValueError, NotTrainedError
from braincodec.image_generators.base import GeneratorConfig, ImageGenerator
from braincodec.image_generators.deformation import DeformationConfig, deform, enlarged
from braincodec.image_generators.evidence import Evidence
from braincodec.image_generators.images import ImageSize, read_images
from braincodec.image_generators.request import Request
from braincodec.image_generators.sampling import sample_generator
from braincodec.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from braincodec.stimuli import StimulusSet

CANDIDATES_AT_ONCE = 250
# moments of Adam: short memories, for some tens of steps
MOMENTS = (0.9, 0.95)
LARGEST = 255.0  # value of a pixel


class Embedder(Protocol):
    """A network that embeds images, with gradients.

    Attributes
    ----------
    size : (int, int)
        Height and width of the images that it takes.
    """

    size: tuple[int, int]

    def __call__(self, images: Tensor) -> Tensor:
        """Embeddings (n, dimension) of images (n, 3, *size) with values in 0..1."""


class DeformedImagesConfig(GeneratorConfig):
    """Settings of `DeformedImages`.

    Attributes
    ----------
    image_size : int or (int, int), optional
        Of the training images and of what is given back; default: as they are, all of one size.
    deformation : DeformationConfig
        How far training images are deformed.
    candidates : int
        Deformed images, drawn once for all patterns, among which the search begins.
    particles : int
        How many of them each sample begins with, and whose mean the image is. One is sharper; the mean is nearer.
    steps : int
        Of gradient descent on the deformations of each particle.
    step_size : float
        Of the first step; it falls to nothing.
    temperature : float
        By how much the variance of the noise is enlarged: no deformed training image is quite what was seen, and what
        is said of the noise is not quite true.
    first_temperature : float
        The same for the choice among candidates, which lie far apart.
    embedding_noise : float
        Standard deviation of predicted embeddings about those of the images, the same for all dimensions, in root mean
        square deviations of training embeddings; where only embeddings are given.
    """

    shown_as = "deformed images"

    image_size: ImageSize | None = None
    deformation: DeformationConfig = Field(default_factory=lambda: DeformationConfig.parse({}))
    candidates: int = Field(3000, ge=1)
    particles: int = Field(32, ge=1)
    steps: int = Field(40, ge=0)
    step_size: float = Field(0.1, gt=0)
    temperature: float = Field(8.0, gt=0)
    first_temperature: float = Field(15.0, gt=0)
    embedding_noise: float = Field(1.0, gt=0)


class DeformedImages(ImageGenerator):
    """The mean of training images that were deformed until they explain what was measured.

    Which training image, and how it is deformed (turned, sheared, scaled, shifted, bent, its strokes thicker or
    thinner), is found by its posterior: deformations are standard normal beforehand, and evidence is Gaussian. Of
    candidates drawn from the prior some are taken by their likelihood, and each descends to a near maximum of its
    posterior. For few images of one kind, such as digits or letters, whose shapes a deformation leaves in the kind.

    A `LEA` with this generator gives it patterns as evidence: an image is good when the encoding direction predicts
    the measured pattern from it (Bayesian reconstruction; Naselaris et al. 2009, Neuron). `generate` takes predicted
    embeddings for evidence, as of any generator. Both need a network that embeds deformed images: `embed_by`.

    Parameters
    ----------
    **settings
        Those of `DeformedImagesConfig`.

    Examples
    --------
    >>> from braincodec.stimuli import StimulusSet
    >>> class Middle:  # embeds by the brightness of a pixel
    ...     size = (6, 6)
    ...     def __call__(self, images):
    ...         return images[:, 0, 2:4, 2]
    >>> seen = np.zeros((2, 6, 6, 3), np.uint8)
    >>> seen[1, :, 2:] = 255
    >>> generator = DeformedImages(candidates=20, particles=2, steps=2, embedding_noise=0.01)
    >>> generator = generator.fit(StimulusSet.open(seen), [[0, 0], [1, 1]]).embed_by(Middle())
    >>> images = generator.generate([[1.0, 1.0]])
    >>> images.shape, bool(images[0, 0, :, 2:5].mean() > 200)
    ((1, 1, 6, 6, 3), True)
    """

    kind, config_class = "deformed_images", DeformedImagesConfig
    inverts_encoding = needs_one_size = True
    config: DeformedImagesConfig
    _embedder: Embedder | None = None

    def embed_by(self, embedder: Embedder) -> DeformedImages:
        """Take a network that embeds deformed images as training images were embedded.

        Returns
        -------
        DeformedImages
            Itself.
        """
        self._embedder = embedder
        return self

    def explain(
        self,
        evidence: Evidence,
        *,
        n_samples: int = 1,
        seed: int = 0,
        stimuli: Sequence[int] | None = None,
        device: str | torch.device = "auto",
        progress: bool | None = None,
    ) -> NDArray[np.uint8]:
        """Images that explain evidence.

        Parameters
        ----------
        evidence : Evidence
            Of n stimuli.
        n_samples, seed, stimuli, device, progress
            As of `generate`. Samples begin with particles of their own.

        Returns
        -------
        array of uint8, shape (n, n_samples, height, width, 3)

        Raises
        ------
        NotTrainedError
            Also when no network embeds deformed images.
        """
        _ = self.embedding
        place = resolve_device(device)
        observed = evidence.to(place)
        numbers = range(len(observed.values)) if stimuli is None else stimuli
        with (
            fast_matmul(place),
            progress_bar("deform images", len(observed.values) * n_samples, show=progress) as advance,
        ):
            candidates = self._candidates(seed, place, observed)
            found = torch.stack([
                self._mean_image(one, candidates, sample_generator(seed, number, sample), advance)
                for one, number in zip(observed.rows(), numbers, strict=True)
                for sample in range(n_samples)
            ])  # fmt: skip
        return found.cpu().numpy().reshape(-1, n_samples, *found.shape[1:])

    def _fit(
        self,
        images: StimulusSet,
        embeddings: NDArray[np.float32],
        *,
        workspace: Path | None,
        device: torch.device,
        progress: bool | None,
    ) -> None:
        self._images = torch.from_numpy(read_images(images, self.config.image_size, progress=progress))
        self._spread = torch.from_numpy(embeddings.std(0))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Training images (n, height, width, 3) of uint8, and the standard deviation of each embedding dimension."""
        _ = self.embedding
        return {"images": self._images, "spread": self._spread}

    def _load(self, tensors: dict[str, torch.Tensor]) -> int:
        from braincodec.models.tensors import check_tensor_shapes

        check_tensor_shapes(tensors, {"images": (None, None, None, 3), "spread": (None,)})
        self._images, self._spread = tensors["images"], tensors["spread"].float()
        if self._images.dtype != torch.uint8:
            raise InputValueError("images to deform are stored as uint8")
        return len(self._spread)

    def _generate(self, request: Request) -> NDArray[np.uint8]:
        noise = self.config.embedding_noise * self._spread.square().mean().sqrt() or torch.tensor(1.0)
        count = len(self._spread)
        evidence = Evidence(request.embeddings / noise, torch.eye(count) / noise, torch.zeros(count))
        return self.explain(
            evidence,
            n_samples=request.n_samples,
            seed=request.seed,
            stimuli=request.stimuli,
            device=request.device,
            progress=False,
        )

    def _parents(self, device: torch.device) -> Tensor:
        """Training images as they are deformed: (n, 3, larger height, larger width), values in 0..1."""
        return enlarged(self._images.to(device).movedim(-1, 1).float() / LARGEST)

    def _embedded(self, images: Tensor) -> Tensor:
        if self._embedder is None:
            raise NotTrainedError(
                "deformed_images has no network that embeds deformed images: it is that of the LEA it belongs to, or "
                "the one given by embed_by"
            )
        return self._embedder(images)

    def _candidates(self, seed: int, device: torch.device, evidence: Evidence) -> _Candidates:
        """Deformations drawn from the prior, as many of each training image, and what evidence they would give."""
        count, settings = self.config.candidates, self.config.deformation
        parents = torch.arange(count) % len(self._images)
        drawn = torch.randn(count, settings.dimension, generator=sample_generator(seed, 0, 0))
        images = self._parents(device)
        parents, drawn = parents.to(device), drawn.to(device)
        size = self._size_of_embedder()
        predicted = []
        with torch.no_grad():
            for begin in range(0, count, CANDIDATES_AT_ONCE):
                part = slice(begin, begin + CANDIDATES_AT_ONCE)
                deformed = deform(images[parents[part]], drawn[part], size, settings)
                predicted.append(evidence.predicted(self._embedded(deformed)))
        return _Candidates(images, parents, drawn, torch.cat(predicted))

    def _size_of_embedder(self) -> tuple[int, int]:
        if self._embedder is None:
            return (1, 1)  # where it is missing, the first use of it says so
        return self._embedder.size

    def _mean_image(
        self, evidence: Evidence, candidates: _Candidates, generator: torch.Generator, advance: Any
    ) -> Tensor:
        """Image of uint8 (height, width, 3) for one stimulus's evidence."""
        settings = self.config
        distance = evidence.squared_distance(candidates.predicted)
        likelihood = torch.softmax(-distance / (2 * settings.first_temperature), 0).cpu()
        chosen = torch.multinomial(likelihood, settings.particles, replacement=True, generator=generator)
        chosen = chosen.to(distance.device)
        images = candidates.images[candidates.parents[chosen]]  # (particles, 3, height, width)
        parameters = self._descend(evidence, images, candidates.parameters[chosen])
        size = (self._images.shape[1], self._images.shape[2])
        with torch.no_grad():
            mean = deform(images, parameters, size, settings.deformation).mean(0)
        advance(1)
        return (mean * LARGEST).round().clamp(0, LARGEST).byte().movedim(0, -1)

    def _descend(self, evidence: Evidence, images: Tensor, start: Tensor) -> Tensor:
        """Parameters near maxima of their posterior."""
        settings = self.config
        size = self._size_of_embedder()
        parameters = start.clone().requires_grad_()
        optimiser = torch.optim.Adam([parameters], lr=settings.step_size, betas=MOMENTS)
        for step in range(settings.steps):
            for group in optimiser.param_groups:
                group["lr"] = settings.step_size * (1 - step / settings.steps)
            embeddings = self._embedded(deform(images, parameters, size, settings.deformation))
            distance = evidence.squared_distance(evidence.predicted(embeddings))
            loss = distance.sum() / (2 * settings.temperature) + (parameters**2).sum() / 2
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return parameters.detach()


class _Candidates:
    """Deformed images: their parents, enlarged, whose is whose, their parameters, and the evidence they would give."""

    def __init__(self, images: Tensor, parents: Tensor, parameters: Tensor, predicted: Tensor) -> None:
        self.images, self.parents, self.parameters, self.predicted = images, parents, parameters, predicted

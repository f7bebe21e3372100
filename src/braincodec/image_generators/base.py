"""What an image generator promises, and the registry of its kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from braincodec.config import Config
from braincodec.device import resolve_device, resolve_dtype
from braincodec.errors import InputValueError, NotTrainedError
from braincodec.image_generators.images import refuse_several_sizes
from braincodec.image_generators.request import Request, check_embeddings, check_sampling
from braincodec.progress import progress_bar
from braincodec.registry import Registry

if TYPE_CHECKING:
    import torch

    from braincodec.stimuli import StimulusSet

IMAGE_GENERATORS = Registry(
    "image generator",
    entry_point_group="braincodec.image_generators",
    built_in={
        "retrieval": "braincodec.image_generators.retrieval:Retrieval",
        "deformed_images": "braincodec.image_generators.deformed_images:DeformedImages",
        "pixel_components": "braincodec.image_generators.pixel_components:PixelComponents",
        "latent_autoencoder": "braincodec.image_generators.latent_autoencoder:LatentAutoencoder",
        "maskgit": "braincodec.image_generators.maskgit:MaskGIT",
        "diffusion": "braincodec.image_generators.diffusion:Diffusion",
        "ip_adapter": "braincodec.image_generators.ip_adapter:IPAdapter",
    },
)


class ImageEmbedding(Config):
    """What a generator is conditioned on.

    Attributes
    ----------
    name : str
        Of the embedding, such as ``"open_clip:ViT-B-32/laion2b_s34b_b79k"``; empty where it was not said.
    dimension : int
        Values for each image.
    """

    name: str = ""
    dimension: int = Field(ge=1)


class GeneratorConfig(Config):
    """Settings that every generator has.

    Attributes
    ----------
    embedding : str
        Name of the image embedding; only told, never looked up.
    """

    embedding: str = ""


class ImageGenerator(ABC):
    """Images from image embeddings.

    Made untrained by its settings and trained by `fit`, or made trained from stored parts by `from_parts`. A kind is a
    subclass in one file, with `config_class`, `_fit`, `_generate`, `tensors` and `_load`, and a line in
    `IMAGE_GENERATORS`.

    Parameters
    ----------
    **settings
        Those of `config_class`.

    Examples
    --------
    >>> from braincodec.stimuli import StimulusSet
    >>> photographs = StimulusSet.open(np.stack([np.full((4, 6, 3), grey, np.uint8) for grey in (0, 100, 200)]))
    >>> generator = IMAGE_GENERATORS.get("retrieval")(embedding="mine").fit(photographs, np.eye(3))
    >>> generator.embedding
    ImageEmbedding(name='mine', dimension=3)
    >>> images = generator.generate([[0.1, 0.9, 0.0]], n_samples=2)
    >>> images.shape, images[0, :, 0, 0, 0].tolist()
    ((1, 2, 4, 6, 3), [100, 0])
    >>> again = type(generator).from_parts(generator.config.model_dump(), generator.tensors())
    >>> bool((again.generate([[0.1, 0.9, 0.0]], n_samples=2) == images).all())
    True
    """

    kind: ClassVar[str]
    config_class: ClassVar[type[GeneratorConfig]] = GeneratorConfig
    # whether it searches for images that explain patterns by the encoding direction; see `DeformedImages`
    inverts_encoding: ClassVar[bool] = False
    # whether it is fitted to pixels, of images of one size: that which its settings name as `image_size`, or their own
    needs_one_size: ClassVar[bool] = False

    config: Any
    _dimension: int | None = None

    def __init__(self, **settings: Any) -> None:
        self.config = self.config_class.parse(settings)

    @classmethod
    def from_parts(cls, config: dict[str, Any], tensors: Mapping[str, torch.Tensor]) -> Self:
        """The trained generator that `config` and `tensors` of an earlier one make up.

        Raises
        ------
        InputValueError
            When they do not fit together.
        """
        generator = object.__new__(cls)  # settings may name files that are not here
        generator.config = cls.config_class.parse(dict(config))
        generator._dimension = generator._load(dict(tensors))
        return generator

    @property
    def embedding(self) -> ImageEmbedding:
        """What it is conditioned on.

        Raises
        ------
        NotTrainedError
        """
        if self._dimension is None:
            raise NotTrainedError(f"this {self.kind} generator is not trained; call fit, or load a trained one")
        return ImageEmbedding(name=self.config.embedding, dimension=self._dimension)

    @property
    def trained(self) -> bool:
        """Whether it can generate."""
        return self._dimension is not None

    def check_images(self, images: StimulusSet) -> None:
        """Refuse images of several sizes where one is needed; before embeddings are computed, which takes long.

        Raises
        ------
        InputValueError
            Names two of them, and the setting that brings all to one size.
        """
        if self.needs_one_size and self.config.image_size is None:
            refuse_several_sizes(images, self.kind)

    def fit(
        self,
        images: StimulusSet,
        embeddings: ArrayLike,
        *,
        workspace: str | Path | None = None,
        device: str | torch.device = "auto",
        progress: bool | None = None,
    ) -> Self:
        """Learn to make images of embeddings.

        Parameters
        ----------
        images : StimulusSet
            At least two.
        embeddings : array_like, shape (images, dimension)
            Of the same images in the same order, as float32.
        workspace : str or Path, optional
            Where networks that are trained keep checkpoints, so that a call that was interrupted goes on when it is
            made again. Default: nothing is kept.
        device : str
            For networks.
        progress : bool, optional
            Default: a bar when stderr is a terminal.

        Returns
        -------
        Self

        Raises
        ------
        InputTypeError, InputValueError
            When numbers do not fit, values are not finite, or images have several sizes and no size was set.
        """
        array = check_embeddings(embeddings)
        if len(images) != len(array):
            raise InputValueError(f"{len(images)} images need as many embeddings, got {len(array)}")
        if len(images) < 2:
            raise InputValueError(f"a {self.kind} generator is fitted to at least 2 images, got {len(images)}")
        place = resolve_device(device)
        self.check_images(images)
        self._dimension = None  # what is replaced must not be used where fitting fails half-way
        folder = None if workspace is None else Path(workspace).expanduser()
        self._fit(images, array, workspace=folder, device=place, progress=progress)
        self._dimension = array.shape[1]
        return self

    def generate(
        self,
        embeddings: ArrayLike,
        *,
        n_samples: int = 1,
        seed: int = 0,
        stimuli: Sequence[int] | None = None,
        device: str | torch.device = "auto",
        dtype: str = "float32",
        one_network_at_a_time: bool = False,
        progress: bool | None = None,
    ) -> NDArray[np.uint8]:
        """Images of embeddings.

        Parameters
        ----------
        embeddings : array_like, shape (n, dimension)
        n_samples : int
            Images for each embedding.
        seed : int
            Not negative. In float32 on one machine, a sample depends on nothing but its embedding, the seed, the
            number of its stimulus and its own number.
        stimuli : sequence of int, optional
            Number of each row's stimulus, where `embeddings` is a part of more. Default: 0 to n - 1.
        device : str
        dtype : {"float32", "bfloat16", "float16"}
            For networks.
        one_network_at_a_time : bool
            Free a network's copy on the device before the next one is placed there, and keep none for later calls.
        progress : bool, optional
            Default: a bar when stderr is a terminal.

        Returns
        -------
        array of uint8, shape (n, n_samples, height, width, 3)

        Raises
        ------
        NotTrainedError
        InputTypeError, InputValueError
            For no samples, a negative seed, another width than `embedding` says, or values that are not finite.
        """
        import torch

        dimension = self.embedding.dimension
        array = check_embeddings(embeddings, dimension)
        numbers = tuple(range(len(array))) if stimuli is None else tuple(int(number) for number in stimuli)
        check_sampling(n_samples, seed, numbers, len(array))
        place, number_type = resolve_device(device), resolve_dtype(dtype)
        with progress_bar("generate", len(array) * n_samples, show=progress) as advance:
            request = Request(
                embeddings=torch.from_numpy(array),
                n_samples=int(n_samples),
                seed=int(seed),
                stimuli=numbers,
                device=place,
                dtype=number_type,
                one_network_at_a_time=one_network_at_a_time,
                advance=advance,
            )
            return self._generate(request)

    @abstractmethod
    def tensors(self) -> dict[str, torch.Tensor]:
        """What is stored beside `config`: all that `from_parts` needs."""

    @abstractmethod
    def _fit(
        self,
        images: StimulusSet,
        embeddings: NDArray[np.float32],
        *,
        workspace: Path | None,
        device: torch.device,
        progress: bool | None,
    ) -> None:
        """Learn from checked input."""

    @abstractmethod
    def _generate(self, request: Request) -> NDArray[np.uint8]:
        """Images, shape (n, n_samples, height, width, 3)."""

    @abstractmethod
    def _load(self, tensors: dict[str, torch.Tensor]) -> int:
        """Take over stored tensors; gives the dimension of the embedding."""

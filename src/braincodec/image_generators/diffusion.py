"""Latent diffusion conditioned on an image embedding alone: the decoder of unCLIP, as in Kandinsky 2.2.

The networks and the noise schedule are diffusers'; no text model is needed, and `transformers` neither.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError

from braincodec.device import fast_matmul
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, NotTrainedError
from braincodec.image_generators.base import GeneratorConfig, ImageGenerator
from braincodec.image_generators.diffusers_models import import_diffusers
from braincodec.image_generators.images import ImageSize
from braincodec.image_generators.latent_autoencoder import as_pixels
from braincodec.image_generators.request import Request
from braincodec.image_generators.sampling import Copies, sample_generator
from braincodec.models.lea.tiles import in_tiles, tile_for

if TYPE_CHECKING:
    import numpy as np

    from braincodec.stimuli import StimulusSet

WHAT = "image generation by diffusion"
PARTS = ("unet", "movq", "scheduler")
CLASSES = {"unet": ("UNet2DConditionModel",), "movq": ("VQModel",)}
LEARNED = ("learned", "learned_range")  # variances that the network predicts beside the noise


class DiffusionConfig(GeneratorConfig):
    """Settings of `Diffusion`.

    Attributes
    ----------
    pipeline : str, optional
        Folder with ``unet``, ``movq`` and ``scheduler`` as diffusers saves them, such as a copy of
        ``kandinsky-community/kandinsky-2-2-decoder``; of a stored generator, its name.
    steps : int
        Of denoising.
    guidance : float
        How far to go beyond what the embedding alone says, away from the empty one; 1 is not at all.
    image_size : int or (int, int)
        Height and width.
    networks : dict
        Settings of networks and schedule, filled in when there are any.
    """

    shown_as = "diffusion"

    pipeline: str | None = None
    steps: int = Field(50, ge=1)
    guidance: float = Field(4.0, ge=1, allow_inf_nan=False)
    image_size: ImageSize = 512
    networks: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Networks(NamedTuple):
    """What denoises, what decodes, and the schedule of noise; diffusers' objects."""

    unet: Any
    movq: Any
    scheduler: Any


class Diffusion(ImageGenerator):
    """Images of a pretrained diffusion model that is conditioned on an image embedding.

    The empty embedding that guidance leads away from is zero until `fit` makes it the mean of the embeddings given;
    nothing else is learned. Embeddings must be those that the model was trained with, neither centred nor scaled.

    Parameters
    ----------
    **settings
        Those of `DiffusionConfig`; the folder is read at once.
    """

    kind, config_class = "diffusion", DiffusionConfig
    config: DiffusionConfig
    _networks: Networks
    _copies: Copies
    _empty: torch.Tensor

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.config.pipeline is not None:
            networks = open_networks(self.config.pipeline)
            self.config = self.config.model_copy(update={"pipeline": Path(self.config.pipeline).name})
            self._take(networks)

    @classmethod
    def over(cls, unet: Any, movq: Any, scheduler: Any, **settings: Any) -> Self:
        """A generator over diffusers' objects in memory.

        Raises
        ------
        InputValueError
            When the network is not conditioned on an image embedding, or cannot make images of the size set.
        """
        generator = cls(**settings)
        generator._take(Networks(unet, movq, scheduler))
        return generator

    def _take(self, networks: Networks) -> None:
        unet = networks.unet.config
        if (unet.encoder_hid_dim_type, unet.addition_embed_type) != ("image_proj", "image"):
            raise InputValueError(
                "diffusion: the network is not conditioned on an image embedding alone "
                f"(encoder_hid_dim_type {unet.encoder_hid_dim_type!r}, expected 'image_proj')"
            )
        whole = self._patch(networks) * 2 ** (len(unet.block_out_channels) - 1)
        if any(side % whole for side in self._size):
            raise InputValueError(f"diffusion: image_size must be multiples of {whole}, got {self.config.image_size}")
        self._networks, self._copies = networks, Copies()
        self._empty = torch.zeros(unet.encoder_hid_dim)
        self._dimension = unet.encoder_hid_dim
        described = {
            part: {"_class_name": type(one).__name__, **{n: v for n, v in one.config.items() if not n.startswith("_")}}
            for part, one in zip(PARTS, networks, strict=True)
        }
        self.config = self.config.model_copy(update={"networks": described})

    @staticmethod
    def _patch(networks: Networks) -> int:
        return int(2 ** (len(networks.movq.config.block_out_channels) - 1))

    @property
    def _size(self) -> tuple[int, int]:
        size = self.config.image_size
        return size if isinstance(size, tuple) else (size, size)

    def _fit(
        self,
        images: StimulusSet,
        embeddings: NDArray[np.float32],
        *,
        workspace: Path | None,
        device: torch.device,
        progress: bool | None,
    ) -> None:
        if not self.config.networks:
            raise NotTrainedError("diffusion has no networks; give pipeline, a folder as diffusers saves it")
        self._dimension = expected = len(self._empty)
        if embeddings.shape[1] != expected:
            raise InputValueError(
                f"the diffusion model reads embeddings of {expected} values, got {embeddings.shape[1]}; "
                "choose the image embedding that it was trained with"
            )
        self._empty = torch.from_numpy(embeddings.mean(0, dtype=float)).float()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights of both networks, and the empty embedding."""
        _ = self.embedding
        weights = {
            f"{part}.{name}": value
            for part, network in (("unet", self._networks.unet), ("movq", self._networks.movq))
            for name, value in network.state_dict().items()
        }
        return {**weights, "empty": self._empty}

    def _load(self, tensors: dict[str, torch.Tensor]) -> int:
        built = {}
        for part in PARTS:
            settings = dict(self.config.networks.get(part, {}))
            kind = _class_of(part, settings, "diffusion")
            settings.pop("_class_name")
            if part == "scheduler":
                built[part] = kind.from_config(settings)
                continue
            weights = {n.removeprefix(f"{part}."): t for n, t in tensors.items() if n.startswith(f"{part}.")}
            built[part] = kind.from_config(settings).eval()
            try:
                built[part].load_state_dict(weights, assign=True)
            except RuntimeError as error:
                raise InputValueError(f"diffusion: the stored {part} does not fit its settings: {error}") from None
        self._take(Networks(**built))
        if tuple(tensors.get("empty", torch.zeros(0)).shape) != self._empty.shape:
            raise InputValueError(f"diffusion: the empty embedding is not stored with {len(self._empty)} values")
        self._empty = tensors["empty"]
        return len(self._empty)

    def _generate(self, request: Request) -> NDArray[np.uint8]:
        keep = not request.one_network_at_a_time
        samples = [(row, n, k) for row, n in enumerate(request.stimuli) for k in range(request.n_samples)]
        tile = tile_for(request.device)
        movq: Any = None

        def decode(latents: torch.Tensor) -> torch.Tensor:
            return as_pixels(movq.decode(latents, force_not_quantize=True, return_dict=False)[0] / 2 + 0.5)

        with torch.inference_mode(), fast_matmul(request.device):
            latents = self._latents(request, samples, tile, keep)  # (samples, channels, rows, columns)
            movq = self._copies.of(self._networks.movq, request.device, request.dtype, keep=keep)
            images = in_tiles(decode, latents, tile=tile, on_tile=request.advance)
        return images.view(len(request.stimuli), request.n_samples, *self._size, 3).numpy()

    def _latents(self, request: Request, samples: list[tuple[int, int, int]], tile: int, keep: bool) -> torch.Tensor:
        """Latents of samples, each a row of the embeddings, the number of its stimulus and its own number."""
        unet = self._copies.of(self._networks.unet, request.device, request.dtype, keep=keep)
        made = []
        for begin in range(0, len(samples), tile):
            part = samples[begin : begin + tile]
            filled = part + part[-1:] * (tile - len(part))  # every call has the same shape
            rows = request.embeddings[[row for row, _, _ in filled]].to(request.device, request.dtype)
            generators = [sample_generator(request.seed, number, sample) for _, number, sample in filled]
            made.append(self._denoise(unet, rows, generators)[: len(part)])
        return torch.cat(made)

    def _denoise(self, unet: Any, embeddings: torch.Tensor, generators: list[torch.Generator]) -> torch.Tensor:
        """Latents (tile, channels, rows, columns) for embeddings (tile, dimension)."""
        scheduler = type(self._networks.scheduler).from_config(self._networks.scheduler.config)  # it counts its steps
        scheduler.set_timesteps(self.config.steps, device=embeddings.device)
        patch, channels = self._patch(self._networks), unet.config.in_channels
        shape = (channels, *(side // patch for side in self._size))
        noise = torch.stack([torch.randn(shape, generator=generator) for generator in generators])
        latents = noise.to(embeddings) * scheduler.init_noise_sigma
        guided = self.config.guidance > 1
        if guided:
            embeddings = torch.cat(
                [self._empty.to(embeddings).expand_as(embeddings), embeddings]
            )  # (2 tile, dimension)
        random = {"generator": generators} if "generator" in inspect.signature(scheduler.step).parameters else {}
        for time in scheduler.timesteps:
            given = scheduler.scale_model_input(torch.cat([latents] * 2) if guided else latents, time)
            predicted = unet(
                given,
                time,
                encoder_hidden_states=None,
                added_cond_kwargs={"image_embeds": embeddings},
                return_dict=False,
            )[0]  # (tile or 2 tile, channels, ...), or twice the channels with variances
            direction, variance = predicted[:, :channels], predicted[:, channels:]
            if guided:
                empty, full = direction.chunk(2)
                direction, variance = empty + self.config.guidance * (full - empty), variance.chunk(2)[1]
            if getattr(scheduler.config, "variance_type", None) in LEARNED:
                direction = torch.cat([direction, variance], 1)
            latents = scheduler.step(direction, time, latents, **random, return_dict=False)[0].to(embeddings)
        return latents


def open_networks(folder: str | Path) -> Networks:
    """The parts of a pipeline that diffusers saved in a folder; only ``.safetensors`` weights are read.

    Raises
    ------
    MissingExtraError
    MissingFileError, DamagedFileError
        When a part is absent or cannot be read.
    """
    path = Path(folder).expanduser()
    for part in PARTS:
        if not (path / part).is_dir():
            raise MissingFileError(
                path / part, "part of a diffusion pipeline",
                "expected a folder with unet, movq and scheduler; 'hf download "
                "kandinsky-community/kandinsky-2-2-decoder --local-dir DIR' fetches one",
            )  # fmt: skip
    diffusers = import_diffusers(what=WHAT)
    settings = {"use_safetensors": True, "local_files_only": True, "low_cpu_mem_usage": False}
    try:
        unet = diffusers.UNet2DConditionModel.from_pretrained(path, subfolder="unet", **settings)
        movq = diffusers.VQModel.from_pretrained(path, subfolder="movq", **settings)
        found = json.loads((path / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
        scheduler = _class_of("scheduler", found, str(path)).from_config(found)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise DamagedFileError(f"{path} holds no diffusion pipeline that can be read: {first_line}") from error
    return Networks(unet.eval(), movq.eval(), scheduler)


def _class_of(part: str, settings: dict[str, Any], where: str) -> Any:
    """The class that settings name, where it is one that this part may have."""
    diffusers = import_diffusers(what=WHAT)
    name = str(settings.get("_class_name"))
    kind = getattr(diffusers, name) if name in CLASSES.get(part, (name,)) and hasattr(diffusers, name) else None
    if part == "scheduler" and not (isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)):
        kind = None
    if kind is None:
        raise InputValueError(f"{where}: the settings of {part} name {name!r}, which is none that is known here")
    return kind

"""What kinds of latent diffusion share: diffusers' networks, how they are stored, and the way from noise to images."""

from __future__ import annotations

import inspect
import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError

from braincodec.device import fast_matmul
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError
from braincodec.image_generators.base import GeneratorConfig, ImageGenerator
from braincodec.image_generators.diffusers_models import import_diffusers
from braincodec.image_generators.images import ImageSize
from braincodec.image_generators.latent_autoencoder import as_pixels
from braincodec.image_generators.request import Request
from braincodec.image_generators.sampling import Copies, sample_generator
from braincodec.models.lea.tiles import in_tiles, tile_for

if TYPE_CHECKING:
    import numpy as np

WHAT = "image generation by diffusion"
UNET, SCHEDULER = "unet", "scheduler"
LEARNED = ("learned", "learned_range")  # variances that the network predicts beside the noise


class LatentDiffusionConfig(GeneratorConfig):
    """Settings of every kind of latent diffusion.

    Attributes
    ----------
    pipeline : str, optional
        Folder as diffusers saves it; of a stored generator, its name.
    steps : int
        Of denoising.
    guidance : float
        How far to go beyond what the embedding alone says, away from the empty one; 1 is not at all.
    image_size : int or (int, int)
        Height and width.
    networks : dict
        Settings of networks and schedule, filled in when there are any.
    """

    pipeline: str | None = None
    steps: int = Field(50, ge=1)
    guidance: float = Field(4.0, ge=1, allow_inf_nan=False)
    image_size: ImageSize = 512
    networks: dict[str, dict[str, Any]] = Field(default_factory=dict)


class LatentDiffusion(ImageGenerator):
    """Images of a network that removes noise from latents, told what to make by an image embedding.

    A kind says which networks it has (`classes`, `decoder`), what it accepts (`_check`), how an embedding reaches the
    network (`_conditions`) and how latents become images (`_decode`).

    Attributes
    ----------
    classes : mapping of str to str
        Networks, and diffusers' class of each; the schedule comes beside them.
    decoder : str
        The network that makes images of latents.
    """

    classes: ClassVar[Mapping[str, str]]
    decoder: ClassVar[str]
    config: LatentDiffusionConfig
    _networks: dict[str, Any]
    _copies: Copies

    def _take(self, networks: dict[str, Any]) -> None:
        """Make these networks, and the schedule, the generator's own."""
        self._dimension = self._check(networks)
        patch = _patch(networks[self.decoder])
        whole = patch * 2 ** (len(networks[UNET].config.block_out_channels) - 1)
        if any(side % whole for side in self._size):
            raise InputValueError(f"{self.kind}: image_size must be multiples of {whole}, got {self.config.image_size}")
        self._networks, self._copies = networks, Copies()
        described = {part: _settings_of(network) for part, network in networks.items()}
        self.config = self.config.model_copy(update={"networks": described})

    @property
    def _size(self) -> tuple[int, int]:
        size = self.config.image_size
        return size if isinstance(size, tuple) else (size, size)

    def _weights(self) -> dict[str, torch.Tensor]:
        """Weights of the networks, ``<part>.<name>``."""
        return {
            f"{part}.{name}": value
            for part in self.classes
            for name, value in self._networks[part].state_dict().items()
        }

    def _built(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Networks and schedule of stored settings and weights."""
        built = {}
        for part in (*self.classes, SCHEDULER):
            settings = dict(self.config.networks.get(part, {}))
            kind = self._class_of(part, settings, self.kind)
            settings.pop("_class_name")
            built[part] = network = kind.from_config(settings)
            if part == SCHEDULER:
                continue
            weights = {n.removeprefix(f"{part}."): t for n, t in tensors.items() if n.startswith(f"{part}.")}
            try:
                network.eval().load_state_dict(weights, assign=True)
            except RuntimeError as error:
                raise InputValueError(f"{self.kind}: the stored {part} does not fit its settings: {error}") from None
        return built

    @classmethod
    def _opened(cls, folder: Path, hint: str) -> dict[str, Any]:
        """Networks and schedule that diffusers saved in a folder; only ``.safetensors`` weights are read.

        Raises
        ------
        MissingExtraError
        MissingFileError, DamagedFileError
            When a part is absent, in which case `hint` says how to get it, or cannot be read.
        """
        parts = (*cls.classes, SCHEDULER)
        for part in parts:
            if not (folder / part).is_dir():
                expected = f"expected a folder with {', '.join(parts)}"
                raise MissingFileError(folder / part, "part of a diffusion pipeline", f"{expected}; {hint}")
        diffusers = import_diffusers(what=WHAT)
        settings = {"use_safetensors": True, "local_files_only": True, "low_cpu_mem_usage": False}
        try:
            opened = {
                part: getattr(diffusers, name).from_pretrained(folder, subfolder=part, **settings).eval()
                for part, name in cls.classes.items()
            }
            found = json.loads((folder / SCHEDULER / "scheduler_config.json").read_text(encoding="utf-8"))
            opened[SCHEDULER] = cls._class_of(SCHEDULER, found, str(folder)).from_config(found)
        except InputValueError:
            raise
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            first_line = str(error).strip().partition("\n")[0]
            raise DamagedFileError(f"{folder} holds no diffusion pipeline that can be read: {first_line}") from error
        return opened

    @classmethod
    def _class_of(cls, part: str, settings: dict[str, Any], where: str) -> Any:
        """The class that settings name, where it is one that this part may have."""
        diffusers = import_diffusers(what=WHAT)
        name = str(settings.get("_class_name"))
        known = name == cls.classes.get(part, name) and hasattr(diffusers, name)
        kind = getattr(diffusers, name) if known else None
        if part == SCHEDULER and not (isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)):
            kind = None
        if kind is None:
            raise InputValueError(f"{where}: the settings of {part} name {name!r}, which is none that is known here")
        return kind

    def _generate(self, request: Request) -> NDArray[np.uint8]:
        keep = not request.one_network_at_a_time
        tile = tile_for(request.device)
        decoder: Any = None

        def decode(latents: torch.Tensor) -> torch.Tensor:
            return as_pixels(self._decode(decoder, latents) / 2 + 0.5)

        with torch.inference_mode(), fast_matmul(request.device):
            latents = self._latents(request, tile, keep)  # (samples, channels, rows, columns)
            decoder = self._copies.of(self._networks[self.decoder], request.device, request.dtype, keep=keep)
            images = in_tiles(decode, latents, tile=tile, on_tile=request.advance)
        return images.view(len(request.stimuli), request.n_samples, *self._size, 3).numpy()

    def _latents(self, request: Request, tile: int, keep: bool) -> torch.Tensor:
        """Latents of all samples: those of the first embedding, then those of the next."""
        unet = self._copies.of(self._networks[UNET], request.device, request.dtype, keep=keep)
        samples = [(row, n, k) for row, n in enumerate(request.stimuli) for k in range(request.n_samples)]
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
        scheduler = type(self._networks[SCHEDULER]).from_config(self._networks[SCHEDULER].config)  # it counts its steps
        scheduler.set_timesteps(self.config.steps, device=embeddings.device)
        patch, channels = _patch(self._networks[self.decoder]), unet.config.in_channels
        shape = (channels, *(side // patch for side in self._size))
        noise = torch.stack([torch.randn(shape, generator=generator) for generator in generators])
        latents = noise.to(embeddings) * scheduler.init_noise_sigma
        guided = self.config.guidance > 1
        conditions = self._conditions(embeddings, guided)
        random = {"generator": generators} if "generator" in inspect.signature(scheduler.step).parameters else {}
        for time in scheduler.timesteps:
            given = scheduler.scale_model_input(torch.cat([latents] * 2) if guided else latents, time)
            predicted = unet(given, time, **conditions, return_dict=False)[0]
            # (tile or 2 tile, channels, ...), or twice the channels with variances
            direction, variance = predicted[:, :channels], predicted[:, channels:]
            if guided:
                empty, full = direction.chunk(2)
                direction, variance = empty + self.config.guidance * (full - empty), variance.chunk(2)[1]
            if getattr(scheduler.config, "variance_type", None) in LEARNED:
                direction = torch.cat([direction, variance], 1)
            latents = scheduler.step(direction, time, latents, **random, return_dict=False)[0].to(embeddings)
        return latents

    @abstractmethod
    def _check(self, networks: dict[str, Any]) -> int:
        """Refuse networks of another sort; gives the dimension of the embedding."""

    @abstractmethod
    def _conditions(self, embeddings: torch.Tensor, guided: bool) -> dict[str, Any]:
        """What the network is told beside latents and time; where guided, of as many empty embeddings first."""

    @abstractmethod
    def _decode(self, decoder: Any, latents: torch.Tensor) -> torch.Tensor:
        """Images (tile, 3, height, width) of latents, values in -1..1."""


def _patch(decoder: Any) -> int:
    return int(2 ** (len(decoder.config.block_out_channels) - 1))


def _settings_of(network: Any) -> dict[str, Any]:
    plain = {name: value for name, value in network.config.items() if not name.startswith("_")}
    return {"_class_name": type(network).__name__, **plain}

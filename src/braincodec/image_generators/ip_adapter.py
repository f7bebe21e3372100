"""Stable Diffusion with an IP-Adapter (Ye et al. 2023): layers of attention to an image embedding beside the prompt's.

The networks and the noise schedule are diffusers'. The prompt is empty and stays so; its embedding is computed once by
`transformers`, or comes from a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, NotTrainedError
from braincodec.features.weights import hub_file, read_state_dict
from braincodec.image_generators.diffusers_models import hub_folder, without_remarks
from braincodec.image_generators.latent_diffusion import (
    SCHEDULER,
    UNET,
    LatentDiffusion,
    LatentDiffusionConfig,
)

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet

VAE = "vae"
TEXT_PARTS = ("tokenizer", "text_encoder")
ADAPTER, PROMPT = "adapter.", "prompt"  # names of stored tensors
PROJECTION = "image_proj.proj.weight"
TOKENS = 4  # that an image embedding becomes
HINT = "'hf download stable-diffusion-v1-5/stable-diffusion-v1-5 --local-dir DIR' fetches one"
Weights = dict[str, torch.Tensor]


class IPAdapterConfig(LatentDiffusionConfig):
    """Settings of `IPAdapter`; see also `LatentDiffusionConfig`.

    Attributes
    ----------
    pipeline : str, optional
        Folder with ``unet``, ``vae`` and ``scheduler``, or the name of a repository of the hub, such as
        ``stable-diffusion-v1-5/stable-diffusion-v1-5``; of a stored generator, its name.
    adapter : str, optional
        File of the adapter, or its place on the hub, such as ``h94/IP-Adapter/models/ip-adapter_sd15.safetensors``
        (which reads the 1024 values of CLIP's ViT-H-14); of a stored generator, its name.
    empty_prompt : str, optional
        ``.npy`` file with the embedding of an empty prompt, shape (77, width). Default: from the pipeline's own
        ``tokenizer`` and ``text_encoder``, which needs the package transformers.
    scale : float
        How much the image embedding counts beside the prompt.
    """

    shown_as = "ip_adapter"

    adapter: str | None = None
    empty_prompt: str | None = None
    scale: float = Field(1.0, gt=0, allow_inf_nan=False)
    guidance: float = Field(7.5, ge=1, allow_inf_nan=False)


class IPAdapter(LatentDiffusion):
    """Images of Stable Diffusion 1 or 2 that an image embedding steers through an IP-Adapter.

    Nothing is learned by `fit`. Embeddings must be those that the adapter was trained with: the projected output of
    CLIP's visual tower, neither centred nor scaled to unit length. Guidance leads away from an embedding of zeros.

    Parameters
    ----------
    **settings
        Those of `IPAdapterConfig`; files are read at once.
    """

    kind, config_class = "ip_adapter", IPAdapterConfig
    classes: ClassVar[dict[str, str]] = {UNET: "UNet2DConditionModel", VAE: "AutoencoderKL"}
    decoder = VAE
    config: IPAdapterConfig
    _adapter: Weights
    _prompt: torch.Tensor

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        config = self.config
        if config.pipeline is None and config.adapter is None:
            return
        if config.pipeline is None or config.adapter is None:
            missing = "pipeline" if config.pipeline is None else "adapter"
            raise InputValueError(f"ip_adapter: {missing} is missing; both pipeline and adapter are needed")
        adapter = read_adapter(config.adapter)
        text = () if config.empty_prompt else TEXT_PARTS
        folder = hub_folder(config.pipeline, (*self.classes, SCHEDULER, *text))
        networks = self._opened(folder, HINT)
        prompt = _read_prompt(config.empty_prompt) if config.empty_prompt else _encoded_prompt(folder)
        self._put_in(networks, adapter, prompt)
        names = {name: Path(value).name for name in ("pipeline", "adapter") if (value := getattr(config, name))}
        self.config = self.config.model_copy(update={**names, "empty_prompt": None})

    @classmethod
    def over(
        cls, unet: Any, vae: Any, scheduler: Any, adapter: Mapping[str, torch.Tensor], prompt: Any, **settings: Any
    ) -> Self:
        """A generator over diffusers' objects in memory; the adapter's layers are put into `unet`.

        Parameters
        ----------
        unet, vae, scheduler
        adapter : mapping of str to torch.Tensor
            With the published names: ``image_proj.*`` and ``ip_adapter.*``.
        prompt : array_like, shape (tokens, width)
            Embedding of an empty prompt.

        Raises
        ------
        InputValueError
            When these do not fit together, or cannot make images of the size set.
        """
        generator = cls(**settings)
        prompt = torch.as_tensor(np.asarray(prompt, np.float32))
        generator._put_in({UNET: unet, VAE: vae, SCHEDULER: scheduler}, dict(adapter), prompt)
        return generator

    def _put_in(self, networks: dict[str, Any], adapter: Weights, prompt: torch.Tensor) -> None:
        self._adapter, self._prompt = adapter, prompt
        self._take(networks)
        # what is stored describes the network without its adapter, as diffusers can build it
        unet = networks[UNET]
        parts: dict[str, Weights] = {"image_proj": {}, "ip_adapter": {}}
        for name, value in adapter.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = value
        try:
            with without_remarks():
                unet._load_ip_adapter_weights([parts], low_cpu_mem_usage=False)
        except (KeyError, RuntimeError) as error:
            first_line = str(error).strip().partition("\n")[0]
            raise InputValueError(f"ip_adapter: the adapter does not fit the network: {first_line}") from None
        for processor in unet.attn_processors.values():
            if hasattr(processor, "scale"):
                processor.scale = [self.config.scale]

    def _check(self, networks: dict[str, Any]) -> int:
        unet = networks[UNET].config
        width = unet.cross_attention_dim
        if unet.encoder_hid_dim_type is not None or unet.addition_embed_type is not None:
            raise InputValueError("ip_adapter: the network is not one of Stable Diffusion 1 or 2, or has an adapter")
        projection = self._adapter.get(PROJECTION)
        if projection is None or projection.ndim != 2:
            raise InputValueError(
                f"ip_adapter: the adapter has no {PROJECTION!r}, so it reads no image embedding; 'plus' and 'full' "
                "adapters, which read all places of CLIP's last layer, cannot be used"
            )
        if projection.shape[0] != TOKENS * width:
            raise InputValueError(
                f"ip_adapter: the adapter is for a network of width {projection.shape[0] // TOKENS}, not {width}"
            )
        if self._prompt.ndim != 2 or self._prompt.shape[1] != width:
            raise InputValueError(
                f"ip_adapter: the embedding of an empty prompt has shape {tuple(self._prompt.shape)}, "
                f"expected (tokens, {width})"
            )
        return int(projection.shape[1])

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
            raise NotTrainedError("ip_adapter has no networks; give pipeline and adapter")
        self._dimension = expected = self._adapter[PROJECTION].shape[1]
        if embeddings.shape[1] != expected:
            raise InputValueError(
                f"the adapter reads embeddings of {expected} values, got {embeddings.shape[1]}; "
                "choose the image embedding that it was trained with"
            )

    def tensors(self) -> Weights:
        """Weights of both networks and of the adapter, and the embedding of an empty prompt."""
        _ = self.embedding
        own = {name: value for name, value in self._weights().items() if not _of_adapter(name)}
        return {**own, **{ADAPTER + name: value for name, value in self._adapter.items()}, PROMPT: self._prompt}

    def _load(self, tensors: Weights) -> int:
        adapter = {name.removeprefix(ADAPTER): value for name, value in tensors.items() if name.startswith(ADAPTER)}
        self._put_in(self._built(tensors), adapter, tensors.get(PROMPT, torch.zeros(0)))
        return int(adapter[PROJECTION].shape[1])

    def _conditions(self, embeddings: torch.Tensor, guided: bool) -> dict[str, Any]:
        if guided:
            embeddings = torch.cat([torch.zeros_like(embeddings), embeddings])
        prompt = self._prompt.to(embeddings).expand(len(embeddings), -1, -1)
        # (rows, images of each, dimension) for the only adapter
        return {"encoder_hidden_states": prompt, "added_cond_kwargs": {"image_embeds": [embeddings[:, None]]}}

    def _decode(self, decoder: Any, latents: torch.Tensor) -> torch.Tensor:
        return decoder.decode(latents / decoder.config.scaling_factor, return_dict=False)[0]


def read_adapter(name: str) -> Weights:
    """Weights of an adapter by their published names, as float32; nothing but tensors is ever unpickled.

    Parameters
    ----------
    name : str
        A file, or ``owner/repository/path`` on the hub.

    Raises
    ------
    MissingFileError, DamagedFileError
    """
    path = Path(name).expanduser()
    owner, _, rest = name.partition("/")
    repository, _, inside = rest.partition("/")
    if not path.is_file() and owner and inside and not path.is_absolute():
        path = hub_file(f"{owner}/{repository}", [inside], "weights of an IP-Adapter")
    if not path.is_file():
        raise MissingFileError(path, "weights of an IP-Adapter", "'hf download h94/IP-Adapter' fetches them")
    return {key: value.float() for key, value in read_state_dict(path).items()}


def _of_adapter(name: str) -> bool:
    return name.startswith(f"{UNET}.encoder_hid_proj.") or ".processor." in name


def _read_prompt(file: str) -> torch.Tensor:
    path = Path(file).expanduser()
    if not path.is_file():
        raise MissingFileError(path, "embedding of an empty prompt")
    try:
        return torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float32))
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise DamagedFileError(f"{path} cannot be read as an array of numbers: {error}") from error


def _encoded_prompt(folder: Path) -> torch.Tensor:
    """Embedding of an empty prompt (tokens, width) by a pipeline's own text encoder."""
    try:
        from transformers import CLIPTextModel, CLIPTokenizer
    except ImportError as error:
        raise InputValueError(
            "ip_adapter: the embedding of an empty prompt is computed by the package transformers, which is not "
            "installed (pip install transformers); or name a file that holds it: empty_prompt='prompt.npy'"
        ) from error
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True)
        encoder = CLIPTextModel.from_pretrained(
            folder, subfolder="text_encoder", local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, TypeError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise DamagedFileError(f"{folder} holds no text encoder that can be read: {first_line}") from error
    ids = tokenizer("", padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt").input_ids
    with torch.no_grad():
        return encoder.eval()(ids)[0][0].float()

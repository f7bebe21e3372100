"""``torchvision:NAME[@WEIGHTS]``: torchvision's classification networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.errors import UnknownNameError
from braincodec.features.backbone import Backbone
from braincodec.features.preprocessing import TORCHVISION_IMAGENET, Preprocessing
from braincodec.features.torchvision_compat import import_torchvision
from braincodec.features.weights import (
    build_with_weights,
    is_weight_file,
    missing_weights,
    random_seed,
    read_state_dict,
    require_host,
    with_seed,
)

if TYPE_CHECKING:
    import torch


def load(name: str, weights: str | None) -> Backbone:
    """Build a torchvision network.

    Parameters
    ----------
    name : str
        As in ``torchvision.models.list_models()``: ``"vit_b_32"``.
    weights : str or None
        A member of the network's weight enumeration (``"IMAGENET1K_V1"``; None takes the default), a path, or
        ``"none"`` / ``"none-SEED"`` for random weights.

    Raises
    ------
    UnknownNameError, MissingFileError, MissingExtraError
    """
    models = import_torchvision(f"the backbone torchvision:{name}").models
    known = models.list_models(module=models)
    if name not in known:
        raise UnknownNameError("torchvision backbone", name, known)
    published = _published(models, name, weights)
    seed = random_seed(weights)
    if seed is not None:
        source = f"random, seed {seed}"
        module = with_seed(seed, lambda: models.get_model(name, weights=None, **_arguments(name, published)))
    else:
        if is_weight_file(weights):
            source = str(weights)
            state = read_state_dict(source)
        else:
            source = f"{published.name} ({published.url.rpartition('/')[2]})"
            state = _state_dict(published, f"weights {published.name} of torchvision:{name}")
        module = build_with_weights(
            lambda: models.get_model(name, weights=None, **_arguments(name, published)), state, source
        )
    full_name = f"torchvision:{name}" + (f"@{weights}" if weights else "")
    return Backbone(full_name, module, _preprocessing(published), source)


def _published(models: Any, name: str, weights: str | None) -> Any:
    members = models.get_model_weights(name)
    if random_seed(weights) is not None or is_weight_file(weights) or weights in (None, "DEFAULT"):
        return members.DEFAULT
    if weights not in members.__members__:
        raise UnknownNameError("weights", weights, [*members.__members__, "none"], where=f"of torchvision:{name}")
    return members[weights]


def _arguments(name: str, published: Any) -> dict[str, Any]:
    """What torchvision sets when it builds a network for published weights, and leaves out for none."""
    if name in ("googlenet", "inception_v3"):
        # their weights expect inputs of -1..1, which they make of the usual ones themselves;
        # init_weights would start with a slow random draw that says so in a warning
        return {"init_weights": False, "transform_input": True}
    if name.startswith("vit_"):
        return {"image_size": min(published.meta["min_size"])}  # some were trained on larger images
    return {}


def _state_dict(published: Any, what: str) -> dict[str, torch.Tensor]:
    from torch import hub

    folder = Path(hub.get_dir()) / "checkpoints"
    if not (folder / published.url.rpartition("/")[2]).is_file():
        require_host(published.url, published.url, what, folder)
    try:
        return published.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")
    except OSError as error:
        raise missing_weights(published.url, what, folder) from error


def _preprocessing(published: Any) -> Preprocessing:
    transform = published.transforms()
    if not hasattr(transform, "crop_size"):
        return TORCHVISION_IMAGENET
    return Preprocessing(
        resize=_size(transform.resize_size),
        center_crop=_size(transform.crop_size),
        interpolation=transform.interpolation.value,
        antialias=bool(transform.antialias),
        mean=tuple(transform.mean),
        std=tuple(transform.std),
    )


def _size(size: list[int]) -> int | tuple[int, int]:
    return size[0] if len(size) == 1 else (size[0], size[1])

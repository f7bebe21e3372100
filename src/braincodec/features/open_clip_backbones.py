"""``open_clip:NAME/TAG``: the visual tower of a CLIP model; the text tower is never built nor read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.extras import import_optional
from braincodec.features.backbone import Backbone
from braincodec.features.preprocessing import Preprocessing
from braincodec.features.torchvision_compat import import_torchvision
from braincodec.features.weights import (
    build_with_weights,
    hub_file,
    is_weight_file,
    random_seed,
    read_state_dict,
    with_seed,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

VISUAL_PREFIX = "visual."
WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def load(name: str, weights: str | None) -> Backbone:
    """Build the visual tower of an open_clip model.

    Parameters
    ----------
    name : str
        ``"ViT-B-32/laion2b_s34b_b79k"``: model, slash, tag of the weights as in ``open_clip.list_pretrained()``.
        The tag is left out when `weights` says where they come from.
    weights : str or None
        A path (of a whole model, or of the tower alone), ``"none"``, ``"none-SEED"``.

    Raises
    ------
    UnknownNameError, MissingFileError, MissingExtraError
    """
    model, _, tag = name.partition("/")
    what = f"the backbone open_clip:{name}"
    import_torchvision(what)
    open_clip = import_optional("open_clip", what)
    config = open_clip.get_model_config(model)
    if config is None:
        raise UnknownNameError("open_clip backbone", model, open_clip.list_models())
    published = _published(open_clip, model, tag, needed=weights is None)
    seed = random_seed(weights)
    if seed is not None:
        source = f"random, seed {seed}"
        tower = with_seed(seed, lambda: _build_tower(open_clip, config, published))
    else:
        if weights is not None and not is_weight_file(weights):
            where = f"of open_clip:{model} (a tag goes after a slash)"
            raise UnknownNameError("weights", weights, ["none"], where=where)
        path = Path(weights) if weights else _pretrained_file(published, f"weights {tag} of open_clip:{model}")
        source = str(weights) if weights else f"{published['hf_hub'].rstrip('/')} ({tag})"
        tower = build_with_weights(lambda: _build_tower(open_clip, config, published), _visual_weights(path), source)
    full_name = f"open_clip:{name}" + (f"@{weights}" if weights else "")
    return Backbone(full_name, tower, _preprocessing(open_clip, tower, published, name), source)


def _published(open_clip: Any, model: str, tag: str, *, needed: bool) -> dict[str, Any]:
    tags = open_clip.list_pretrained_tags_by_model(model)
    if tag in tags:
        return open_clip.get_pretrained_cfg(model, tag)
    if tag:
        raise UnknownNameError("weights", tag, tags, where=f"of open_clip:{model}")
    if needed:
        raise InputValueError(
            f"open_clip:{model} needs a tag: open_clip:{model}/TAG, one of {', '.join(tags) or 'none published'}; "
            f"or open_clip:{model}@none for random weights"
        )
    return {}


def _build_tower(open_clip: Any, config: Mapping[str, Any], published: Mapping[str, Any]) -> nn.Module:
    vision = dict(config["vision_cfg"])
    # weights inside the tower would be fetched, then overwritten
    vision["timm_model_pretrained"] = False
    quick_gelu = bool(published.get("quick_gelu", config.get("quick_gelu", False)))
    return open_clip.model._build_vision_tower(config["embed_dim"], vision, quick_gelu)


def _pretrained_file(published: Mapping[str, Any], what: str) -> Path:
    repository, _, file_name = str(published.get("hf_hub", "")).rpartition("/")
    if not repository:
        raise InputValueError(
            f"{what} lie at {published.get('url', 'no known address')} only; download the file and give it as "
            "'open_clip:MODEL@/path/to/file'"
        )
    return hub_file(repository, [file_name] if file_name else WEIGHT_FILES, what)


def _visual_weights(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors" and path.is_file():
        from safetensors import safe_open

        # reads the tower's tensors alone
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            visual = [name for name in names if name.startswith(VISUAL_PREFIX)] or names
            state = {name: file.get_tensor(name) for name in visual}
    else:
        state = read_state_dict(path)
    if any(name.startswith(VISUAL_PREFIX) for name in state):
        state = {n.removeprefix(VISUAL_PREFIX): v for n, v in state.items() if n.startswith(VISUAL_PREFIX)}
    return state


def _preprocessing(open_clip: Any, tower: Any, published: Mapping[str, Any], name: str) -> Preprocessing | None:
    default = open_clip.transform.PreprocessCfg()
    resize_mode = published.get("resize_mode", default.resize_mode)
    size = tower.image_size if isinstance(tower.image_size, tuple) else (tower.image_size, tower.image_size)
    if resize_mode == "longest" or (resize_mode == "shortest" and size[0] != size[1]):
        return None  # pads, which no setting of ours does
    return Preprocessing(
        resize=size if resize_mode == "squash" else size[0],
        center_crop=None if resize_mode == "squash" else size,
        interpolation=published.get("interpolation", default.interpolation),
        resize_in="pillow",
        mean=tuple(published.get("mean", default.mean)),
        std=tuple(published.get("std", default.std)),
    )

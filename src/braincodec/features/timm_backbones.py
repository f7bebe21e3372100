"""``timm:NAME[@WEIGHTS]``: every image network that timm knows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from braincodec.errors import InputValueError, MissingFileError, UnknownNameError
from braincodec.extras import import_optional
from braincodec.features.backbone import Backbone
from braincodec.features.preprocessing import Preprocessing
from braincodec.features.torchvision_compat import import_torchvision
from braincodec.features.weights import (
    hub_file,
    is_weight_file,
    load_weights,
    missing_weights,
    random_seed,
    read_state_dict,
    require_host,
    with_seed,
)

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


def load(name: str, weights: str | None) -> Backbone:
    """Build a network of timm's.

    Parameters
    ----------
    name : str
        As in ``timm.list_models()``, with or without a tag: ``"vit_tiny_patch16_224.augreg_in21k"``.
    weights : str or None
        None takes the weights of the tag (or the default one); or a path, ``"none"``, ``"none-SEED"``.

    Raises
    ------
    UnknownNameError, MissingFileError, MissingExtraError
    """
    what = f"the backbone timm:{name}"
    import_torchvision(what)
    timm = import_optional("timm", what)
    _refuse_unknown(timm, name)
    seed = random_seed(weights)
    if seed is None and weights is not None and not is_weight_file(weights):
        raise UnknownNameError("weights", weights, ["none"], where=f"of timm:{name} (a tag goes after a dot)")
    source, arguments = f"random, seed {seed}", {}
    if weights is None:
        file = _pretrained_file(timm, name, f"weights of timm:{name}")
        source, arguments = str(file), {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file)}}
    module = with_seed(seed or 0, lambda: timm.create_model(name, **arguments))
    if seed is None and weights is not None:
        source = weights
        load_weights(module, read_state_dict(source), source)
    full_name = f"timm:{name}" + (f"@{weights}" if weights else "")
    return Backbone(full_name, module, _preprocessing(timm, module, name), source)


def _refuse_unknown(timm: Any, name: str) -> None:
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise UnknownNameError("timm backbone", name, timm.list_models())
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise UnknownNameError("weights", tag, tags, where=f"of timm:{architecture}")


def _published(timm: Any, name: str) -> dict[str, Any]:
    published = timm.get_pretrained_cfg(name)
    return published.to_dict() if published is not None else {}


def _pretrained_file(timm: Any, name: str, what: str) -> Path:
    published = _published(timm, name)
    repository, url = published.get("hf_hub_id"), published.get("url")
    if repository:
        named = published.get("hf_hub_filename")
        return hub_file(repository, [named] if named else WEIGHT_FILES, what)
    if not url:
        raise MissingFileError(name, what, f"nobody has published any; use 'timm:{name}@none' for random ones")
    from torch import hub

    folder = Path(hub.get_dir()) / "checkpoints"
    file = folder / url.rpartition("/")[2]
    if not file.is_file():
        require_host(url, url, what, folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            hub.download_url_to_file(url, str(file), progress=False)
        except OSError as error:
            raise missing_weights(url, what, folder) from error
    return file


def _preprocessing(timm: Any, module: Any, name: str) -> Preprocessing | None:
    config = timm.data.resolve_model_data_config(module)
    _, height, width = config["input_size"]
    if config["crop_mode"] == "border" or len(config["mean"]) != 3:
        return None
    # timm's own rounding
    scaled = tuple(math.floor(side / config["crop_pct"]) for side in (height, width))
    if config["crop_mode"] != "squash" and scaled[0] != scaled[1]:
        raise InputValueError(f"timm:{name} wants {height} x {width} images cut from the centre; give a preprocessing")
    return Preprocessing(
        resize=scaled if config["crop_mode"] == "squash" else scaled[0],
        center_crop=(height, width),
        interpolation=config["interpolation"],
        resize_in="pillow",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )

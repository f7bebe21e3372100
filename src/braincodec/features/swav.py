"""``swav:resnet50[@WEIGHTS]``: the ResNet-50 that SwAV trained without labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from braincodec.errors import UnknownNameError
from braincodec.features.backbone import Backbone
from braincodec.features.preprocessing import TORCHVISION_IMAGENET
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
    from torch import nn

# 800 epochs, as facebookresearch/swav offers it through torch hub
PUBLISHED = {"resnet50": "https://dl.fbaipublicfiles.com/deepcluster/swav_800ep_pretrain.pth.tar"}
# what training needed beside the trunk; the trunk has no classifier
HEADS = ("projection_head.", "prototypes.", "fc.")


def load(name: str, weights: str | None) -> Backbone:
    """Build a SwAV network: the trunk up to its pooled features (layer ``avgpool``), without any head.

    Parameters
    ----------
    name : str
        ``"resnet50"``.
    weights : str or None
        None takes the published ones, from torch hub's folder or else downloaded; or a path, ``"none"``,
        ``"none-SEED"``.

    Raises
    ------
    UnknownNameError, MissingFileError, MissingExtraError
    """
    if name not in PUBLISHED:
        raise UnknownNameError("swav backbone", name, PUBLISHED)
    what = f"the backbone swav:{name}"
    import_torchvision(what)
    seed = random_seed(weights)
    if seed is not None:
        source, module = f"random, seed {seed}", with_seed(seed, _trunk)
    else:
        if weights is not None and not is_weight_file(weights):
            raise UnknownNameError("weights", weights, ["none"], where=f"of swav:{name}")
        path = Path(weights) if weights else _published_file(PUBLISHED[name], f"weights of swav:{name}")
        state = {key: tensor for key, tensor in read_state_dict(path).items() if not key.startswith(HEADS)}
        source = str(weights) if weights else f"facebookresearch/swav ({path.name})"
        module = build_with_weights(_trunk, state, source)
    return Backbone(f"swav:{name}" + (f"@{weights}" if weights else ""), module, TORCHVISION_IMAGENET, source)


def _trunk() -> nn.Module:
    from torch import nn

    module = import_torchvision().models.resnet50(weights=None)
    module.fc = nn.Identity()
    return module


def _published_file(url: str, what: str) -> Path:
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

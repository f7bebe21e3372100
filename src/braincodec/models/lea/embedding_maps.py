"""The maps that an image embedding consists of, where it is nothing but flattened maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braincodec.errors import InputValueError
from braincodec.features import FeatureExtractor

if TYPE_CHECKING:
    from braincodec.models.lea.alignment.fields import Shapes

MAP_DIMS = 3


def map_shapes(extractor: FeatureExtractor) -> Shapes:
    """Channels, height and width of each layer's maps.

    Parameters
    ----------
    extractor : FeatureExtractor
        Of the image embedding.

    Raises
    ------
    InputValueError
        When maps are pooled, a layer has none, or images may have any size.

    Examples
    --------
    >>> map_shapes(FeatureExtractor({"backbone": "luminance:maps", "layers": "blurs.1"}))
    {'blurs.1': (1, 28, 28)}
    """
    config, size = extractor.config, extractor.preprocessing.output_size
    if config.pooling != "flatten":
        raise InputValueError(
            f"encoding_readout 'fields' reads maps, and embedding_pooling {config.pooling!r} has none; take 'flatten'"
        )
    if size is None:
        raise InputValueError("encoding_readout 'fields' needs images of one size; set image_size")
    unpooled = FeatureExtractor(config.model_copy(update={"pooling": "none"}), extractor.backbone)
    found: dict[str, tuple[int, int, int]] = {}
    for layer, shape in unpooled.feature_shapes(size).items():
        if len(shape) != MAP_DIMS:
            raise InputValueError(
                f"layer {layer!r} gives features of shape {shape}; encoding_readout 'fields' needs maps, "
                "(channels, height, width)"
            )
        found[layer] = (shape[0], shape[1], shape[2])
    return found

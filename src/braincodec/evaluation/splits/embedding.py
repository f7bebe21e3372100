"""Features of images, for telling how alike two images are in content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.progress import progress_bar

if TYPE_CHECKING:
    import torch

    from braincodec.features import FeatureConfig, FeatureExtractor
    from braincodec.stimuli import StimulusSet

DEFAULT_FEATURES = "efficientnet_lite:0"
# layers whose average over space says what an image shows, for backbones that can be named alone
LAYER_OF_BACKBONE = {"efficientnet_lite:0": "_bn1"}

# a backbone by name, what to take from it, or the values themselves
Features = Any


def image_features(
    stimuli: StimulusSet,
    features: str | FeatureConfig | Mapping[str, Any] | FeatureExtractor = DEFAULT_FEATURES,
    *,
    batch_size: int = 32,
    device: str = "auto",
    progress: bool | None = None,
) -> NDArray[np.float32]:
    """Features of every image by a backbone, averaged over space.

    Parameters
    ----------
    stimuli : StimulusSet
    features : str, FeatureConfig, dict or FeatureExtractor
        ``"efficientnet_lite:0"`` stands for its last convolution. Of other backbones state the layers:
        ``{"backbone": "torchvision:vit_b_32", "layers": "encoder.ln", "pooling": "class_token"}``.
    batch_size : int
    device : str
        "auto", "cpu", "cuda:0" and so on.
    progress : bool, optional
        Whether to show a bar; default: when stderr is a terminal.

    Returns
    -------
    array of float32, shape (stimuli, features)
        Layers one after the other.

    Raises
    ------
    MissingExtraError, MissingFileError
        When the backbone or its weights are not installed.

    Examples
    --------
    >>> from torch import nn
    >>> from braincodec.features import FeatureExtractor, Preprocessing
    >>> from braincodec.features.backbone import Backbone
    >>> from braincodec.stimuli import StimulusSet
    >>> network = Backbone("tiny", nn.Sequential(nn.Conv2d(3, 4, 3)), Preprocessing(resize=(8, 8)))
    >>> extractor = FeatureExtractor({"backbone": "tiny", "layers": "0", "pooling": "spatial_mean"}, network)
    >>> image_features(StimulusSet.open(np.zeros((2, 9, 9, 3), np.uint8)), extractor).shape
    (2, 4)
    """
    from braincodec.device import resolve_device

    extractor = open_extractor(features)
    extractor.prepare(resolve_device(device))
    blocks = []
    with progress_bar("features of images", len(stimuli), show=progress) as advance:
        for batch in stimuli.batches(batch_size, transform=extractor.preprocessing):
            blocks.append(embedded(extractor, batch.images))
            advance(len(batch))
    return np.concatenate(blocks) if blocks else np.empty((0, 0), np.float32)


def open_extractor(features: str | FeatureConfig | Mapping[str, Any] | FeatureExtractor) -> FeatureExtractor:
    """The extractor that `features` names.

    Raises
    ------
    InputTypeError, InputValueError
        When `features` is none of these, or names a backbone alone for which no layer is known.

    Examples
    --------
    >>> open_extractor("torchvision:vit_b_32")
    Traceback (most recent call last):
    braincodec.errors.InputValueError: state which layers of 'torchvision:vit_b_32' to take: ...
    """
    from braincodec.features import FeatureConfig, FeatureExtractor

    if isinstance(features, FeatureExtractor):
        return features
    if isinstance(features, str):
        layer = LAYER_OF_BACKBONE.get(features.partition("@")[0])
        if layer is None:
            raise InputValueError(
                f"state which layers of {features!r} to take: "
                f"{{'backbone': {features!r}, 'layers': ..., 'pooling': 'spatial_mean'}}; "
                f"only {', '.join(LAYER_OF_BACKBONE)} can be named alone"
            )
        return FeatureExtractor({"backbone": features, "layers": layer, "pooling": "spatial_mean"})
    if isinstance(features, FeatureConfig | Mapping):
        return FeatureExtractor(features if isinstance(features, FeatureConfig) else dict(features))
    raise InputTypeError(
        f"features must be a backbone's name, a FeatureConfig or an array, not {type(features).__name__}"
    )


def embedded(extractor: FeatureExtractor, images: torch.Tensor) -> NDArray[np.float32]:
    """Features of preprocessed images, all layers side by side, shape (images, features)."""
    values = [layer.flatten(1).float().cpu().numpy() for layer in extractor(images).values()]
    return np.concatenate(values, axis=1)


def names_a_backbone(features: Features) -> bool:
    """Whether `features` says how to compute features, rather than being them."""
    from braincodec.features import FeatureConfig, FeatureExtractor

    return isinstance(features, str | FeatureConfig | Mapping | FeatureExtractor)


def given_features(features: ArrayLike, known: Sequence[str], wanted: Sequence[str]) -> NDArray[np.floating[Any]]:
    """Rows of given features for some stimuli.

    Parameters
    ----------
    features : array or DataArray, shape (stimuli, features)
        A DataArray with the coordinate `stimulus` is read by its ids, an array in the order of `known`.
    known, wanted : sequence of str
        Ids of all stimuli, and of those asked for.

    Raises
    ------
    InputValueError
        When shape, ids or values do not fit.

    Examples
    --------
    >>> given_features(np.array([[1.0], [2.0], [3.0]]), ["a", "b", "c"], ["c", "a"])
    array([[3.],
           [1.]])
    """
    labelled = getattr(features, "coords", {})
    ids = [str(item) for item in labelled["stimulus"].values] if "stimulus" in labelled else [str(i) for i in known]
    values = np.asarray(features)
    if values.dtype.kind not in "fiub":
        raise InputTypeError(f"features must be real numbers, not {values.dtype}")
    if values.ndim != 2 or len(values) != len(ids) or values.shape[1] == 0:
        raise InputValueError(
            f"features must have the shape (stimuli, features) with {len(ids)} stimuli, got {values.shape}"
        )
    row_of = {item: row for row, item in enumerate(ids)}
    absent = [item for item in wanted if item not in row_of]
    if absent:
        raise InputValueError(f"{len(absent)} stimuli have no features, the first is {absent[0]!r}")
    values = values[[row_of[item] for item in wanted]]
    values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        first = wanted[int(np.argmin(finite))]
        raise InputValueError(
            f"features of {int((~finite).sum())} stimuli hold NaN or infinity, the first is {first!r}"
        )
    return values


def directions(features: NDArray[np.floating[Any]], mean: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Features minus their mean, each of length one: products are cosine similarities.

    Without subtracting the mean any two images look alike, because rectified features are all positive. A stimulus
    whose features equal the mean has no direction and becomes zero.

    Parameters
    ----------
    features : array, shape (stimuli, features)
    mean : array, shape (features,)

    Returns
    -------
    array of float32, shape (stimuli, features)

    Examples
    --------
    >>> directions(np.array([[3.0, 4.0], [0.0, 0.0]]), np.zeros(2)).round(1).tolist()
    [[0.6000..., 0.8000...], [0.0, 0.0]]
    """
    centred = features - mean
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred, dtype=np.float64))
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    return (centred * scale[:, None]).astype(np.float32)

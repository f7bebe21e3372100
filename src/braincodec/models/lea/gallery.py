"""Which images of a gallery fMRI patterns speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from braincodec.errors import InputTypeError, InputValueError
from braincodec.image_generators.base import check_embeddings
from braincodec.stimuli.selection import check_whole_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.lea.decoding import Predicted


class Gallery(NamedTuple):
    """Images to choose from, as embeddings.

    Parameters
    ----------
    embeddings : array of float32, shape (images, dimension)
    ids : array of str, shape (images,)
    """

    embeddings: NDArray[np.float32]
    ids: NDArray[Any]


def given_embeddings(gallery: Any, dimension: int) -> Gallery | None:
    """A gallery that was given as embeddings; None where it is images.

    Raises
    ------
    InputTypeError, InputValueError
        For embeddings of another width, or that are not finite.

    Examples
    --------
    >>> given_embeddings(np.eye(2), 2).ids.tolist()
    ['0', '1']
    """
    if isinstance(gallery, Gallery):
        return gallery
    is_array = isinstance(gallery, np.ndarray | xr.DataArray) or hasattr(gallery, "__array__")
    if not is_array or np.ndim(gallery) != 2:
        return None
    if isinstance(gallery, np.ndarray) and gallery.dtype.kind not in "fiu":
        raise InputTypeError(f"a gallery is images, or embeddings of real numbers; got {gallery.dtype}")
    embeddings = check_embeddings(np.asarray(gallery), dimension)
    ids = np.arange(len(embeddings)).astype(str)
    if isinstance(gallery, xr.DataArray) and "stimulus" in gallery.coords:
        ids = gallery["stimulus"].values.astype(str)
    return Gallery(embeddings, ids)


def nearest(predicted: Predicted, gallery: Gallery, k: int) -> xr.Dataset:
    """The images of a gallery whose embeddings are most like the predicted ones.

    Parameters
    ----------
    predicted : Predicted
    gallery : Gallery
    k : int
        How many; fewer where the gallery has fewer.

    Returns
    -------
    xarray.Dataset
        ``id`` (stimulus, rank) and ``similarity`` (stimulus, rank), the cosine; ranks from 1, the most similar first.

    Raises
    ------
    InputTypeError, InputValueError
        When `k` is no whole number from 1, or the gallery is empty.

    Examples
    --------
    >>> from braincodec.models.lea.decoding import Predicted
    >>> predicted = Predicted(np.array([[1.0, 0.2]], np.float32), np.array(["seen"]))
    >>> found = nearest(predicted, Gallery(np.eye(2, dtype=np.float32), np.array(["a", "b"])), 5)
    >>> found["id"].values.tolist(), found["similarity"].values.astype(float).round(2).tolist()
    ([['a', 'b']], [[0.98, 0.2]])
    """
    check_whole_number("k", k, 1)
    if not len(gallery.ids):
        raise InputValueError("the gallery is empty; give at least one image")
    similarities = _unit(predicted.embeddings) @ _unit(gallery.embeddings).T  # (stimuli, gallery)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return xr.Dataset(
        {
            "id": (("stimulus", "rank"), gallery.ids[order]),
            "similarity": (("stimulus", "rank"), np.take_along_axis(similarities, order, 1).astype(np.float32)),
        },
        {"stimulus": predicted.ids, "rank": np.arange(1, order.shape[1] + 1)},
        {"similarity": "cosine", "gallery": len(gallery.ids)},
    )


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(lengths > 0, lengths, 1.0)

"""Which images of a gallery fMRI patterns speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from braincodec.errors import InputTypeError, InputValueError
from braincodec.image_generators.request import check_embeddings
from braincodec.models.lea.alignment import retrieve

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 2  # of one, every pattern would find that one


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


def nearest(
    queries: NDArray[np.float32], members: NDArray[np.float32], stimuli: NDArray[Any], ids: NDArray[Any], k: int
) -> xr.Dataset:
    """The images of a gallery that are nearest to each query.

    Parameters
    ----------
    queries : array, shape (stimuli, dimension)
    members : array, shape (images, dimension)
        In the same space.
    stimuli, ids : array of str, shape (stimuli,) and (images,)
    k : int
        How many; fewer where the gallery has fewer.

    Returns
    -------
    xarray.Dataset
        ``id`` (stimulus, rank) and ``similarity`` (stimulus, rank), the cosine; ranks from 1, the most similar first.

    Raises
    ------
    InputValueError
        When the gallery leaves no choice.

    Examples
    --------
    >>> found = nearest(np.array([[1.0, 0.2]]), np.eye(2), np.array(["seen"]), np.array(["a", "b"]), 5)
    >>> found["id"].values.tolist(), found["similarity"].values.astype(float).round(2).tolist()
    ([['a', 'b']], [[0.98, 0.2]])
    """
    if len(ids) < FEWEST:
        raise InputValueError(f"a gallery needs at least {FEWEST} images to choose from, this one has {len(ids)}")
    found = retrieve(queries, members, k=min(k, len(ids)))
    dims = ("stimulus", "rank")
    return xr.Dataset(
        {"id": (dims, ids[found.indices]), "similarity": (dims, found.similarities)},
        {"stimulus": stimuli, "rank": np.arange(1, found.indices.shape[1] + 1)},
        {"similarity": "cosine, the mean of training taken out", "gallery": len(ids)},
    )

"""Images that a brain answers alike: correlation of responses over the units of a region."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from braincodec.app.gallery import blocks
from braincodec.app.regions import Regions, cleaned
from braincodec.errors import UnknownNameError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

AT_ONCE = 2  # searches: each is limited by memory bandwidth


class Neighbours:
    """Responses to a gallery, searched exactly.

    Parameters
    ----------
    ids : array of str, shape (images,)
    regions : Regions
    norms : array, shape (images, regions)
        Of each response around its mean in each region.
    held : array of float32, shape (images, values), or None
        The responses; None: they are read in blocks for each search.
    arrays : sequence of xarray.DataArray
        The same, lazily read, where they are not held.
    """

    def __init__(
        self,
        ids: NDArray[np.str_],
        regions: Regions,
        norms: NDArray[np.float64],
        held: NDArray[np.float32] | None,
        arrays: Sequence[xr.DataArray] = (),
    ) -> None:
        self.ids, self.regions = ids, regions
        self._norms, self._held, self._arrays = norms, held, list(arrays)
        self._searching = threading.Semaphore(AT_ONCE)

    @property
    def nbytes(self) -> int:
        """Of the responses that are held."""
        return 0 if self._held is None else self._held.nbytes

    def similarities(self, response: NDArray[np.floating], roi: str | None = None) -> NDArray[np.float32]:
        """Pearson correlation with the response to each image, over the values of a region.

        Parameters
        ----------
        response : array, shape (values,)
        roi : str, optional
            Default: all values.

        Returns
        -------
        array of float32, shape (images,)
            NaN where either response does not vary.

        Raises
        ------
        UnknownNameError
        """
        names = self.regions.names
        if roi is not None and roi not in names[1:]:
            raise UnknownNameError("roi", roi, names[1:])
        mask = self.regions.mask(roi)
        query = np.where(mask, cleaned(response.ravel()), 0.0)
        # without its mean, so that the means of the images drop out of the products
        query[mask] -= query[mask].mean() if mask.any() else 0.0
        length = float(np.linalg.norm(query))
        span = _span(mask)
        with self._searching:
            products = self._products(query.astype(np.float32)[span], span)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = products / (self._norms[:, names.index(roi or "")] * length)
        return np.where(np.isfinite(found), np.clip(found, -1.0, 1.0), np.nan).astype(np.float32)

    def nearest(self, response: NDArray[np.floating], roi: str | None, count: int) -> list[tuple[str, float]]:
        """Ids and correlations of the most similar images, best first; those without a correlation are left out."""
        found = self.similarities(response, roi)
        known = np.flatnonzero(np.isfinite(found))
        count = min(count, len(known))
        if not count:
            return []
        chosen = known[np.argpartition(-found[known], count - 1)[:count]]
        order = chosen[np.lexsort((chosen, -found[chosen]))]  # equal ones in the gallery's order
        return [(str(self.ids[row]), float(found[row])) for row in order]

    def _products(self, query: NDArray[np.float32], span: slice) -> NDArray[np.float64]:
        if self._held is not None:
            return (self._held[:, span] @ query).astype(np.float64)
        parts = [np.nan_to_num(block[:, span]) @ query for _, block in blocks(self._arrays)]
        return np.concatenate(parts).astype(np.float64)


def _span(mask: NDArray[np.bool_]) -> slice:
    """From the first to the last value of a region: units of a region mostly lie together."""
    inside = np.flatnonzero(mask)
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)

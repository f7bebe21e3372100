"""Generated responses of our stores, sliced as an h5py dataset is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xarray as xr


class StoredResponses:
    """Responses on disk, read where they are sliced; offers what scripts use of `h5py.Dataset`.

    Parameters
    ----------
    responses : xarray.DataArray
        Lazily read; first dimension the stimuli. What is stored in half precision is given in the single precision
        that published scripts expect.

    Examples
    --------
    >>> import xarray as xr
    >>> stored = StoredResponses(xr.DataArray(np.arange(6.0).reshape(3, 2)))
    >>> stored.shape, len(stored), stored[1:].tolist()
    ((3, 2), 3, [[2.0, 3.0], [4.0, 5.0]])
    """

    def __init__(self, responses: xr.DataArray) -> None:
        self._responses = responses

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return self._responses.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._responses.ndim

    @property
    def size(self) -> int:
        """Number of values."""
        return self._responses.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of what slicing gives."""
        return np.dtype(np.float32) if self._responses.dtype == np.float16 else self._responses.dtype

    def __len__(self) -> int:
        return len(self._responses)

    def __getitem__(self, key: Any) -> Any:
        values = self._responses[key].values.astype(self.dtype, copy=False)
        return values if values.ndim else values[()]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return self._responses.values.astype(self.dtype if dtype is None else dtype, copy=False)

    def __repr__(self) -> str:
        return f"<StoredResponses: shape {self.shape}, type {self.dtype}>"

"""Where weights of feature maps lie: Gaussian windows over the image, and a prior that is smooth within them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError

Doubles = NDArray[np.float64]
# eigenvalues of a prior below this share of the largest are left out: they are finer than the prior allows
PRIOR_RANK = 1e-2
# windows along a side, standard deviation and spacing in image widths
GRIDS = ((3, 0.28, 0.2), (5, 0.18, 0.15))


def field_windows(grids: ArrayLike = GRIDS) -> Doubles:
    """Gaussian windows on square grids around the image's centre, after one that spans the whole image.

    Parameters
    ----------
    grids : array_like, shape (grids, 3)
        For each grid: windows along a side, their standard deviation, and their spacing, in image widths.

    Returns
    -------
    array, shape (windows, 3)
        Centre to the right of the image's and above it, standard deviation; the first is infinitely wide.

    Examples
    --------
    >>> field_windows([(2, 0.2, 0.3)]).round(2).tolist()
    [[0.0, 0.0, inf], [-0.15, -0.15, 0.2], [0.15, -0.15, 0.2], [-0.15, 0.15, 0.2], [0.15, 0.15, 0.2]]
    """
    found = [(0.0, 0.0, np.inf)]
    for side, size, spacing in np.atleast_2d(np.asarray(grids, float)):
        places = (np.arange(int(side)) - (int(side) - 1) / 2) * spacing
        found += [(x, y, size) for y in places for x in places]
    return np.array(found)


def check_windows(windows: ArrayLike) -> Doubles:
    """Windows as an array of floats, shape (windows, 3).

    Raises
    ------
    InputValueError

    Examples
    --------
    >>> check_windows([[0, 0, 0.2]])
    array([[0. , 0. , 0.2]])
    """
    array = np.asarray(windows, float)
    if array.ndim != 2 or array.shape[1] != 3 or not len(array):
        raise InputValueError(f"windows must have shape (windows, 3): x, y and size of each, not {array.shape}")
    if not (np.isfinite(array[:, :2]).all() and (array[:, 2] > 0).all()):
        raise InputValueError("windows must have finite centres and positive sizes, in image widths")
    return array


def check_maps(maps: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float32]]:
    """Maps by layer, float32, of the same stimuli.

    Raises
    ------
    InputTypeError, InputValueError

    Examples
    --------
    >>> check_maps({"conv": np.zeros((2, 3, 4, 4))})["conv"].shape
    (2, 3, 4, 4)
    """
    if not isinstance(maps, Mapping) or not maps:
        raise InputTypeError("maps must be a mapping of layer names to arrays, with at least one layer")
    arrays = {}
    for name, values in maps.items():
        array = np.asarray(values)
        if array.dtype.kind not in "biuf" or array.ndim != 4 or not array.size:
            raise InputTypeError(
                f"maps of {name!r} must be numbers of shape (stimuli, channels, height, width), not {array.dtype} of "
                f"shape {array.shape}; a layer without positions has no receptive field"
            )
        if not np.isfinite(array).all():
            raise InputValueError(f"maps of {name!r} have values that are NaN or infinite")
        arrays[str(name)] = array.astype(np.float32, copy=False)
    stimuli = {name: len(array) for name, array in arrays.items()}
    if len(set(stimuli.values())) > 1:
        raise InputValueError(f"layers have maps of different numbers of stimuli: {stimuli}")
    return arrays


def prior_axis(size: int, centre: float, deviation: float, smoothness: float) -> tuple[Doubles, Doubles]:
    """Eigenvectors and eigenvalues of the prior covariance along one side of a map.

    Parameters
    ----------
    size : int
        Positions along the side of the image, at the middle of equal parts of it.
    centre, deviation : float
        Of the window, in image widths; the centre from the image's.
    smoothness : float
        Distance over which weights are alike.

    Examples
    --------
    >>> prior_axis(2, 0.0, np.inf, np.inf)[1].round(6).tolist()
    [0.0, 2.0]
    """
    places = (np.arange(size) + 0.5) / size - 0.5
    amplitude = np.exp(-((places - centre) ** 2) / (4 * deviation**2))  # root of the window
    alike = np.exp(-((places[:, None] - places) ** 2) / (2 * smoothness**2))
    values, vectors = np.linalg.eigh(alike * np.outer(amplitude, amplitude))
    return vectors, np.clip(values, 0, None)


class MapLayer:
    """One layer's maps, without their mean, of total variance 1."""

    def __init__(self, name: str, maps: NDArray[np.float32], smoothness: float, device: torch.device) -> None:
        self.name, self.smoothness = name, smoothness
        self.shape = maps.shape[1:]
        self.mean = maps.mean(0, dtype=np.float64).ravel()
        flat = torch.as_tensor(maps, device=device).flatten(2)  # (stimuli, channels, positions)
        self.maps = flat - torch.as_tensor(self.mean, device=device).float().view(flat.shape[1:])
        variance = float((self.maps.double() ** 2).sum() / len(maps))
        self.scale = 1 / np.sqrt(variance) if variance > 0 else 0.0

    def prior(self, window: Doubles) -> torch.Tensor:
        """Square root of the prior covariance over positions, times the layer's scale, (positions, rank)."""
        height, width = self.shape[1:]
        # the covariance is a product of one over rows, which go down, and one over columns
        down, down_size = prior_axis(height, -window[1], window[2], self.smoothness)
        right, right_size = prior_axis(width, window[0], window[2], self.smoothness)
        sizes = np.outer(down_size, right_size)
        kept = sizes > PRIOR_RANK * sizes.max()
        vectors = np.einsum("ya,xb->yxab", down, right)[:, :, kept].reshape(height * width, -1)
        root = vectors * np.sqrt(sizes[kept]) * self.scale
        return torch.as_tensor(root, dtype=torch.float32, device=self.maps.device)

    def kernel(self, window: Doubles) -> torch.Tensor:
        """Kernel of stimuli under the prior, float64, (stimuli, stimuli)."""
        seen = (self.maps @ self.prior(window)).flatten(1)  # (stimuli, channels * rank)
        return (seen @ seen.T).double()

    def weights(self, window: Doubles, dual: Doubles) -> NDArray[np.float32]:
        """Weights of the maps from those of stimuli (stimuli, units); shape (channels, height, width, units)."""
        prior = self.prior(window)
        of_stimuli = torch.as_tensor(dual, dtype=torch.float32, device=prior.device)
        seen = (self.maps @ prior).flatten(1)
        along = (seen.T @ of_stimuli).unflatten(0, (self.shape[0], -1))  # (channels, rank, units)
        found: NDArray[np.float32] = torch.einsum("pr,cru->cpu", prior, along).cpu().numpy()
        return found.reshape(*self.shape, -1)

"""Features turned into their own principal axes, where ridge regression is the same and rounding does less harm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.readouts.centring import feature_means

FORMS = ("auto", "primal", "kernel")
Form = Literal["auto", "primal", "kernel"]
# work on float64 copies of this many numbers at a time
BLOCK_NUMBERS = 4 * 2**20


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """Coordinates of the features along their principal axes, as many as there are linearly independent features.

    Parameters
    ----------
    coordinates : Tensor, shape (stimuli, components)
        On the device and in the dtype of the computation.
    eigenvalues : Tensor of float64, shape (components,)
        Squared length of each coordinate, falling.
    mean : array of float64, shape (features,)
        What was subtracted; zero without an intercept.
    axes : Tensor, shape (features, components), or None
        In the primal form.
    dual : Tensor, shape (stimuli, components), or None
        In the kernel form: the axes are ``(features - mean).T @ dual``, and are never made.
    features : Tensor, shape (stimuli, features), or None
        In the kernel form, without their mean.
    """

    coordinates: torch.Tensor
    eigenvalues: torch.Tensor
    mean: NDArray[np.float64]
    axes: torch.Tensor | None
    dual: torch.Tensor | None
    features: torch.Tensor | None

    def weights(self, along_axes: torch.Tensor) -> torch.Tensor:
        """Weights of features from weights of coordinates.

        Parameters
        ----------
        along_axes : Tensor, shape (units, components)

        Returns
        -------
        Tensor, shape (units, features)
        """
        if self.axes is not None:
            return along_axes @ self.axes.T
        assert self.dual is not None
        assert self.features is not None
        return (along_axes @ self.dual.T) @ self.features  # (units, stimuli) @ (stimuli, features)


def principal_axes(
    features: NDArray[Any],
    *,
    centre: bool,
    form: Form = "auto",
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    what: str = "features",
) -> PrincipalAxes:
    """Rotate features into their principal axes.

    Parameters
    ----------
    features : array, shape (stimuli, features)
    centre : bool
        Whether to subtract the mean of each feature.
    form : {"auto", "primal", "kernel"}
        From the scatter matrix of features, from the kernel of stimuli, or from the smaller of the two.
    device, dtype
        Of the coordinates. Scatter matrices and eigenvectors are always float64.
    what : str
        For messages.

    Returns
    -------
    PrincipalAxes

    Raises
    ------
    InputValueError, UnknownNameError
        When all features are constant, or the form is not known.

    Notes
    -----
    A rotation leaves the penalty |w|^2 alone, so the solution is the same. In these axes the scatter matrix is
    diagonal, and a float32 moment of a weak direction keeps its own relative accuracy; in the features' own axes it
    would carry the rounding of the strongest direction. With more features than stimuli the coordinates span the
    features' row space, and everything after this works on matrices of at most stimuli x stimuli: the kernel form.

    Examples
    --------
    >>> found = principal_axes(np.array([[1.0, 1.0], [2.0, 2.0], [6.0, 6.0]]), centre=True)
    >>> tuple(found.coordinates.shape)
    (3, 1)
    """
    if form not in FORMS:
        raise UnknownNameError("form of ridge regression", form, FORMS)
    device = device or torch.device("cpu")
    precise = precise_device(device)
    stimuli, count = features.shape
    kernel = form == "kernel" or (form == "auto" and count > stimuli)
    mean = feature_means(features) if centre else np.zeros(count)
    blocks = _columns if kernel else _rows
    scatter = torch.zeros((stimuli if kernel else count,) * 2, dtype=torch.float64, device=precise)
    for _, block in blocks(features, mean, precise):
        scatter.addmm_(block, block.T) if kernel else scatter.addmm_(block.T, block)
    values, vectors = eigenvectors(scatter, largest=max(stimuli, count))
    if not len(values):
        raise InputValueError(f"all {count} {what} are constant over the {stimuli} stimuli; there is nothing to fit")
    if kernel:
        root = values.sqrt()
        centred = torch.empty((stimuli, count), dtype=dtype, device=device)
        for cut, block in blocks(features, mean, precise):
            centred[:, cut] = block.to(dtype).to(device)
        coordinates, dual = ((vectors * factor).to(dtype).to(device) for factor in (root, 1 / root))
        return PrincipalAxes(coordinates, values, mean, None, dual, centred)
    coordinates = torch.empty((stimuli, len(values)), dtype=dtype, device=device)
    for cut, block in blocks(features, mean, precise):
        coordinates[cut] = (block @ vectors).to(dtype).to(device)
    return PrincipalAxes(coordinates, values, mean, vectors.to(dtype).to(device), None, None)


def precise_device(device: torch.device) -> torch.device:
    """Where float64 is computed: Apple's GPUs have none."""
    return torch.device("cpu") if device.type == "mps" else device


def eigenvectors(scatter: torch.Tensor, largest: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Positive eigenvalues of a symmetric float64 matrix, falling, and their eigenvectors as columns.

    Parameters
    ----------
    scatter : Tensor, shape (size, size)
    largest : int, optional
        Length of the longest sum that made it; sets which eigenvalues are rounding. Default: its size.

    Examples
    --------
    >>> eigenvectors(torch.diag(torch.tensor([0.0, 2.0, 3.0], dtype=torch.float64)))[0].tolist()
    [3.0, 2.0]
    """
    values, vectors = torch.linalg.eigh(scatter)
    first = int((values <= rounding_of(values, largest or len(scatter))).sum())
    return values[first:].flip(0), vectors[:, first:].flip(1)


def rounding_of(eigenvalues: torch.Tensor, terms: int) -> torch.Tensor:
    """How large an eigenvalue rounding alone can make, beside the largest, in a matrix of sums of so many terms."""
    return eigenvalues.max().clamp(min=0) * terms * torch.finfo(torch.float64).eps


def _rows(
    features: NDArray[Any], mean: NDArray[np.float64], device: torch.device
) -> Iterator[tuple[slice, torch.Tensor]]:
    size = max(1, BLOCK_NUMBERS // features.shape[1])
    for begin in range(0, len(features), size):
        cut = slice(begin, begin + size)
        yield cut, torch.as_tensor(features[cut] - mean, device=device)


def _columns(
    features: NDArray[Any], mean: NDArray[np.float64], device: torch.device
) -> Iterator[tuple[slice, torch.Tensor]]:
    size = max(1, BLOCK_NUMBERS // len(features))
    for begin in range(0, features.shape[1], size):
        cut = slice(begin, begin + size)
        yield cut, torch.as_tensor(features[:, cut] - mean[cut], device=device)

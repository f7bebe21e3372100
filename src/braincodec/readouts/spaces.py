"""Several feature spaces as one: what banded ridge regression shares among draws and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.readouts.folds import Fold
from braincodec.readouts.principal import PrincipalAxes, precise_device, principal_axes
from braincodec.readouts.targets import as_features

Doubles = NDArray[np.float64]


def check_spaces(features: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
    """Feature spaces by name, of the same stimuli.

    Raises
    ------
    InputTypeError, InputValueError
        When there is none, or they have different numbers of stimuli.

    Examples
    --------
    >>> list(check_spaces({"edges": [[1.0], [2.0]], "faces": [[3.0], [4.0]]}))
    ['edges', 'faces']
    """
    if not isinstance(features, Mapping):
        raise InputTypeError(f"feature spaces must be a mapping of names to arrays, not {type(features).__name__}")
    if not features:
        raise InputValueError("there is no feature space")
    arrays = {str(name): as_features(f"features {name!r}", values) for name, values in features.items()}
    stimuli = {name: len(values) for name, values in arrays.items()}
    if len(set(stimuli.values())) > 1:
        raise InputValueError(f"feature spaces have different numbers of stimuli: {stimuli}")
    return arrays


@dataclass(frozen=True, eq=False)
class Bands:
    """All feature spaces in their principal axes, side by side.

    Parameters
    ----------
    axes : list of PrincipalAxes
        Of each space.
    coordinates : Tensor, shape (stimuli, components)
    space : Tensor of int, shape (components,)
        Which space a component belongs to.
    centre : bool
    scatter : Tensor of float64, shape (components, components), or None
        ``coordinates.T @ coordinates``.
    kernels : Tensor of float64, shape (spaces, stimuli, stimuli), or None
        Where components outnumber stimuli, all is done with kernels of stimuli instead.
    """

    axes: list[PrincipalAxes]
    coordinates: torch.Tensor
    space: torch.Tensor
    centre: bool
    scatter: torch.Tensor | None
    kernels: torch.Tensor | None

    def scale(self, draw: Doubles) -> torch.Tensor:
        """Square root of the weight of each component's space, float64, shape (components,)."""
        precise = precise_device(self.coordinates.device)
        return torch.as_tensor(draw, device=precise).sqrt()[self.space.to(precise)]

    def kernel(self, draw: Doubles) -> torch.Tensor:
        """Kernel of a draw, float64, shape (stimuli, stimuli)."""
        assert self.kernels is not None
        return torch.einsum("s,sij->ij", torch.as_tensor(draw, device=self.kernels.device), self.kernels)


def make_bands(spaces: Mapping[str, NDArray[Any]], *, centre: bool, device: torch.device, dtype: torch.dtype) -> Bands:
    """Turn each space into its principal axes."""
    axes = [
        principal_axes(values, centre=centre, device=device, dtype=dtype, what=f"features {name!r}")
        for name, values in spaces.items()
    ]
    coordinates = torch.cat([one.coordinates for one in axes], dim=1)
    sizes = torch.tensor([one.coordinates.shape[1] for one in axes])
    space = torch.repeat_interleave(torch.arange(len(axes)), sizes).to(device)
    if coordinates.shape[1] > len(coordinates):
        precise = [one.coordinates.to(precise_device(device)).double() for one in axes]
        return Bands(axes, coordinates, space, centre, None, torch.stack([one @ one.T for one in precise]))
    rounded = coordinates.to(precise_device(device)).double()
    return Bands(axes, coordinates, space, centre, rounded.T @ rounded, None)


@dataclass(frozen=True, eq=False)
class BandedFold:
    """One fold of banded ridge regression, for any draw.

    Parameters
    ----------
    fold : Fold
    train, validation : Tensor
        Row numbers.
    mean : Tensor of float64, shape (components,)
        Of the training stimuli.
    scatter : Tensor of float64, shape (components, components), or None
        Of the training stimuli; None with kernels.
    held_out : Tensor of float64, shape (size, components), or None
        Validation coordinates, or the triangular factor of them where there are more stimuli than components.
    basis : Tensor, shape (validation stimuli, size), or None
        What turns validation responses into what `held_out` predicts; None when nothing has to be done.
    """

    fold: Fold
    train: torch.Tensor
    validation: torch.Tensor
    mean: torch.Tensor
    scatter: torch.Tensor | None
    held_out: torch.Tensor | None
    basis: torch.Tensor | None

    def system(self, bands: Bands, draw: Doubles) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Matrices of a draw: predictions are ``across @ inverse(within + alpha) @ moments``.

        Returns
        -------
        within, across : Tensor of float64, shapes (moments, moments) and (size, moments)
        scale : Tensor of float64, shape (moments,), or None
            By which moments are to be multiplied.
        """
        if self.scatter is not None and self.held_out is not None:
            scale = bands.scale(draw)
            return self.scatter * torch.outer(scale, scale), self.held_out * scale, scale
        kernel = bands.kernel(draw)
        train, validation = self.train.to(kernel.device), self.validation.to(kernel.device)
        within, across = kernel[train][:, train], kernel[validation][:, train]
        if bands.centre:
            column = within.mean(0)
            across = across - across.mean(1, keepdim=True) - column + column.mean()
            within = within - column - column[:, None] + column.mean()
        return within, across, None


def make_fold(bands: Bands, fold: Fold) -> BandedFold:
    """Everything of a fold that neither draw nor unit changes."""
    place = bands.coordinates.device
    train, validation = (torch.as_tensor(rows, device=place) for rows in (fold.train, fold.validation))
    precise = precise_device(place)
    if bands.kernels is not None:
        return BandedFold(fold, train, validation, torch.zeros(0), None, None, None)
    inside = bands.coordinates[train].to(precise).double()
    outside = bands.coordinates[validation].to(precise).double()
    mean = inside.mean(0) if bands.centre else torch.zeros_like(inside[0])
    inside, outside, basis = inside - mean, outside - mean, None
    if len(outside) > outside.shape[1]:
        orthogonal, outside = torch.linalg.qr(outside)
        basis = orthogonal.to(bands.coordinates.dtype).to(place)
    return BandedFold(fold, train, validation, mean, inside.T @ inside, outside, basis)

"""One draw of banded ridge regression: how well it predicts held-out stimuli, and its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.readouts.fold_solver import FoldSolver, make_solver, precise, some_direction
from braincodec.readouts.principal import eigenvectors, precise_device, rounding_of
from braincodec.readouts.spaces import BandedFold, Bands

Doubles = NDArray[np.float64]
# so many strengths are cheaper as one factorisation each than as one decomposition for all
FEW_ALPHAS = 3
# units at a time, so that what is computed stays in the processor's cache
TILE, TILE_BYTES = 1024, 16 * 2**20


@dataclass(frozen=True, eq=False)
class FoldTargets:
    """A block of units as one fold sees it.

    Parameters
    ----------
    moments : Tensor, shape (units, components or training stimuli)
    held_out : Tensor, shape (units, size)
    rest : array of float64, shape (units,)
        Sum of squares of validation responses that no prediction reaches.
    """

    moments: torch.Tensor
    held_out: torch.Tensor
    rest: Doubles


def fold_targets(bands: Bands, part: BandedFold, responses: torch.Tensor) -> FoldTargets:
    """Moments of a block of responses (stimuli, units)."""
    inside, outside = responses[part.train], responses[part.validation]
    if bands.centre:
        mean = inside.mean(0)
        inside, outside = inside - mean, outside - mean
    held_out = outside.T.contiguous()  # (units, validation stimuli)
    rest = np.zeros(len(held_out))
    if part.basis is not None:
        squares = precise((held_out**2).sum(1)).numpy()
        held_out = held_out @ part.basis
        rest = np.maximum(0, squares - precise((held_out**2).sum(1)).numpy())
    if bands.kernels is not None:
        return FoldTargets(inside.T.contiguous(), held_out, rest)
    mean_coordinates = part.mean.to(responses.dtype).to(responses.device)
    moments = inside.T @ (bands.coordinates[part.train] - mean_coordinates)
    return FoldTargets(moments, held_out, rest)


def draw_losses(bands: Bands, part: BandedFold, targets: FoldTargets, draw: Doubles, alphas: Doubles) -> Doubles:
    """Mean squared error of a draw on the validation stimuli.

    Returns
    -------
    array, shape (alphas, units)
    """
    within, across, scale = part.system(bands, draw)
    count = len(part.fold.validation)
    if len(alphas) <= FEW_ALPHAS:
        sums = [_residual_sums(_operator(within, across, scale, alpha), targets) for alpha in alphas]
        return (np.stack(sums) + targets.rest) / count
    values, vectors = some_direction(*eigenvectors(within, len(bands.coordinates)))
    rotation = vectors if scale is None else vectors * scale[:, None]
    solver = make_solver(part.fold, values, rotation, (across @ vectors).T, alphas, like=targets.moments)
    return _tiled_losses(solver, targets)


def _operator(within: torch.Tensor, across: torch.Tensor, scale: torch.Tensor | None, alpha: float) -> torch.Tensor:
    """What turns moments into predictions, float64, shape (size, moments)."""
    factor = _factor(within, alpha)
    if factor is None:
        values, vectors = some_direction(*eigenvectors(within))
        found = (across @ vectors / (values + alpha)) @ vectors.T
    else:
        found = torch.linalg.solve_triangular(factor.T, across, upper=True, left=False)
        found = torch.linalg.solve_triangular(factor, found, upper=False, left=False)
    return found if scale is None else found * scale


def _factor(scatter: torch.Tensor, alpha: float) -> torch.Tensor | None:
    """Lower triangular factor of ``scatter + alpha``; None where rounding of the scatter matrix drowns alpha."""
    if alpha <= rounding_of(scatter.trace(), len(scatter)).item():
        return None
    factor, failed = torch.linalg.cholesky_ex(scatter + alpha * torch.eye(len(scatter)).to(scatter))
    return None if int(failed) else factor


def _residual_sums(operator: torch.Tensor, targets: FoldTargets) -> Doubles:
    like = targets.moments
    matrix = operator.to(like.dtype).to(like.device).T.contiguous()
    sums = np.empty(len(like))
    for begin in range(0, len(like), TILE):
        cut = slice(begin, begin + TILE)
        residual = torch.addmm(targets.held_out[cut], like[cut], matrix, alpha=-1)
        sums[cut] = precise(torch.linalg.vector_norm(residual, dim=1)).numpy() ** 2
    return sums


def _tiled_losses(solver: FoldSolver, targets: FoldTargets) -> Doubles:
    units = len(targets.moments)
    step = max(1, TILE_BYTES // solver.bytes_a_unit)
    found = np.empty((solver.coefficients.shape[0], units))
    for begin in range(0, units, step):
        cut = slice(begin, begin + step)
        held_out = targets.held_out[cut]
        squares = (held_out**2).sum(1)
        losses = solver.losses(targets.moments[cut], None, squares, held_out).T
        found[:, cut] = losses + targets.rest[cut] / solver.validation_stimuli
    return found


def draw_weights(bands: Bands, responses: torch.Tensor, draw: Doubles, alpha: Doubles) -> torch.Tensor:
    """Weights of the coordinates of all spaces, from all stimuli.

    Parameters
    ----------
    responses : Tensor, shape (stimuli, units)
        Without their mean, when there is an intercept.
    draw : array, shape (spaces,)
    alpha : array, shape (units,)

    Returns
    -------
    Tensor, shape (components, units)
    """
    place = precise_device(responses.device)
    if bands.scatter is not None:
        scale = bands.scale(draw)
        moments = (bands.coordinates.T @ responses).to(place).double() * scale[:, None]
        found = solve(bands.scatter * torch.outer(scale, scale), moments, alpha) * scale[:, None]  # (components, units)
        return found.to(responses.dtype).to(responses.device)
    dual = solve(bands.kernel(draw), responses.to(place).double(), alpha).to(responses.dtype).to(responses.device)
    weights = torch.as_tensor(draw).to(responses.dtype).to(responses.device)[bands.space]
    return (bands.coordinates.T @ dual) * weights[:, None]


def solve(scatter: torch.Tensor, moments: torch.Tensor, alpha: Doubles) -> torch.Tensor:
    """``inverse(scatter + alpha) @ moments``, with an alpha for each column.

    Parameters
    ----------
    scatter : Tensor of float64, shape (size, size)
    moments : Tensor of float64, shape (size, units)
    alpha : array, shape (units,)

    Examples
    --------
    >>> eye = torch.eye(1, dtype=torch.float64)
    >>> round(solve(eye, 6 * eye, np.array([1.0])).item(), 6)
    3.0
    """
    used, of_unit = np.unique(alpha, return_inverse=True)
    tried = (_factor(scatter, one) for one in used) if len(used) <= FEW_ALPHAS else ()
    factors = [factor for factor in tried if factor is not None]
    if len(factors) < len(used):
        values, vectors = some_direction(*eigenvectors(scatter))
        strengths = torch.as_tensor(alpha, device=scatter.device)
        return vectors @ ((vectors.T @ moments) / (values[:, None] + strengths))
    found = torch.empty_like(moments)
    for number, factor in enumerate(factors):
        columns = torch.as_tensor(np.flatnonzero(of_unit == number), device=scatter.device)
        found[:, columns] = torch.cholesky_solve(moments[:, columns], factor)
    return found

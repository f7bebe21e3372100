"""Cross-validated ridge regression of any number of units: prepared once, then a tile of units at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.device import free_memory
from braincodec.readouts.alphas import Doubles, check_alphas, default_alphas
from braincodec.readouts.fold_solver import FoldSolver, solve_fold
from braincodec.readouts.folds import Cells, Fold, cells_of
from braincodec.readouts.principal import Form, PrincipalAxes, precise_device, principal_axes
from braincodec.readouts.targets import Targets
from braincodec.readouts.workers import Workers

# temporary arrays of a tile stay in the cache of the core that works on it; a GPU wants long ones
CPU_TILE_BYTES = 32 * 2**20
GPU_TILE_SHARE = 0.2
LEAST_TILE, MOST_TILE_CPU, MOST_TILE_GPU = 16, 1024, 16384


@dataclass(frozen=True, eq=False)
class RidgeProblem:
    """All of ridge regression that does not depend on the unit.

    Parameters
    ----------
    axes : PrincipalAxes
    cell_coordinates : list of Tensor, each of shape (stimuli of a cell, components)
    cells : Cells
    cell_rows : list of Tensor
        Row numbers of each cell.
    folds : list of FoldSolver
    alphas : array, shape (alphas,)
    centre : bool
        Whether there is an intercept.
    """

    axes: PrincipalAxes
    cell_coordinates: list[torch.Tensor]
    cells: Cells
    cell_rows: list[torch.Tensor]
    folds: list[FoldSolver]
    alphas: Doubles
    centre: bool

    @property
    def tile(self) -> int:
        """How many units to take at a time."""
        each = max(fold.bytes_a_unit for fold in self.folds)
        device = self.axes.coordinates.device
        if device.type == "cpu":
            return int(np.clip(CPU_TILE_BYTES // each, LEAST_TILE, MOST_TILE_CPU))
        stored = 2 * len(self.axes.coordinates) * self.axes.coordinates.element_size()
        fitting = int(free_memory(device) * GPU_TILE_SHARE) // (each + stored)
        return int(np.clip(fitting, LEAST_TILE, MOST_TILE_GPU))


def prepare(
    features: NDArray[Any],
    folds: list[Fold],
    alphas: Any,
    *,
    centre: bool,
    form: Form,
    device: torch.device,
    dtype: torch.dtype,
    workers: Workers,
    what: str = "features",
) -> RidgeProblem:
    """Turn features into principal axes and solve each fold there.

    Parameters
    ----------
    features : array, shape (stimuli, features)
    folds : list of Fold
    alphas : array_like, or None for the default grid
    centre : bool
    form : {"auto", "primal", "kernel"}
    device, dtype
        To compute units with.
    workers : Workers
        Folds are solved side by side.
    what : str
        What the features are called in messages.
    """
    given = None if alphas is None else check_alphas(alphas)
    axes = principal_axes(features, centre=centre, form=form, device=device, dtype=dtype, what=what)
    grid = default_alphas(axes.eigenvalues.cpu().numpy()) if given is None else given
    cells = cells_of(folds, len(features))
    rows = [torch.as_tensor(cell, device=device) for cell in cells.rows]
    scatter = None
    if axes.coordinates.shape[1] <= min(len(fold.train) for fold in folds):
        # of the coordinates as they were rounded, which is what moments are made with
        scatter = torch.zeros((axes.coordinates.shape[1],) * 2, dtype=torch.float64, device=precise_device(device))
        for cell in rows:
            part = axes.coordinates[cell].to(scatter.device).double()
            scatter.addmm_(part.T, part)

    def solve(fold: Fold) -> FoldSolver:
        return solve_fold(axes.coordinates, fold, grid, centre=centre, scatter=scatter)

    solvers = list(workers.map(solve, folds))
    return RidgeProblem(axes, [axes.coordinates[cell] for cell in rows], cells, rows, solvers, grid, centre)


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile of units on the device, with its moments.

    Parameters
    ----------
    units : slice
        Of all units.
    missing, constant : array of bool, shape (units,)
        Units without data, and without variance.
    mean : array of float64, shape (units,)
        Subtracted from the responses; zero without an intercept.
    variance : array of float64, shape (units,)
    responses : Tensor, shape (stimuli, units)
    cell_moments : list of Tensor, each of shape (units, components)
        Responses times coordinates, summed over the stimuli of a cell.
    moments : Tensor, shape (units, components)
        Of all stimuli.
    """

    units: slice
    missing: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    mean: Doubles
    variance: Doubles
    responses: torch.Tensor
    cell_moments: list[torch.Tensor]
    moments: torch.Tensor


@dataclass(frozen=True, eq=False)
class Piece:
    """Responses of a tile of units, as they were read.

    Parameters
    ----------
    units : slice
        Of all units.
    values : array, shape (stimuli, units)
    missing : array of bool, shape (units,)
    """

    units: slice
    values: NDArray[Any]
    missing: NDArray[np.bool_]


def pieces(problem: RidgeProblem, targets: Targets) -> Iterator[Piece]:
    """Read targets block by block and give them tile by tile."""
    size = problem.tile
    for block in targets.blocks(size):
        values, missing = targets.block(block)
        for begin in range(0, values.shape[1], size):
            cut = slice(begin, min(values.shape[1], begin + size))
            units = slice(block.start + cut.start, block.start + cut.stop)
            yield Piece(units, values[:, cut], missing[cut])


def make_tile(problem: RidgeProblem, piece: Piece) -> Tile:
    """Centre responses and multiply them with coordinates."""
    values, missing = piece.values, piece.missing
    coordinates = problem.axes.coordinates
    # contiguous copies: the rows of a tile lie far apart
    values = np.where(missing, 0, values) if missing.any() else np.ascontiguousarray(values)
    constant = values.max(axis=0) == values.min(axis=0)
    mean = values.mean(axis=0, dtype=np.float64)
    centred = (values - mean).astype(np.float32 if coordinates.dtype == torch.float32 else np.float64)
    variance = np.where(constant, 0.0, np.einsum("su,su->u", centred, centred) / len(centred))
    if not problem.centre:
        centred, mean = values, np.zeros_like(mean)
    elif constant.any():
        centred[:, constant] = 0
    responses = torch.as_tensor(centred).to(coordinates.dtype).to(coordinates.device)
    parts = [responses[rows].T @ part for rows, part in zip(problem.cell_rows, problem.cell_coordinates, strict=True)]
    total = torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
    return Tile(piece.units, missing, constant & ~missing, mean, variance, responses, parts, total)


def score(problem: RidgeProblem, tile: Tile) -> Doubles:
    """Negative mean squared error on held-out stimuli, averaged over folds.

    Returns
    -------
    array, shape (alphas, units)
    """
    sums = torch.stack([tile.responses[rows].sum(0) for rows in problem.cell_rows])  # (cells, units)
    total = np.zeros((tile.responses.shape[1], len(problem.alphas)))
    for number, fold in enumerate(problem.folds):
        train, held_out = problem.cells.train[number], problem.cells.validation[number]
        moments = _sum_of(tile.cell_moments, train, tile.moments)
        rows = torch.cat([problem.cell_rows[cell] for cell in np.flatnonzero(held_out)])
        responses = tile.responses[rows].T  # (units, validation stimuli)
        held_out_moments = None if fold.direct else _sum_of(tile.cell_moments, held_out, tile.moments)
        if problem.centre:
            mean = sums[torch.as_tensor(train)].sum(0) / fold.train_stimuli
            moments = torch.addr(moments, mean, fold.train_mean, alpha=-fold.train_stimuli)
            responses = responses - mean[:, None]
            if held_out_moments is not None:
                held_out_moments = torch.addr(held_out_moments, mean, fold.validation_sum, alpha=-1)
                held_out_moments = torch.addr(held_out_moments, responses.sum(1), fold.train_mean, alpha=-1)
        squares = (responses * responses).sum(1)
        total -= fold.losses(moments, held_out_moments, squares, responses)
    return np.ascontiguousarray(total.T) / len(problem.folds)


def _sum_of(parts: list[torch.Tensor], wanted: NDArray[np.bool_], total: torch.Tensor) -> torch.Tensor:
    """Sum over some cells, by whichever way has fewer terms."""
    others = np.flatnonzero(~wanted)
    chosen = np.flatnonzero(wanted)
    if len(others) < len(chosen):
        found = total
        for cell in others:
            found = found - parts[cell]
        return found
    found = parts[chosen[0]]
    for cell in chosen[1:]:
        found = found + parts[cell]
    return found


def refit(problem: RidgeProblem, tile: Tile, alphas: Doubles) -> tuple[NDArray[Any], Doubles]:
    """Weights and intercept from all stimuli.

    Parameters
    ----------
    alphas : array, shape (units,)

    Returns
    -------
    weights : array, shape (units, features)
    intercept : array of float64, shape (units,)
    """
    values = problem.axes.eigenvalues
    strengths = torch.as_tensor(np.where(tile.missing, 1.0, alphas), device=values.device)
    shrunk = (1 / (values + strengths[:, None])).to(tile.moments.dtype).to(tile.moments.device)
    found = problem.axes.weights(tile.moments * shrunk).cpu()
    # in torch, whose threads are this worker's
    through_mean = (found.double() @ torch.as_tensor(problem.axes.mean)).numpy()
    weights = found.numpy()
    weights[tile.missing] = np.nan
    intercept = np.where(tile.missing, np.nan, tile.mean - through_mean)
    return weights, intercept


def best_alphas(scores: Doubles, alphas: Doubles) -> NDArray[Any]:
    """Index of the best strength of each unit; the largest of equals.

    Parameters
    ----------
    scores : array, shape (alphas, units)
    alphas : array, shape (alphas,)

    Examples
    --------
    >>> best_alphas(np.array([[1.0, 0.0], [1.0, -1.0]]), np.array([1.0, 2.0]))
    array([1, 0])
    """
    return len(alphas) - 1 - np.argmax(scores[::-1], axis=0)

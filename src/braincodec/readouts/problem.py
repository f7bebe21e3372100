"""What of a cross-validated ridge regression does not depend on the unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.device import free_memory
from braincodec.errors import InputValueError
from braincodec.readouts.alphas import Doubles, check_alphas, default_alphas
from braincodec.readouts.fold_solver import FoldSolver, solve_fold
from braincodec.readouts.folds import Cells, Fold, cells_of
from braincodec.readouts.principal import Form, PrincipalAxes, precise_device, principal_axes, rounding_of
from braincodec.readouts.workers import Workers

if TYPE_CHECKING:
    from braincodec.readouts.tiles import Tile

# temporary arrays of a tile stay in the cache of the core that works on it; a GPU wants long ones
CPU_TILE_BYTES = 32 * 2**20
GPU_TILE_SHARE = 0.2
LEAST_TILE, MOST_TILE_CPU, MOST_TILE_GPU = 16, 1024, 16384
# of the weights of a tile, which with the features of a whole network are larger than all else
CPU_WEIGHT_BYTES, GPU_WEIGHT_BYTES = 64 * 2**20, 2**30
SCATTER_ROWS = 4096
# overlapping folds may cut the stimuli into so many cells that sums over each fold's own stimuli are less work
MOST_CELLS_A_FOLD = 4


@dataclass(frozen=True, eq=False)
class RidgeProblem:
    """All of ridge regression that does not depend on the unit.

    Parameters
    ----------
    axes : PrincipalAxes
    cells : Cells, or None
        None where there are too many for them to save work.
    cell_rows : list of Tensor
        Row numbers of each cell.
    cell_coordinates : list of Tensor, each of shape (stimuli of a cell, components)
    folds : list of FoldSolver
    fold_rows : list of (Tensor, Tensor)
        Row numbers that each fold is fitted on, and judged by.
    alphas : array, shape (alphas,)
    centre : bool
        Whether there is an intercept.
    """

    axes: PrincipalAxes
    cells: Cells | None
    cell_rows: list[torch.Tensor]
    cell_coordinates: list[torch.Tensor]
    folds: list[FoldSolver]
    fold_rows: list[tuple[torch.Tensor, torch.Tensor]]
    alphas: Doubles
    centre: bool

    @property
    def tile(self) -> int:
        """How many units to take at a time."""
        coordinates = self.axes.coordinates
        itemsize, weights = coordinates.element_size(), len(self.axes.mean) * coordinates.element_size()
        each = max((fold.bytes_a_unit for fold in self.folds), default=4 * coordinates.shape[1] * itemsize)
        if coordinates.device.type == "cpu":
            fitting = min(CPU_TILE_BYTES // each, CPU_WEIGHT_BYTES // weights)
            return int(np.clip(fitting, LEAST_TILE, MOST_TILE_CPU))
        stored = 2 * len(coordinates) * itemsize + weights
        fitting = int(free_memory(coordinates.device) * GPU_TILE_SHARE) // (each + stored)
        return int(np.clip(min(fitting, GPU_WEIGHT_BYTES // weights), LEAST_TILE, MOST_TILE_GPU))

    def sums(self, tile: Tile, fold: int, held_out: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Moments and sum of a tile's responses over one side of a fold, shapes (units, components) and (units,)."""
        if self.cells is None:
            rows = self.fold_rows[fold][held_out]
            responses = tile.responses[rows]
            return responses.T @ self.axes.coordinates[rows], responses.sum(0)
        wanted = (self.cells.validation if held_out else self.cells.train)[fold]
        return _sum_of(tile.cell_moments, wanted, tile.moments), tile.cell_sums[torch.as_tensor(wanted)].sum(0)


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
        An empty list where nothing is to be scored.
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

    def placed(side: Any) -> torch.Tensor:
        return torch.as_tensor(side, device=device)

    fold_rows = [(placed(fold.train), placed(fold.validation)) for fold in folds]
    cells = cells_of(folds, len(features)) if folds else None
    if cells is not None and len(cells.rows) > MOST_CELLS_A_FOLD * len(folds):
        cells = None
    rows = [] if cells is None else [placed(cell) for cell in cells.rows]
    _refuse_too_many(folds, axes.coordinates)
    scatter = None
    if axes.coordinates.shape[1] <= min((len(fold.train) for fold in folds), default=0):
        # of the coordinates as they were rounded, which is what moments are made with
        scatter = torch.zeros((axes.coordinates.shape[1],) * 2, dtype=torch.float64, device=precise_device(device))
        for part in axes.coordinates.split(SCATTER_ROWS):
            precise = part.to(scatter.device).double()
            scatter.addmm_(precise.T, precise)

    def solve(fold: Fold) -> FoldSolver:
        return solve_fold(axes.coordinates, fold, grid, centre=centre, scatter=scatter)

    solvers = list(workers.map(solve, folds))
    parts = [axes.coordinates[cell] for cell in rows]
    return RidgeProblem(axes, cells, rows, parts, solvers, fold_rows, grid, centre)


def _refuse_too_many(folds: list[Fold], coordinates: torch.Tensor) -> None:
    """Raise before hours of work, when the eigenvectors of all folds would not fit into memory."""
    components = coordinates.shape[1]
    sizes = sum(components + min(len(fold.validation), components) for fold in folds)
    needed, free = components * sizes * coordinates.element_size(), free_memory(coordinates.device)
    if needed > free:
        raise InputValueError(
            f"{len(folds)} folds of {components:,} components need {needed / 1e9:,.1f} GB, and "
            f"{free / 1e9:,.1f} GB are free; take fewer folds"
        )


def rounding_remark(problem: RidgeProblem) -> str:
    """What to say where features differ so much in size that small strengths cannot act; nothing where they can."""
    least = rounding_of(problem.axes.eigenvalues, max(len(problem.axes.coordinates), len(problem.axes.mean))).item()
    if least <= problem.alphas[0]:
        return ""
    return f"strengths below {least:.1g} are lost in the rounding of the largest features: standardise features"


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

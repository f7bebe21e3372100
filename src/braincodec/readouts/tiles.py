"""Cross-validated ridge regression of any number of units, a tile of them at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.readouts.alphas import Doubles
from braincodec.readouts.centring import centre_responses
from braincodec.readouts.problem import RidgeProblem
from braincodec.readouts.targets import Targets


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile of units on the device, with its moments.

    Parameters
    ----------
    units : slice
        Of all units.
    missing, constant : array of bool, shape (units,)
        Units without data, and without variance.
    mean, scale : array of float64, shape (units,)
        What was subtracted from the responses (zero without an intercept), and by what they were divided.
    variance : array of float64, shape (units,)
        Of the responses as they were given.
    responses : Tensor, shape (stimuli, units)
    cell_moments : list of Tensor, each of shape (units, components)
        Responses times coordinates, summed over the stimuli of a cell.
    cell_sums : Tensor, shape (cells, units)
    moments : Tensor, shape (units, components)
        Of all stimuli.
    """

    units: slice
    missing: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    mean: Doubles
    scale: Doubles
    variance: Doubles
    responses: torch.Tensor
    cell_moments: list[torch.Tensor]
    cell_sums: torch.Tensor
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
    coordinates = problem.axes.coordinates
    dtype = np.dtype(np.float32 if coordinates.dtype == torch.float32 else np.float64)
    found = centre_responses(piece.values, piece.missing, centre=problem.centre, dtype=dtype)
    still = found.values if problem.centre else found.values - found.values.mean(axis=0)
    variance = np.where(found.constant, 0.0, np.einsum("su,su->u", still, still) / len(still)) * found.scale**2
    responses = torch.as_tensor(found.values).to(coordinates.device)
    parts = [responses[rows].T @ part for rows, part in zip(problem.cell_rows, problem.cell_coordinates, strict=True)]
    sums = [responses[rows].sum(0) for rows in problem.cell_rows]
    return Tile(
        units=piece.units,
        missing=piece.missing,
        constant=found.constant,
        mean=found.mean,
        scale=found.scale,
        variance=variance,
        responses=responses,
        cell_moments=parts,
        cell_sums=torch.stack(sums) if sums else responses.new_empty(0, responses.shape[1]),
        moments=torch.stack(parts).sum(0) if parts else responses.T @ coordinates,
    )


def score(problem: RidgeProblem, tile: Tile) -> Doubles:
    """Negative mean squared error on held-out stimuli, averaged over folds.

    Returns
    -------
    array, shape (alphas, units)

    Raises
    ------
    InputValueError
        When products leave the range of the dtype.
    """
    total = np.zeros((tile.responses.shape[1], len(problem.alphas)))
    for number, fold in enumerate(problem.folds):
        moments, sums = problem.sums(tile, number, held_out=False)
        responses = tile.responses[problem.fold_rows[number][1]].T  # (units, validation stimuli)
        held_out_moments = None if fold.direct else problem.sums(tile, number, held_out=True)[0]
        if problem.centre:
            mean = sums / fold.train_stimuli
            moments = torch.addr(moments, mean, fold.train_mean, alpha=-fold.train_stimuli)
            responses = responses - mean[:, None]
            if held_out_moments is not None:
                held_out_moments = torch.addr(held_out_moments, mean, fold.validation_sum, alpha=-1)
                held_out_moments = torch.addr(held_out_moments, responses.sum(1), fold.train_mean, alpha=-1)
        squares = (responses * responses).sum(1)
        total -= fold.losses(moments, held_out_moments, squares, responses)
    refuse_overflow(total)
    return np.ascontiguousarray(total.T) / len(problem.folds) * tile.scale**2


def refuse_overflow(losses: Doubles) -> None:
    """Raise when products of features have left the range of the dtype: responses are of about unit size."""
    if not np.isfinite(losses).all():
        raise InputValueError(
            "features are so large or so small that their products are no finite numbers; "
            "divide all of them by their typical size, or compute with dtype='float64'"
        )


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
    found *= torch.as_tensor(tile.scale, dtype=found.dtype)[:, None]
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

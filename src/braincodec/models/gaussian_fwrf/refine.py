"""Receptive fields moved off the grid, to where the channel weights that were fitted there predict best.

Given weights of channels, a unit's prediction is its own weighted sum of maps seen through a window, so the window can
be moved without fitting again. The weights of each fold are applied to the stimuli that this fold holds out, and the
window follows the Gauss-Newton direction of the held-out error. Then weights are fitted anew, and the move is kept
where it lowers the cross-validated error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from braincodec.memory import free_main_memory
from braincodec.models.gaussian_fwrf.solve import FieldRidge, scale_features
from braincodec.models.gaussian_fwrf.windows import window_slopes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.gaussian_fwrf.grid import FieldGrid, Fields
    from braincodec.models.gaussian_fwrf.search import Choice, Doubles, Search, Space
    from braincodec.readouts.workers import Workers

# of one round: steps of the window, each at most so long in standard deviations (of the logarithm for the size)
STEPS, LONGEST_STEP, DAMPING = 6, 0.5, 1e-3
# weighted maps that wait, one for each unit of a batch
WEIGHTED_BYTES = 2**31
SHARE_WEIGHTED = 0.15
MOST_UNITS = 64
# share of the variance; what is predicted less well has no field to speak of
LEAST_EXPLAINED = 0.001
# in standard deviations; a shorter move is not worth fitting again
LEAST_MOVE = 0.03


def refine_all(
    search: Search,
    grid: FieldGrid,
    responses: torch.Tensor,
    choice: Choice,
    rounds: int,
    workers: Workers,
    advance: Callable[[int], Any],
) -> None:
    """Move the fields of units that are predicted at all; `choice` changes where that is better.

    Parameters
    ----------
    search : Search
    grid : FieldGrid
        Limits of the fields.
    responses : Tensor of float32, shape (stimuli, units)
    choice : Choice
    rounds : int
    workers : Workers
        Fields are fitted side by side.
    advance : callable
        Told how many units are done.
    """
    if not rounds:
        return
    variance = responses.double().square().mean(0).cpu().numpy()
    predicted = choice.loss < (1 - LEAST_EXPLAINED) * variance
    advance(int((~predicted).sum()))
    for units in batches(search, choice, np.flatnonzero(predicted)):
        own = responses[:, torch.as_tensor(units, device=responses.device)]
        space = search.spaces[choice.space[units[0]]]
        refine(search, grid, own, choice, units, space, rounds, workers)
        advance(len(units))


def refine(
    search: Search,
    grid: FieldGrid,
    responses: torch.Tensor,
    choice: Choice,
    units: NDArray[np.intp],
    space: Space,
    rounds: int,
    workers: Workers,
) -> None:
    """Move the fields of some units that read the same layers."""
    limits = dataclasses.replace(grid, sizes=(max(grid.sizes[0], search.least_size(space)), grid.sizes[-1]))
    fields, alphas = choice.fields[units], choice.alpha[units]
    weights, losses = fold_weights(search, responses, fields, alphas, space, workers)
    for _ in range(rounds):
        moved = _follow(_WeightedMaps(search, space, weights), responses, limits, fields)
        far = np.flatnonzero((np.abs(moved - fields) > LEAST_MOVE * fields[:, 2:]).any(axis=1))
        if not len(far):
            break
        rows = torch.as_tensor(far, device=responses.device)
        weights_there, losses_there = fold_weights(search, responses[:, rows], moved[far], alphas[far], space, workers)
        better = losses_there < losses[far]
        fields[far[better]], losses[far[better]] = moved[far[better]], losses_there[better]
        kept = torch.as_tensor(better, device=responses.device)
        weights[:, rows[kept]] = weights_there[:, kept]
    choice.fields[units], choice.loss[units] = fields, losses


def batches(search: Search, choice: Choice, chosen: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Units to refine together: of one space, with neighbouring fields, as many as memory allows."""
    room = min(WEIGHTED_BYTES, SHARE_WEIGHTED * free_main_memory())
    for number, space in enumerate(search.spaces):
        units = chosen[choice.space[chosen] == number]
        units = units[np.lexsort(choice.fields[units].T)]
        positions = sum(search.maps.shapes[layer][1] * search.maps.shapes[layer][2] for layer in space)
        each = 4 * search.maps.stimuli * (positions + 2 * search.maps.channels(space))
        size = int(np.clip(room // each, 1, MOST_UNITS))
        for begin in range(0, len(units), size):
            yield units[begin : begin + size]


def fold_weights(
    search: Search, responses: torch.Tensor, fields: Fields, alphas: Doubles, space: Space, workers: Workers
) -> tuple[torch.Tensor, Doubles]:
    """Weights of the channels of each unit at its own field, fitted in each fold.

    Parameters
    ----------
    search : Search
    responses : Tensor of float32, shape (stimuli, units)
    fields : array, shape (units, 3)
    alphas : array, shape (units,)
    space : tuple of str
    workers : Workers

    Returns
    -------
    weights : Tensor of float32, shape (folds, units, channels)
        Of the channels as they were pooled.
    losses : array of float64, shape (units,)
        Mean squared error on held-out stimuli.
    """
    distinct, which = np.unique(fields, axis=0, return_inverse=True)
    pooled = search.maps.pool(distinct, space)
    weights = torch.empty(len(search.folds), len(fields), search.maps.channels(space), device=search.device)
    losses = np.empty(len(fields))

    def run(number: int) -> None:
        units = np.flatnonzero(which.reshape(-1) == number)
        rows = torch.as_tensor(units, device=search.device)
        scaled = scale_features(search.features(pooled, number, space), standardise=search.standardise)
        strengths = torch.as_tensor(alphas[units] * search.maps.stimuli, device=search.device)
        found = FieldRidge(scaled.values, exact=False).held_out(responses[:, rows].double(), strengths, search.folds)
        weights[:, rows] = (found.weights * scaled.scale[:, None]).transpose(1, 2).float()
        losses[units] = found.loss.cpu().numpy()

    for _ in workers.map(run, range(len(distinct))):
        pass
    return weights, losses


class _WeightedMaps:
    """For each unit the sum of maps by its channel weights: those of the fold that holds a stimulus out.

    Parameters
    ----------
    search : Search
    space : tuple of str
    weights : Tensor, shape (folds, units, channels)
    """

    def __init__(self, search: Search, space: Space, weights: torch.Tensor) -> None:
        self._angle, self._stimuli, self._device = search.maps.visual_angle, search.maps.stimuli, search.device
        fold_of = torch.empty(search.maps.stimuli, dtype=torch.int64)
        for number, fold in enumerate(search.folds):
            fold_of[torch.as_tensor(fold.validation)] = number
        self.folds = fold_of.to(search.device)
        self._maps: list[tuple[torch.Tensor, int, int]] = []
        first = 0
        for layer in space:
            channels, height, width = search.maps.shapes[layer]
            own = weights[:, :, first : first + channels]
            summed = torch.empty(weights.shape[1], self._stimuli, height * width, device=search.device)
            for rows in search.maps.blocks(layer, each=weights.shape[1]):
                maps = search.maps.read(layer, rows).flatten(2)  # (stimuli, channels, positions)
                summed[:, rows] = torch.bmm(own[self.folds[rows]], maps).transpose(0, 1)
            self._maps.append((summed, height, width))
            first += channels

    def seen(self, fields: torch.Tensor) -> torch.Tensor:
        """What each unit's window gives, and its slopes, shape (units, stimuli, 4), without the mean of each fold."""
        found = torch.zeros(len(fields), self._stimuli, 4, device=self._device)
        for summed, height, width in self._maps:
            found += torch.bmm(summed, window_slopes(fields, height, width, self._angle).transpose(1, 2))
        return self.centred(found)

    def centred(self, values: torch.Tensor) -> torch.Tensor:
        """Values (units, stimuli, any) in float64, without the mean over the stimuli of a fold."""
        values = values.double()
        for fold in self.folds.unique():
            rows = self.folds == fold
            values[:, rows] -= values[:, rows].mean(1, keepdim=True)
        return values


def _follow(views: _WeightedMaps, responses: torch.Tensor, grid: FieldGrid, start: Fields) -> Fields:
    """Fields after a few Gauss-Newton steps, each taken where it makes the prediction better."""
    targets = views.centred(responses.T[:, :, None])[:, :, 0]  # (units, stimuli)
    fields = start.copy()
    seen = views.seen(torch.as_tensor(fields, dtype=torch.float32, device=responses.device))
    quality = _explained(seen, targets)
    length = np.full(len(fields), LONGEST_STEP)
    for _ in range(STEPS):
        step = _gauss_newton(seen, targets)
        step *= np.minimum(1, length / np.maximum(np.abs(step).max(axis=1), 1e-12))[:, None]
        size = fields[:, 2:]
        trial = grid.clip(np.concatenate([fields[:, :2] + step[:, :2] * size, size * np.exp(step[:, 2:])], axis=1))
        seen_there = views.seen(torch.as_tensor(trial, dtype=torch.float32, device=responses.device))
        quality_there = _explained(seen_there, targets)
        better = quality_there > quality
        fields[better] = trial[better]
        chosen = torch.as_tensor(better, device=responses.device)
        seen[chosen] = seen_there[chosen]
        quality = np.where(better, quality_there, quality)
        length = np.where(better, length, length / 4)
    return fields


def _explained(seen: torch.Tensor, targets: torch.Tensor) -> Doubles:
    """Share of the variance that the prediction explains after scaling; negative where it has the wrong sign."""
    product = (seen[:, :, 0] * targets).sum(1)
    norm = seen[:, :, 0].square().sum(1) * targets.square().sum(1)
    found: Doubles = (product * product.abs() / norm.clamp(min=torch.finfo(torch.float64).tiny)).cpu().numpy()
    return found


def _gauss_newton(seen: torch.Tensor, targets: torch.Tensor) -> Doubles:
    """Steps in x, y (standard deviations) and logarithm of size, shape (units, 3)."""
    scatter = seen.transpose(1, 2) @ seen  # (units, 4, 4)
    damping = DAMPING * scatter.diagonal(dim1=1, dim2=2)
    scatter = scatter + torch.diag_embed(damping + damping.amax(1, keepdim=True) * 1e-9 + 1e-30)
    slopes = torch.linalg.solve(scatter, (seen * targets[:, :, None]).sum(1))  # (units, 4)
    step = slopes[:, 1:] / slopes[:, :1].clamp(min=1e-12)
    found: Doubles = torch.nan_to_num(step).cpu().numpy()
    return found

"""The best receptive field of a coarse grid for each unit, by cross-validated ridge regression."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.memory import free_main_memory
from braincodec.models.gaussian_fwrf.grid import Fields
from braincodec.models.gaussian_fwrf.maps import Maps
from braincodec.models.gaussian_fwrf.solve import kernel_losses, scale_features
from braincodec.readouts import Fold
from braincodec.readouts.centring import centre_responses
from braincodec.readouts.problem import RidgeProblem, prepare
from braincodec.readouts.targets import Targets
from braincodec.readouts.tiles import Tile, best_alphas, score
from braincodec.readouts.workers import Workers

if TYPE_CHECKING:
    from braincodec.models.gaussian_fwrf.checkpoint import Checkpoint

# pooled channels of several fields that wait for their regressions, at most
POOLED_BYTES = 2**30
SHARE_POOLED = 0.2
# in distances between neighbouring positions of the finest maps
LEAST_SIZE = 0.5
Doubles = NDArray[np.float64]
Space = tuple[str, ...]
Pooled = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class UnitBlock:
    """Responses of some units, held while all receptive fields are tried.

    Attributes
    ----------
    units : slice
        Of all units of the recording.
    responses : Tensor of float32, shape (stimuli, units)
        Without their mean, divided by `scale`.
    mean, scale : array of float64, shape (units,)
    missing, constant : array of bool, shape (units,)
        NaN for every stimulus; without variance.
    """

    units: slice
    responses: torch.Tensor
    mean: Doubles
    scale: Doubles
    missing: NDArray[np.bool_]
    constant: NDArray[np.bool_]

    @property
    def fitted(self) -> NDArray[np.intp]:
        """Numbers, within the block, of the units that have something to fit."""
        return np.flatnonzero(~(self.missing | self.constant))


def read_block(targets: Targets, units: slice) -> UnitBlock:
    """Read and centre the responses of some units."""
    values, missing = targets.block(units)
    found = centre_responses(values, missing, centre=True, dtype=np.dtype(np.float32))
    return UnitBlock(units, torch.as_tensor(found.values), found.mean, found.scale, missing, found.constant)


@dataclass(eq=False)
class Choice:
    """What was found for the units of a block that have something to fit.

    Attributes
    ----------
    space : array of int, shape (units,)
        Which layers.
    fields : array of float64, shape (units, 3)
    alpha : array of float64, shape (units,)
        Relative to the number of stimuli.
    loss : array of float64, shape (units,)
        Mean squared error on held-out stimuli, in the scale of the block.
    """

    space: NDArray[np.int64]
    fields: Fields
    alpha: Doubles
    loss: Doubles

    @classmethod
    def empty(cls, units: int) -> Choice:
        """Nothing found yet."""
        return cls(np.full(units, -1), np.full((units, 3), np.nan), np.full(units, np.nan), np.full(units, np.inf))

    def improve(self, losses: Doubles, alpha: Doubles, space: int, field: Doubles) -> None:
        """Take over a field for the units that it suits better."""
        better = losses < self.loss
        self.space[better], self.fields[better] = space, field
        self.alpha[better], self.loss[better] = alpha[better], losses[better]


@dataclass(frozen=True, eq=False)
class Search:
    """What all units and fields of a recording share.

    Attributes
    ----------
    maps : Maps
    spaces : tuple of tuple of str
        Layers that are concatenated, for each alternative.
    folds : list of Fold
    alphas : array, shape (alphas,)
        Relative to the number of stimuli.
    standardise : bool
    """

    maps: Maps
    spaces: tuple[Space, ...]
    folds: list[Fold]
    alphas: Doubles
    standardise: bool

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self.maps.device

    def least_size(self, space: Space) -> float:
        """Fields smaller than this look alike on the maps of a space, however they lie between positions."""
        finest = min(self.maps.visual_angle / self.maps.shapes[layer][2] for layer in space)
        return LEAST_SIZE * finest

    def seen(self, fields: Fields, space: Space) -> Fields:
        """The fields that are not too small for the maps of a space."""
        return fields[fields[:, 2] >= self.least_size(space)]

    def groups(self, fields: Fields, space: Space) -> Iterator[slice]:
        """Fields to pool at a time, so that what they give stays in bounded memory."""
        each = 4 * self.maps.stimuli * self.maps.channels(space)
        size = max(1, int(min(POOLED_BYTES, SHARE_POOLED * free_main_memory())) // each)
        for begin in range(0, len(fields), size):
            yield slice(begin, min(len(fields), begin + size))

    def features(self, pooled: Pooled, field: int, space: Space) -> torch.Tensor:
        """Channels of a space for one pooled field, (stimuli, channels), on the device."""
        return torch.cat([pooled[layer][field] for layer in space], dim=1).to(self.device)

    def losses(self, features: torch.Tensor, responses: torch.Tensor) -> tuple[Doubles, Doubles] | None:
        """The least held-out error of each unit over all strengths, and that strength; None where nothing varies."""
        scaled = scale_features(features, standardise=self.standardise)
        if not scaled.vary:
            return None
        strengths = self.alphas * self.maps.stimuli
        if features.shape[1] > features.shape[0]:
            given = torch.as_tensor(strengths, device=self.device)
            scores = -kernel_losses(scaled.values, responses, given, self.folds).cpu().numpy()
        else:
            scores = _primal_scores(self._problem(scaled.values, strengths), responses)
        at = best_alphas(scores, self.alphas)
        return -np.take_along_axis(scores, at[None], axis=0)[0], self.alphas[at]

    def _problem(self, values: torch.Tensor, strengths: Doubles) -> RidgeProblem:
        return prepare(
            values.cpu().numpy(),
            self.folds,
            strengths,
            centre=True,
            form="primal",
            device=self.device,
            dtype=torch.float32,
            workers=Workers(self.device),  # not entered: the fields are what is worked on side by side
        )


def search_grid(
    search: Search,
    fields: Fields,
    block: UnitBlock,
    checkpoint: Checkpoint,
    workers: Workers,
    advance: Callable[[int], Any],
) -> Choice:
    """Try every field, on every alternative of layers, for the units of a block.

    Parameters
    ----------
    search : Search
    fields : array, shape (fields, 3)
    block : UnitBlock
    checkpoint : Checkpoint
        What an interrupted search has found.
    workers : Workers
        Fields are tried side by side.
    advance : callable
        Told how many fields are done.
    """
    responses = block.responses[:, block.fitted].to(search.device)
    done = checkpoint.done
    advance(done)
    for number, space in enumerate(search.spaces):
        seen = search.seen(fields, space)
        done, seen = max(0, done - len(seen)), seen[done:]
        for group in search.groups(seen, space):
            pooled = search.maps.pool(seen[group], space)

            def run(field: int, pooled: Pooled = pooled, space: Space = space) -> tuple[Doubles, Doubles] | None:
                return search.losses(search.features(pooled, field, space), responses)

            for field, found in zip(seen[group], workers.map(run, range(len(seen[group]))), strict=True):
                if found is not None:
                    checkpoint.choice.improve(*found, number, field)
                checkpoint.save(checkpoint.done + 1)
                advance(1)
    checkpoint.save(checkpoint.done, now=True)
    return checkpoint.choice


def _primal_scores(problem: RidgeProblem, responses: torch.Tensor) -> Doubles:
    """Negative held-out error of every strength, shape (alphas, units)."""
    found = np.empty((len(problem.alphas), responses.shape[1]))
    for begin in range(0, responses.shape[1], problem.tile):
        units = slice(begin, min(responses.shape[1], begin + problem.tile))
        found[:, units] = score(problem, _tile(problem, responses[:, units]))
    return found


def _tile(problem: RidgeProblem, responses: torch.Tensor) -> Tile:
    """Units that have been centred already, as the readouts score them."""
    units = responses.shape[1]
    nothing, ones = np.zeros(units, bool), np.ones(units)
    parts = [responses[rows].T @ part for rows, part in zip(problem.cell_rows, problem.cell_coordinates, strict=True)]
    return Tile(
        units=slice(0, units),
        missing=nothing,
        constant=nothing,
        mean=np.zeros(units),
        scale=ones,
        variance=ones,
        responses=responses,
        cell_moments=parts,
        cell_sums=torch.stack([responses[rows].sum(0) for rows in problem.cell_rows]),
        moments=torch.stack(parts).sum(0),
    )


def alternatives(layers: Sequence[str], layer_choice: str) -> tuple[Space, ...]:
    """All layers together, or each alone.

    Examples
    --------
    >>> alternatives(["early", "late"], "best")
    (('early',), ('late',))
    """
    return (tuple(layers),) if layer_choice == "concatenate" else tuple((layer,) for layer in layers)

"""For each unit, the one feature space (a layer, a backbone) that predicts it best on held-out stimuli."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.device import fast_matmul, keep_freed_memory, resolve_device
from braincodec.errors import InputValueError
from braincodec.progress import progress_bar
from braincodec.readouts.folds import Fold, make_folds
from braincodec.readouts.principal import Form
from braincodec.readouts.problem import prepare
from braincodec.readouts.results import predict, warn_about_units
from braincodec.readouts.spaces import check_spaces
from braincodec.readouts.targets import Responses, Targets, open_targets
from braincodec.readouts.tiles import Piece, Tile, best_alphas, make_tile, pieces, refit, score
from braincodec.readouts.torch_dtype import readout_dtype
from braincodec.readouts.workers import Workers

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class BestSpaceFit:
    """Ridge regressions, each unit on the feature space that suits it best.

    Attributes
    ----------
    names : tuple of str
        Of the feature spaces.
    space : array of int, shape (units,)
        Which of them a unit uses; -1 for a unit without data.
    alpha : array of float64, shape (units,)
    score : array of float64, shape (units,)
        Negative mean squared error on held-out stimuli, averaged over folds. The best of several: slightly too good.
    scores : array of float64, shape (spaces, units)
        The same for each space, at its best strength.
    units_of : dict of str to array of int
        The units that use a space.
    weights : dict of str to array, each of shape (features of the space, its units)
    intercept : array of float64, shape (units,)
    missing, constant : array of bool, shape (units,)
        Units that are NaN for every stimulus; units that do not vary.
    """

    names: tuple[str, ...]
    space: NDArray[np.int64]
    alpha: Doubles
    score: Doubles
    scores: Doubles
    units_of: dict[str, NDArray[np.int64]]
    weights: dict[str, NDArray[Any]]
    intercept: Doubles
    missing: NDArray[np.bool_]
    constant: NDArray[np.bool_]

    def predict(self, features: Mapping[str, ArrayLike]) -> NDArray[Any]:
        """Responses to features, each (stimuli, features); shape (stimuli, units). Only spaces in use are needed.

        Raises
        ------
        InputTypeError, InputValueError
            When a space that some units use is missing or has another number of features.
        """
        arrays = check_spaces(features)
        used = [name for name in self.names if len(self.units_of[name])]
        absent = [name for name in used if name not in arrays]
        if absent:
            raise InputValueError(f"features of {', '.join(absent)} are missing; given are {', '.join(arrays)}")
        stimuli = len(next(iter(arrays.values())))
        dtype = next(iter(self.weights.values())).dtype
        found = np.full((stimuli, len(self.space)), np.nan, dtype)
        for name in used:
            units = self.units_of[name]
            found[:, units] = predict(arrays[name], self.weights[name], self.intercept[units])
        return found

    def counts(self) -> dict[str, int]:
        """How many units use each space."""
        return {name: len(self.units_of[name]) for name in self.names}

    def __repr__(self) -> str:
        shares = ", ".join(f"{count:,} on {name}" for name, count in self.counts().items())
        return f"<BestSpaceFit: {len(self.space):,} units, {shares}>"


def best_space_cv(
    features: Mapping[str, ArrayLike],
    responses: Responses,
    alphas: ArrayLike | None = None,
    *,
    folds: Any = 5,
    groups: ArrayLike | None = None,
    shuffle: bool = True,
    seed: int = 0,
    fit_intercept: bool = True,
    form: Form = "auto",
    units: int | None = None,
    device: str = "auto",
    dtype: str = "float32",
    progress: bool | None = None,
) -> BestSpaceFit:
    """Choose a feature space and a strength for each unit by cross-validation.

    Parameters
    ----------
    features : mapping of str to array_like, each of shape (stimuli, features)
        Such as the layers of a network.
    responses : array_like or callable, shape (stimuli, units)
        As in `ridge_cv`; read twice for each space.
    alphas, folds, groups, shuffle, seed, fit_intercept, form, units, device, dtype, progress
        As in `ridge_cv`; the default strengths are those of each space.

    Returns
    -------
    BestSpaceFit

    Raises
    ------
    InputTypeError, InputValueError
        As `ridge_cv`; also when spaces have different numbers of stimuli.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> layers = {"early": random.normal(size=(60, 3)), "late": random.normal(size=(60, 3))}
    >>> best_space_cv(layers, layers["late"] + random.normal(size=(60, 3))).counts()
    {'early': 0, 'late': 3}
    """
    arrays = check_spaces(features)
    stimuli = len(next(iter(arrays.values())))
    targets = open_targets(responses, stimuli, units)
    splits = make_folds(stimuli, folds, groups=groups, shuffle=shuffle, seed=seed, least=1 + bool(fit_intercept))
    place = resolve_device(device)
    workers = Workers(place)
    options: dict[str, Any] = {
        "centre": fit_intercept,
        "form": form,
        "device": place,
        "dtype": readout_dtype(dtype, place),
        "workers": workers,
    }
    choice = _Choice(tuple(arrays), targets.units)
    keep_freed_memory()
    bar = progress_bar("best space", 2 * len(arrays) * targets.units, show=progress)
    with torch.inference_mode(), fast_matmul(place), workers, bar as advance:
        for number, (name, values) in enumerate(arrays.items()):
            choice.search(number, values, splits, alphas, targets, options | {"what": f"features {name!r}"}, advance)
        choice.settle()
        for number, values in enumerate(arrays.values()):
            choice.refit(number, values, alphas, targets, options, np.dtype(dtype), advance)
    warn_about_units(choice.missing, choice.constant)
    return choice.fit()


class _Choice:
    """What `best_space_cv` finds, one space after another."""

    def __init__(self, names: tuple[str, ...], units: int) -> None:
        self.names = names
        self.scores = np.full((len(names), units), np.nan)
        self.alphas = np.full((len(names), units), np.nan)
        self.missing, self.constant = np.zeros((2, units), bool)
        self.intercept = np.full(units, np.nan)
        self.space = np.full(units, -1)
        self.weights: dict[str, NDArray[Any]] = {}

    def search(
        self,
        number: int,
        values: NDArray[Any],
        splits: list[Fold],
        alphas: Any,
        targets: Targets,
        options: dict[str, Any],
        advance: Any,
    ) -> None:
        """Score one space for all units."""
        problem = prepare(values, splits, alphas, **options)

        def run(piece: Piece) -> tuple[Tile, Doubles]:
            tile = make_tile(problem, piece)
            return tile, score(problem, tile)

        for tile, found in options["workers"].map(run, pieces(problem, targets)):
            at = best_alphas(found, problem.alphas)
            best = np.take_along_axis(found, at[None], axis=0)[0]
            self.scores[number, tile.units] = np.where(tile.missing, np.nan, best)
            self.alphas[number, tile.units] = np.where(tile.missing, np.nan, problem.alphas[at])
            self.missing[tile.units], self.constant[tile.units] = tile.missing, tile.constant
            advance(len(best))

    def settle(self) -> None:
        """Choose the space of each unit; the first of equals."""
        valid = ~self.missing
        self.space[valid] = self.scores[:, valid].argmax(axis=0)

    def refit(
        self,
        number: int,
        values: NDArray[Any],
        alphas: Any,
        targets: Targets,
        options: dict[str, Any],
        dtype: np.dtype,
        advance: Any,
    ) -> None:
        """Weights of the units that chose one space."""
        chosen = self.space == number
        weights = np.empty((values.shape[1], int(chosen.sum())), dtype)
        if chosen.any():
            problem = prepare(values, [], alphas, **options)  # nothing is scored again
            place = np.cumsum(chosen) - 1

            def run(piece: Piece) -> slice:
                here = chosen[piece.units]
                if here.any():
                    alphas_here = np.where(here, self.alphas[number, piece.units], 1.0)
                    found, intercept = refit(problem, make_tile(problem, piece), alphas_here)
                    weights[:, place[piece.units][here]] = found[here].T
                    self.intercept[np.arange(piece.units.start, piece.units.stop)[here]] = intercept[here]
                return piece.units

            for units in options["workers"].map(run, pieces(problem, targets)):
                advance(units.stop - units.start)
        else:
            advance(targets.units)
        self.weights[self.names[number]] = weights

    def fit(self) -> BestSpaceFit:
        """All together."""
        at = np.maximum(self.space, 0)[None]
        return BestSpaceFit(
            names=self.names,
            space=self.space,
            alpha=np.take_along_axis(self.alphas, at, axis=0)[0],
            score=np.take_along_axis(self.scores, at, axis=0)[0],
            scores=self.scores,
            units_of={name: np.flatnonzero(self.space == number) for number, name in enumerate(self.names)},
            weights=self.weights,
            intercept=self.intercept,
            missing=self.missing,
            constant=self.constant,
        )

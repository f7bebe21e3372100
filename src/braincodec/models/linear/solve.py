"""Readouts of every recording and repetition, written into one array of weights."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import OutputError
from braincodec.memory import free_main_memory
from braincodec.models.linear.recipe import LinearRecipe
from braincodec.readouts import banded_ridge_cv, best_space_cv, least_squares, ridge_cv

if TYPE_CHECKING:
    from braincodec.models.linear.spaces import Space
    from braincodec.models.training_data import Examples

# weights that need more than this share of the free memory are kept in a file
LARGEST_SHARE = 0.25
# strengths that banded ridge tries by default, of spaces whose total variance is 1: one a decade around the mean
# eigenvalue
DECADES = np.arange(-4.0, 5.0)

Features = dict[str, NDArray[np.float32]]
Doubles = NDArray[np.float64]


class Chosen(NamedTuple):
    """What fitting some units gives beside their weights.

    Parameters
    ----------
    intercept, alpha : array of float64, shape (units,)
        A unit without regularisation has the strength 0.
    space : array of int, shape (units,), optional
        Which space a unit uses; -1 for none.
    """

    intercept: Doubles
    alpha: Doubles
    space: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Solved:
    """Readouts of all outputs.

    Parameters
    ----------
    weights : array of float32, shape (repetitions, outputs, coordinates)
        Outputs of one recording after another's; coordinates of one space after another's.
    intercept, alpha : array of float64, shape (repetitions, outputs)
    space : array of int, shape (repetitions, outputs), or None
    """

    weights: NDArray[np.float32]
    intercept: Doubles
    alpha: Doubles
    space: NDArray[np.int64] | None


def solve(
    recipe: LinearRecipe,
    spaces: Sequence[Space],
    data: Sequence[Examples],
    rows: Sequence[NDArray[np.int64]],
    workspace: Path,
    *,
    device: str,
    progress: bool | None,
) -> Solved:
    """Fit the readouts.

    Parameters
    ----------
    recipe : LinearRecipe
    spaces : sequence of Space
    data : sequence of Examples
    rows : sequence of array of int
        Rows of the spaces' coordinates that belong to each recording.
    workspace : Path
        Where weights are kept that do not fit into memory.
    device : str
    progress : bool, optional
    """
    repetitions = count_repetitions(recipe, data)
    outputs, coordinates = sum(one.outputs for one in data), sum(one.coordinates.shape[1] for one in spaces)
    weights = _room((repetitions, outputs, coordinates), workspace)
    intercept, alpha = np.empty((2, repetitions, outputs))
    space = np.full((repetitions, outputs), -1)
    located = False
    fit = READOUTS[recipe.readout]
    begin = 0
    with said_once():
        for one, places in zip(data, rows, strict=True):
            features = {own.name: own.coordinates[places] for own in spaces}
            cut = slice(begin, begin + one.outputs)
            options = {"units": one.outputs, "device": device, "progress": progress}
            if recipe.readout != "least_squares":
                options |= {"folds": recipe.folds, "groups": one.groups, "seed": recipe.seed}
            for number in range(repetitions):
                read = responses_of(one, number if recipe.repetitions == "separate" else None)
                found = fit(recipe, features, read, weights[number, cut], options)
                intercept[number, cut], alpha[number, cut] = found.intercept, found.alpha
                if found.space is not None:
                    space[number, cut], located = found.space, True
            begin += one.outputs
    return Solved(weights, intercept, alpha, space if located else None)


def count_repetitions(recipe: LinearRecipe, data: Sequence[Examples]) -> int:
    """How many readouts each output has."""
    return data[0].repetitions if recipe.repetitions == "separate" else 1


def responses_of(examples: Examples, repetition: int | None) -> Callable[[slice], NDArray[np.float32]]:
    """A function that gives the responses of some outputs; of sensors, which are read all at once, from memory."""
    if examples.output_dims == ("unit",):
        return lambda cut: examples.block(cut, repetition)
    whole = examples.block(repetition=repetition)
    return lambda cut: whole[:, cut]


def _ridge(recipe: LinearRecipe, features: Features, read: Any, weights: Any, options: dict[str, Any]) -> Chosen:
    joined = _joined(features)
    fit = ridge_cv(joined, read, recipe.alphas, one_alpha=recipe.one_alpha, weights_out=Turned(weights), **options)
    return Chosen(fit.intercept, fit.alpha)


def _least_squares(
    recipe: LinearRecipe, features: Features, read: Any, weights: Any, options: dict[str, Any]
) -> Chosen:
    fit = least_squares(_joined(features), read, weights_out=Turned(weights), **options)
    return Chosen(fit.intercept, np.where(fit.missing, np.nan, 0.0))


def _banded(recipe: LinearRecipe, features: Features, read: Any, weights: Any, options: dict[str, Any]) -> Chosen:
    stimuli = len(next(iter(features.values())))
    mean = stimuli / min(stimuli - 1, sum(one.shape[1] for one in features.values()))
    alphas = mean * 10.0**DECADES if recipe.alphas is None else recipe.alphas
    fit = banded_ridge_cv(features, read, alphas, draws=recipe.draws, weights_out=Turned(weights), **options)
    return Chosen(fit.intercept, fit.alpha)


def _best_layer(recipe: LinearRecipe, features: Features, read: Any, weights: Any, options: dict[str, Any]) -> Chosen:
    fit = best_space_cv(features, read, recipe.alphas, **options)
    weights[:] = 0
    weights[fit.missing] = np.nan
    begin = 0
    for name, values in features.items():
        cut = slice(begin, begin + values.shape[1])
        weights[fit.units_of[name], cut] = fit.weights[name].T
        begin = cut.stop
    return Chosen(fit.intercept, fit.alpha, fit.space)


READOUTS: dict[str, Callable[[LinearRecipe, Features, Any, Any, dict[str, Any]], Chosen]] = {
    "ridge": _ridge,
    "kernel_sum": _ridge,  # spaces come scaled
    "least_squares": _least_squares,
    "banded": _banded,
    "best_layer": _best_layer,
}


def _joined(features: Features) -> NDArray[np.float32]:
    values = list(features.values())
    return values[0] if len(values) == 1 else np.concatenate(values, axis=1)


class Turned:
    """Weights (units, features), written as (features, units).

    Examples
    --------
    >>> stored = np.zeros((2, 3))
    >>> Turned(stored)[:, 1:] = np.ones((3, 1))
    >>> stored[1].tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, stored: NDArray[Any]) -> None:
        self._stored = stored
        self.shape: tuple[int, ...] = stored.shape[::-1]
        self.dtype = stored.dtype

    def __setitem__(self, key: tuple[slice, slice], values: NDArray[Any]) -> None:
        self._stored[key[::-1]] = values.T


def _room(shape: tuple[int, ...], workspace: Path) -> NDArray[np.float32]:
    needed = 4 * int(np.prod(shape))
    if needed <= LARGEST_SHARE * free_main_memory():
        return np.empty(shape, np.float32)
    workspace.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(workspace).free
    if needed > free:  # writing to a mapped file on a full disk would end the process
        raise OutputError(
            f"readout weights of shape {shape} need {needed / 1e9:.1f} GB, which neither memory nor {workspace} has "
            f"({free / 1e9:.1f} GB free): give (fewer) components, fewer units, or another workspace"
        )
    with tempfile.TemporaryFile(dir=workspace) as file:  # stays while it is mapped
        return np.memmap(file, np.float32, "w+", shape=shape)


@contextlib.contextmanager
def said_once() -> Iterator[None]:
    """What readouts of several recordings or repetitions have to say about units, once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for kind, message in dict.fromkeys((one.category, str(one.message)) for one in caught):
        warnings.warn(message, kind, stacklevel=7)

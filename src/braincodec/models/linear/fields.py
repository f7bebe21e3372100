"""Receptive fields on feature maps: every unit a smooth readout within the window that suits it best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.features import FeatureExtractor
from braincodec.memory import free_main_memory
from braincodec.models.linear.config import BIAS, REDUCTION, layer_keys
from braincodec.models.linear.solve import count_repetitions, responses_of, said_once
from braincodec.readouts.fields import FieldRidgeFit, field_ridge_cv

if TYPE_CHECKING:
    from braincodec.models.linear.gather import Gathered, Plan
    from braincodec.models.linear.recipe import LinearRecipe
    from braincodec.models.training_data import Examples

MAP_DIMS = 3  # channels, height, width
MapShapes = dict[str, tuple[int, ...]]
# copies of the maps while they are read and centred
COPIES = 3
# bytes of a stimulus and an output while the windows that a unit averages are kept
KEPT_BYTES = 3 * 8


class FieldReadouts(NamedTuple):
    """Weights of all outputs, and their fields.

    Parameters
    ----------
    tensors : dict of str to Tensor
        ``reduction.<layer>`` (repetitions * outputs, features of the layer) and ``reduction.bias``.
    alpha : array of float64, shape (repetitions, outputs)
    window : array of float64, shape (repetitions, outputs, 3)
        Centre to the right of the image's and above it, and standard deviation, in image widths.
    """

    tensors: dict[str, torch.Tensor]
    alpha: NDArray[np.float64]
    window: NDArray[np.float64]


def map_shapes(plan: Plan) -> MapShapes:
    """Channels, height and width of every layer's maps, by its name among the tensors.

    Raises
    ------
    InputValueError
        When a layer has no positions.
    """
    found: MapShapes = {}
    for extractor, size, keys in zip(plan.extractors, plan.image_sizes, layer_keys(plan.features), strict=True):
        unpooled = extractor.config.model_copy(update={"pooling": "none"})
        for layer, shape in FeatureExtractor(unpooled, extractor.backbone).feature_shapes(size).items():
            if len(shape) != MAP_DIMS:
                raise InputValueError(
                    f"layer {layer!r} gives features of shape {shape}; readout='fields' needs maps, "
                    "(channels, height, width)"
                )
            found[keys[layer]] = shape
    return found


def check_room(plan: Plan, outputs: int) -> None:
    """Refuse maps and weights that do not fit into memory.

    Raises
    ------
    InputValueError
    """
    needed = 4 * sum(plan.widths.values()) * (COPIES * plan.stimuli + 2 * outputs)
    needed += KEPT_BYTES * plan.stimuli * outputs
    if needed > free_main_memory():
        raise InputValueError(
            f"readout='fields' of {plan.stimuli:,} stimuli and {outputs:,} outputs on maps of "
            f"{sum(plan.widths.values()):,} values needs {needed / 1e9:.0f} GB of memory; take smaller maps (a later "
            "layer, or a smaller image_size), fewer units, or another readout"
        )


def fit_fields(
    recipe: LinearRecipe,
    shapes: Mapping[str, tuple[int, ...]],
    gathered: Gathered,
    data: Sequence[Examples],
    rows: Sequence[NDArray[np.int64]],
    *,
    device: str,
    progress: bool | None,
) -> FieldReadouts:
    """Fit the readouts of all recordings and repetitions."""
    repetitions = count_repetitions(recipe, data)
    outputs = sum(one.outputs for one in data)
    whole = {key: np.asarray(gathered.arrays[key][:, :], np.float32) for key in shapes}
    weights = {key: torch.empty(repetitions, outputs, math.prod(shape)) for key, shape in shapes.items()}
    bias, alpha = np.empty((2, repetitions, outputs))
    window = np.empty((repetitions, outputs, 3))
    begin = 0
    with said_once():
        for one, places in zip(data, rows, strict=True):
            maps = {key: values[places].reshape(-1, *shapes[key]) for key, values in whole.items()}
            cut = slice(begin, begin + one.outputs)
            for number in range(repetitions):
                read = responses_of(one, number if recipe.repetitions == "separate" else None)
                fit = _fit(recipe, maps, read, one, device=device, progress=progress)
                for key, found in fit.weights.items():
                    weights[key][number, cut] = torch.from_numpy(found).flatten(0, 2).T
                bias[number, cut], alpha[number, cut] = fit.intercept, fit.alpha
                chosen = fit.windows[fit.window]
                chosen[fit.missing] = np.nan
                window[number, cut] = chosen
            begin = cut.stop
    tensors = {f"{REDUCTION}{key}": values.flatten(0, 1) for key, values in weights.items()}
    tensors[BIAS] = torch.from_numpy(bias).flatten().float()
    return FieldReadouts(tensors, alpha, window)


def _fit(recipe: LinearRecipe, maps: Any, read: Any, examples: Examples, **options: Any) -> FieldRidgeFit:
    return field_ridge_cv(
        maps,
        read,
        recipe.alphas,
        windows=recipe.windows,
        smoothness=recipe.smoothness,
        folds=recipe.folds,
        groups=examples.groups,
        seed=recipe.seed,
        units=examples.outputs,
        **options,
    )

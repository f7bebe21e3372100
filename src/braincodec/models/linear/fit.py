"""From recordings to the parts of a trained linear encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.models.linear.checks import check_data, check_sizes
from braincodec.models.linear.config import BIAS, INTERCEPT, REDUCTION, WEIGHT, LinearConfig
from braincodec.models.linear.fields import FieldReadouts, fit_fields, map_shapes
from braincodec.models.linear.gather import Plan, gather, make_plan
from braincodec.models.linear.recipe import LinearRecipe
from braincodec.models.linear.solve import Solved, count_repetitions, solve
from braincodec.models.linear.spaces import Space, make_spaces
from braincodec.models.provenance import describe_training
from braincodec.models.trainable import Parts
from braincodec.responses.combine import concatenate_units
from braincodec.subjects import plain_subject

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.features import Backbone
    from braincodec.models.training_data import Examples

Chosen = dict[str, NDArray[Any]]


def fit_linear(
    recipe: LinearRecipe,
    networks: Mapping[str, Backbone],
    data: Sequence[Examples],
    *,
    workspace: Path,
    device: str,
    batch_size: int | str,
    progress: bool | None,
) -> Parts:
    """Train a linear encoder; see `LinearEncoder`.

    Parameters
    ----------
    recipe : LinearRecipe
    networks : mapping of str to Backbone
        Those that are at hand, by name.
    data : sequence of Examples
        One for each recording.
    workspace : Path
    device : str
    batch_size : int or "auto"
    progress : bool, optional
    """
    check_data(recipe, data)
    plan = make_plan(recipe, networks, data)
    repetitions = count_repetitions(recipe, data)
    check_sizes(recipe, plan, repetitions * sum(one.outputs for one in data))
    shapes = map_shapes(plan) if recipe.readout == "fields" else {}
    gathered = gather(plan, recipe, workspace, device=device, batch_size=batch_size, progress=progress)
    if recipe.readout == "fields":
        fields = fit_fields(recipe, shapes, gathered, data, plan.rows(), device=device, progress=progress)
        config = LinearConfig(features=plan.stored_features, projection="outputs")
        tensors, units = fields.tensors, describe_units(data, repetitions, chosen_fields(fields))
    else:
        spaces = make_spaces(recipe, gathered, workspace, device=device, progress=progress)
        solved = solve(recipe, spaces, data, plan.rows(), workspace, device=device, progress=progress)
        config, tensors = assemble(recipe, plan, spaces, solved)
        units = describe_units(data, repetitions, chosen_strengths(recipe, spaces, solved))
    description = describe_training("linear", recipe, data, seed=recipe.seed)
    return Parts(config, tensors, units, description, tuple(one.backbone for one in plan.extractors))


def assemble(
    recipe: LinearRecipe, plan: Plan, spaces: Sequence[Space], solved: Solved
) -> tuple[LinearConfig, dict[str, torch.Tensor]]:
    """Settings and tensors of the encoder, in the form that takes less room."""
    repetitions, outputs, coordinates = solved.weights.shape
    widths = [sum(plan.widths[layer] for layer in one.layers) for one in spaces]
    staged = outputs * repetitions * coordinates
    staged += sum(one.coordinates.shape[1] * width for one, width in zip(spaces, widths, strict=True))
    tensors: dict[str, torch.Tensor] = {}
    # components can be shared among subjects, and are what is published
    if recipe.components is None and outputs * repetitions * sum(widths) < staged:
        weights = torch.from_numpy(solved.weights).flatten(0, 1)  # (repetitions * outputs, coordinates)
        bias = torch.from_numpy(solved.intercept).flatten()
        for one, own in zip(spaces, weights.split([one.coordinates.shape[1] for one in spaces], 1), strict=True):
            maps, offset = one.maps(own)
            tensors |= {f"{REDUCTION}{layer}": weight for layer, weight in maps.items()}
            bias = bias + offset
        return LinearConfig(features=plan.stored_features, projection="outputs"), tensors | {BIAS: bias.float()}
    offsets = []
    for one in spaces:
        maps, offset = one.maps()
        tensors |= {f"{REDUCTION}{layer}": weight for layer, weight in maps.items()}
        offsets.append(offset)
    tensors |= {
        BIAS: torch.cat(offsets).float(),
        WEIGHT: torch.from_numpy(solved.weights),
        INTERCEPT: torch.from_numpy(solved.intercept).float(),
    }
    return LinearConfig(features=plan.stored_features, projection="joint" if len(spaces) == 1 else "by_layer"), tensors


def chosen_strengths(recipe: LinearRecipe, spaces: Sequence[Space], solved: Solved) -> Chosen:
    """Strength, and layer where there is a choice, of every output: each of shape (repetitions, outputs)."""
    chosen: Chosen = {}
    if recipe.readout != "least_squares":
        chosen["alpha"] = solved.alpha.astype(np.float32)
    if solved.space is not None:
        chosen["layer"] = np.array([*(one.name for one in spaces), ""])[solved.space]
    return chosen


def chosen_fields(fields: FieldReadouts) -> Chosen:
    """Strength and window of every output: each of shape (repetitions, outputs)."""
    names = ("field_x", "field_y", "field_size")
    windows = {name: fields.window[..., place].astype(np.float32) for place, name in enumerate(names)}
    return {"alpha": fields.alpha.astype(np.float32), **windows}


def describe_units(data: Sequence[Examples], repetitions: int, chosen: Chosen) -> xr.Dataset:
    """Units of all recordings, with what was chosen for each."""
    if data[0].output_dims == ("unit",):
        units = data[0].units if len(data) == 1 else concatenate_units([_named(one, data) for one in data])
        return units.assign({name: ("unit", values[0]) for name, values in chosen.items()})
    dims = ("repetition", *data[0].output_dims)
    units = data[0].units.assign_coords(repetition=np.arange(1, repetitions + 1))
    shape = (repetitions, *data[0].output_shape)
    return units.assign({name: (dims, values.reshape(shape)) for name, values in chosen.items()})


def _named(one: Examples, data: Sequence[Examples]) -> xr.Dataset:
    if "subject" in one.units:
        return one.units
    numbers = [plain_subject(other.subject) for other in data]
    name = plain_subject(one.subject) if all(isinstance(number, int) for number in numbers) else one.subject
    return one.units.assign(subject=("unit", np.full(math.prod(one.output_shape), name)))

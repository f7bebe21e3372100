"""From recordings to the parts of a trained linear encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from braincodec.errors import InputValueError
from braincodec.memory import free_main_memory
from braincodec.models.linear.config import BIAS, INTERCEPT, REDUCTION, WEIGHT, LinearConfig
from braincodec.models.linear.gather import Plan, gather, make_plan
from braincodec.models.linear.recipe import LinearRecipe
from braincodec.models.linear.solve import Solved, count_repetitions, responses_of, solve
from braincodec.models.linear.spaces import Space, is_spanned, make_spaces
from braincodec.models.provenance import describe_training
from braincodec.models.trainable import Parts
from braincodec.readouts import make_folds
from braincodec.readouts.targets import open_targets
from braincodec.responses.combine import concatenate_units
from braincodec.subjects import plain_subject

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.features import Backbone
    from braincodec.models.training_data import Examples

# responses up to this size are looked through before features are extracted
QUICKLY_READ = 2**30
# with an intercept, one stimulus teaches nothing
FEWEST_IN_A_FOLD = 2


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
    check_sizes(recipe, plan)
    gathered = gather(plan, recipe, workspace, device=device, batch_size=batch_size, progress=progress)
    spaces = make_spaces(recipe, gathered, workspace, device=device, progress=progress)
    solved = solve(recipe, spaces, data, plan.rows(), workspace, device=device, progress=progress)
    config, tensors = assemble(recipe, plan, spaces, solved)
    description = describe_training("linear", recipe, data, seed=recipe.seed)
    units = describe_units(recipe, data, spaces, solved)
    return Parts(config, tensors, units, description, tuple(one.backbone for one in plan.extractors))


def check_data(recipe: LinearRecipe, data: Sequence[Examples]) -> None:
    """Refuse recordings that this readout cannot be fitted to, before anything is computed.

    Raises
    ------
    InputTypeError, InputValueError
    """
    sensors = data[0].output_dims != ("unit",)
    if sensors and len(data) > 1:
        raise InputValueError("several subjects share a model only where responses have units; fit sensors one by one")
    if recipe.repetitions == "separate" and not sensors:
        raise InputValueError("repetitions='separate' is for responses with channels and times; units are averaged")
    for one in data:
        if recipe.readout != "least_squares":
            make_folds(len(one.stimuli), recipe.folds, groups=one.groups, seed=recipe.seed, least=FEWEST_IN_A_FOLD)
        if 4 * one.responses.size <= QUICKLY_READ:
            for number in range(count_repetitions(recipe, data)):
                read = responses_of(one, number if recipe.repetitions == "separate" else None)
                targets = open_targets(read, len(one.stimuli), one.outputs)
                for cut in targets.blocks():
                    targets.block(cut)


def check_sizes(recipe: LinearRecipe, plan: Plan) -> None:
    """Refuse settings that do not fit the numbers of stimuli and features.

    Raises
    ------
    InputValueError
    """
    stimuli, total = plan.stimuli, sum(plan.widths.values())
    apart = recipe.readout in ("banded", "best_layer", "kernel_sum")
    fewest = min(plan.widths.values()) if apart else total
    if recipe.components is not None:
        most = min(stimuli - 1, fewest)
        if recipe.components > most:
            raise InputValueError(
                f"components is {recipe.components}; {stimuli:,} training stimuli and {fewest:,} features"
                f"{' of the smallest layer' if apart else ''} have at most {most:,}"
            )
        return
    if recipe.readout == "least_squares" and is_spanned(stimuli, total):
        raise InputValueError(
            f"least squares of {stimuli:,} training stimuli on {total:,} features has no single answer; "
            f"give components (fewer than {stimuli:,}), or readout='ridge'"
        )
    spaces = len(plan.widths) if recipe.readout in ("banded", "best_layer") else 1
    needed = 4 * stimuli * sum(min(width, stimuli) for width in plan.widths.values()) if spaces > 1 else 0
    if is_spanned(stimuli, total):
        needed += 8 * 3 * stimuli**2  # products of stimuli, their vectors, and room to find these
    if needed > free_main_memory():
        raise InputValueError(
            f"{stimuli:,} stimuli of {total:,} features need {needed / 1e9:.0f} GB of memory; give components"
        )


def assemble(
    recipe: LinearRecipe, plan: Plan, spaces: Sequence[Space], solved: Solved
) -> tuple[LinearConfig, dict[str, torch.Tensor]]:
    """Settings and tensors of the encoder, in the form that takes less room."""
    repetitions, outputs, coordinates = solved.weights.shape
    features = plan.features if len(plan.features) > 1 else plan.features[0]
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
        return LinearConfig(features=features, projection="outputs"), tensors | {BIAS: bias.float()}
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
    return LinearConfig(features=features, projection="joint" if len(spaces) == 1 else "by_layer"), tensors


def describe_units(
    recipe: LinearRecipe, data: Sequence[Examples], spaces: Sequence[Space], solved: Solved
) -> xr.Dataset:
    """Units of all recordings, with what was chosen for each."""
    if data[0].output_dims != ("unit",):
        repetitions = solved.intercept.shape[0]
        units = data[0].units.assign_coords(repetition=np.arange(1, repetitions + 1))
        shape = (repetitions, *data[0].output_shape)
        dims: tuple[str, ...] = ("repetition", *data[0].output_dims)
    else:
        units = data[0].units if len(data) == 1 else concatenate_units([_named(one, data) for one in data])
        shape, dims = (solved.intercept.shape[1],), ("unit",)
    chosen: dict[str, Any] = {}
    if recipe.readout != "least_squares":
        chosen["alpha"] = (dims, solved.alpha.reshape(shape).astype(np.float32))
    if solved.space is not None:
        names = np.array([*(one.name for one in spaces), ""])
        chosen["layer"] = (dims, names[solved.space].reshape(shape))
    return units.assign(chosen)


def _named(one: Examples, data: Sequence[Examples]) -> xr.Dataset:
    if "subject" in one.units:
        return one.units
    numbers = [plain_subject(other.subject) for other in data]
    name = plain_subject(one.subject) if all(isinstance(number, int) for number in numbers) else one.subject
    return one.units.assign(subject=("unit", np.full(math.prod(one.output_shape), name)))

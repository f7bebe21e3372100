"""Training: features of the stimuli, the search for receptive fields, and the weights of all units."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from braincodec.device import fast_matmul, keep_freed_memory, resolve_device
from braincodec.errors import InputValueError
from braincodec.features import Backbone, FeatureConfig, FeatureExtractor, extract
from braincodec.models.gaussian_fwrf.checkpoint import Checkpoint
from braincodec.models.gaussian_fwrf.grid import FieldGrid, Fields, make_grid
from braincodec.models.gaussian_fwrf.maps import Maps
from braincodec.models.gaussian_fwrf.refine import refine_all
from braincodec.models.gaussian_fwrf.search import Choice, Search, UnitBlock, alternatives, read_block, search_grid
from braincodec.models.gaussian_fwrf.solve import FieldRidge, scale_features
from braincodec.models.gaussian_fwrf.table import UnitFits, make_parts
from braincodec.progress import progress_bar
from braincodec.readouts import Fold, ReadoutWarning, make_folds
from braincodec.readouts.principal import precise_device
from braincodec.readouts.targets import Targets, open_targets
from braincodec.readouts.workers import Workers

if TYPE_CHECKING:
    from braincodec.models.gaussian_fwrf.recipe import GaussianFwRFRecipe
    from braincodec.models.gaussian_fwrf.windows import Nonlinearity
    from braincodec.models.trainable import Parts
    from braincodec.models.training_data import Examples

# responses of a block of units are held while all fields are tried
RESPONSE_BYTES = 2**29
# features up to this size are kept in single precision
MOST_SINGLE_BYTES = 16 * 2**30
# between centres of one size, in standard deviations
WIDEST_GAP = 2.5


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that is settled before long work begins.

    Attributes
    ----------
    recipe : GaussianFwRFRecipe
    extractor : FeatureExtractor
    nonlinearities : tuple of str
        One for each layer.
    visual_angle : float
    grid : FieldGrid
    folds : list of list of Fold
        Of each recording.
    shapes : dict of str to (int, int, int)
        Channels, height and width of each layer's maps.
    """

    recipe: GaussianFwRFRecipe
    extractor: FeatureExtractor
    nonlinearities: tuple[Nonlinearity, ...]
    visual_angle: float
    grid: FieldGrid
    folds: list[list[Fold]]
    shapes: dict[str, tuple[int, ...]]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names, wild-cards expanded."""
        return self.extractor.layers

    @property
    def fields(self) -> Fields:
        """Those that every unit tries; small ones far apart miss most units, and are reached from larger ones."""
        return self.grid.fields(WIDEST_GAP if self.recipe.refinements else math.inf)


def fit_gaussian_fwrf(
    recipe: GaussianFwRFRecipe,
    backbone: Backbone | None,
    data: Sequence[Examples],
    *,
    workspace: Path,
    device: str,
    batch_size: int | str,
    progress: bool | None,
) -> Parts:
    """Train by a recipe; see `GaussianFwRF`."""
    place = precise_device(resolve_device(device))  # Apple's GPUs compute features only
    plan = make_plan(recipe, backbone, data)
    recordings = [open_targets(examples, len(examples.stimuli), examples.outputs) for examples in data]
    _report(recordings)
    keep_freed_memory()
    fits = []
    for examples, targets, folds in zip(data, recordings, plan.folds, strict=True):
        cache = extract(
            examples.stimuli,
            plan.extractor,
            workspace,
            dtype=_stored_dtype(plan, len(examples.stimuli)),
            device=device,
            batch_size=batch_size,
            progress=progress,
        )
        maps = Maps(cache, dict(zip(plan.layers, plan.nonlinearities, strict=True)), plan.visual_angle, place)
        fits.append(fit_units(plan, maps, folds, targets, workspace, progress))
    return make_parts(plan, data, fits, backbone)


def make_plan(recipe: GaussianFwRFRecipe, backbone: Backbone | None, data: Sequence[Examples]) -> Plan:
    """Check that data and settings fit each other.

    Raises
    ------
    InputValueError
        When responses have no units, layers give no maps, folds are impossible, or fields would lie outside the image.
    """
    for examples in data:
        if examples.output_dims != ("unit",):
            raise InputValueError(
                f"receptive fields belong to units; responses of subject {examples.subject} have "
                f"({', '.join(examples.output_dims)})"
            )
    visual_angle = _visual_angle(recipe, data)
    grid = make_grid(recipe, visual_angle)
    folds = [
        make_folds(len(examples.stimuli), recipe.folds, groups=examples.groups, seed=recipe.seed, least=2)
        for examples in data
    ]
    features = FeatureConfig(
        backbone=recipe.backbone,
        layers=recipe.layers,
        pooling="none",
        channels_last=recipe.channels_last,
        preprocessing=recipe.preprocessing,
    )
    extractor = FeatureExtractor(features, backbone)
    shapes = _map_shapes(extractor, data[0])
    return Plan(recipe, extractor, _nonlinearities(recipe, extractor.layers), visual_angle, grid, folds, shapes)


def fit_units(
    plan: Plan, maps: Maps, folds: list[Fold], targets: Targets, workspace: Path, progress: bool | None
) -> UnitFits:
    """Receptive field, layers and weights of every unit of one recording."""
    recipe = plan.recipe
    spaces = alternatives(plan.layers, recipe.layer_choice)
    held = maps.held(plan.grid.sizes[0])
    search = Search(held, spaces, folds, np.asarray(recipe.alphas), recipe.standardise)
    exact = Search(maps, spaces, folds, search.alphas, recipe.standardise)
    fits = UnitFits.empty(targets.units, spaces)
    fields = plan.fields
    key = f"{recipe.hash()} {maps.name} {plan.visual_angle} {[fold.validation.tolist() for fold in folds]}"
    step = max(1, RESPONSE_BYTES // (4 * targets.stimuli))
    blocks = [slice(begin, min(targets.units, begin + step)) for begin in range(0, targets.units, step)]
    tried = sum(len(search.seen(fields, space)) for space in spaces)
    steps = tried * len(blocks) + (targets.units if recipe.refinements else 0)
    bar = progress_bar("receptive fields", steps, show=progress)
    with torch.inference_mode(), fast_matmul(maps.device), Workers(maps.device) as workers, bar as advance:
        for units in blocks:
            block = read_block(targets, units)
            fits.missing[units], fits.constant[units] = block.missing, block.constant
            fits.bias[units] = np.where(block.missing, np.nan, block.mean)
            if not len(block.fitted):
                advance(tried)
                continue
            checkpoint = Checkpoint(workspace, key, block)
            choice = search_grid(search, fields, block, checkpoint, workers, advance)
            if not np.isfinite(choice.loss).all():
                raise InputValueError(
                    f"the maps of {', '.join(plan.layers)} are constant over the {targets.stimuli} training stimuli; "
                    "there is nothing to fit"
                )
            responses = block.responses[:, block.fitted].to(maps.device)
            refine_all(search, plan.grid, responses, choice, recipe.refinements, workers, advance)
            add_weights(exact, block, choice, fits)
    return fits


def add_weights(search: Search, block: UnitBlock, choice: Choice, fits: UnitFits) -> None:
    """Fit each unit to all stimuli at the field that was chosen for it."""
    responses = block.responses[:, block.fitted].to(search.device)
    place = block.units.start + block.fitted
    scale = block.scale[block.fitted]
    fits.space[place], fits.fields[place] = choice.space, choice.fields
    variance = responses.double().square().mean(0).cpu().numpy()
    fits.r2[place], fits.alpha[place] = 1 - choice.loss / variance, choice.alpha
    for number, space in enumerate(search.spaces):
        units = np.flatnonzero(choice.space == number)
        if not len(units):
            continue
        fields, which = np.unique(choice.fields[units], axis=0, return_inverse=True)
        for group in search.groups(fields, space):
            pooled = search.maps.pool(fields[group], space)
            for field in range(group.start, group.stop):
                own = units[which.reshape(-1) == field]
                scaled = scale_features(
                    search.features(pooled, field - group.start, space), standardise=search.standardise
                )
                strengths = torch.as_tensor(choice.alpha[own] * search.maps.stimuli, device=search.device)
                rows = torch.as_tensor(own, device=search.device)
                found = FieldRidge(scaled.values).fit(responses[:, rows].double(), strengths)
                weights, intercept = (part.cpu().numpy() for part in scaled.restore(*found))
                fits.weights[number].append((place[own], (weights * scale[own]).T.astype(np.float32)))
                fits.bias[place[own]] += intercept * scale[own]


def _visual_angle(recipe: GaussianFwRFRecipe, data: Sequence[Examples]) -> float:
    known = {float(one.units.attrs["visual_angle"]) for one in data if "visual_angle" in one.units.attrs}
    if recipe.visual_angle is None:
        if len(known) != 1:
            found = f"state {sorted(known)}" if known else "do not state it"
            raise InputValueError(
                f"visual_angle, the width of the image in degrees, is needed: the recordings' units {found}"
            )
        return known.pop()
    for angle in known:
        if not math.isclose(angle, recipe.visual_angle, rel_tol=0.01):
            warnings.warn(
                f"visual_angle is {recipe.visual_angle:g} degrees, and the recording states {angle:g}: receptive "
                "fields will be in degrees of the former",
                ReadoutWarning,
                stacklevel=5,
            )
    return recipe.visual_angle


def _nonlinearities(recipe: GaussianFwRFRecipe, layers: Sequence[str]) -> tuple[Nonlinearity, ...]:
    given = recipe.nonlinearities
    if isinstance(given, str):
        return (given,) * len(layers)
    if len(given) != len(layers):
        raise InputValueError(
            f"nonlinearities has {len(given)} entries for {len(layers)} layers ({', '.join(layers)}); "
            "give one for each, or one for all"
        )
    return given


def _map_shapes(extractor: FeatureExtractor, examples: Examples) -> dict[str, tuple[int, ...]]:
    size = extractor.preprocessing.output_size
    if size is None:
        first = next(iter(examples.stimuli[:1].batches(1, transform=extractor.preprocessing, prefetch=0)))
        size = tuple(first.images.shape[2:])
    shapes = extractor.feature_shapes(size)
    for layer, shape in shapes.items():
        if len(shape) != 3:
            raise InputValueError(
                f"layer {layer!r} gives {shape} for an image; receptive fields need maps (channels, height, width): "
                "choose a convolutional layer"
            )
        if shape[1] * shape[2] == 1:
            raise InputValueError(f"layer {layer!r} gives maps of one position, which see the whole image alike")
    return shapes


def _stored_dtype(plan: Plan, stimuli: int) -> str:
    if plan.recipe.feature_dtype != "auto":
        return plan.recipe.feature_dtype
    size = 4 * stimuli * sum(math.prod(shape) for shape in plan.shapes.values())
    return "float32" if size <= MOST_SINGLE_BYTES else "float16"


def _report(recordings: Sequence[Targets]) -> None:
    """Read all responses once: refuse when no unit can be fitted, or values are missing; warn about some units."""
    total = missing = constant = 0
    for targets in recordings:
        for units in targets.blocks():
            values, absent = targets.block(units)
            total, missing = total + len(absent), missing + int(absent.sum())
            constant += int((values.max(axis=0) == values.min(axis=0)).sum())  # NaN equals nothing
    if missing + constant == total:
        raise InputValueError(f"none of {total} units can be fitted: {missing} are NaN, {constant} do not vary")
    remarks = [f"{missing} of {total} units are NaN for every stimulus and stay NaN"] if missing else []
    remarks += [f"{constant} of {total} units do not vary: nothing can be learnt"] if constant else []
    if remarks:
        warnings.warn("; ".join(remarks), ReadoutWarning, stacklevel=5)

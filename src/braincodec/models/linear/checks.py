"""What can be said against a fit before features are extracted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import InputValueError
from braincodec.memory import free_main_memory
from braincodec.models.linear.fields import check_room
from braincodec.models.linear.recipe import OF_SPACES, LinearRecipe
from braincodec.models.linear.solve import count_repetitions, responses_of
from braincodec.models.linear.spaces import is_spanned
from braincodec.readouts import make_folds
from braincodec.readouts.targets import open_targets

if TYPE_CHECKING:
    from braincodec.models.linear.gather import Plan
    from braincodec.models.training_data import Examples

# responses up to this size are looked through before features are extracted
QUICKLY_READ = 2**30
# with an intercept, one stimulus teaches nothing
FEWEST_IN_A_FOLD = 2


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
                _check_responses(one, number if recipe.repetitions == "separate" else None)


def _check_responses(examples: Examples, repetition: int | None) -> None:
    read = responses_of(examples, repetition)
    if repetition is not None:
        absent = int(np.isnan(read(slice(None))).all(axis=1).sum())
        if absent:
            raise InputValueError(
                f"{absent} of {len(examples.stimuli)} stimuli have no repetition {repetition + 1}; "
                "a readout for each repetition needs all, repetitions='average' takes what there is"
            )
    targets = open_targets(read, len(examples.stimuli), examples.outputs)
    absent = varying = 0
    for cut in targets.blocks():
        values, missing = targets.block(cut)
        absent += int(missing.sum())
        varying += int((np.ptp(values, axis=0) > 0).sum())
    if not varying:
        raise InputValueError(
            f"none of {examples.outputs:,} responses of {examples.recording.dataset}, subject {examples.subject}, can "
            f"be learnt: {absent:,} are NaN for every training stimulus, {examples.outputs - absent:,} do not vary"
        )


def check_sizes(recipe: LinearRecipe, plan: Plan, outputs: int) -> None:
    """Refuse settings that do not fit the numbers of stimuli and features.

    Raises
    ------
    InputValueError
    """
    stimuli, total = plan.stimuli, sum(plan.widths.values())
    apart = recipe.readout in OF_SPACES
    fewest = min(plan.widths.values()) if apart else total
    if recipe.components is not None:
        most = min(stimuli - 1, fewest)
        if recipe.components > most:
            raise InputValueError(
                f"components is {recipe.components}; {stimuli:,} training stimuli and {fewest:,} features"
                f"{' of the smallest layer' if apart else ''} have at most {most:,}"
            )
        return
    if recipe.readout == "fields":
        check_room(plan, outputs)
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

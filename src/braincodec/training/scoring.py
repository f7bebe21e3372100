"""Scores of a freshly trained model, put where its users look for them: beside its units, and in its description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from braincodec.evaluation import evaluate
from braincodec.evaluation.scores.table import records

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.datasets import Recording
    from braincodec.evaluation import Scores
    from braincodec.models.base import Encoder
    from braincodec.training.config import TrainConfig
    from braincodec.training.data import Piece

AnyEncoder = TypeVar("AnyEncoder", bound="Encoder")

# how a score is called beside a model's units, and how in `Scores.units`; the order of preference for one number
UNIT_SCORES = {
    "accuracy_noise_normalised": "noise_normalised_accuracy",
    "accuracy_correlation": "correlation",
    "accuracy_r2": "r2_correlation",
    "noise_ceiling": "noise_ceiling",
    "noise_ceiling_lower": "noise_ceiling_lower",
    "noise_ceiling_upper": "noise_ceiling_upper",
}


def score_model(encoder: Encoder, recording: Recording, piece: Piece, part: str, config: TrainConfig) -> Scores:
    """Judge a model on stimuli that it was not trained on.

    Parameters
    ----------
    encoder : Encoder
    recording : Recording
        With the model's units only.
    piece : Piece
    part : {"test", "validation"}
    config : TrainConfig

    Returns
    -------
    Scores
        With a warning where the noise ceiling is exceeded.
    """
    asked = config.evaluation
    rois = None if piece.rois is None else piece.rois if piece.roi is not None else ("all", *piece.rois)
    return evaluate(
        encoder,
        recording,
        part=part,  # type: ignore[arg-type]
        metrics=asked.metrics,
        rois=rois,
        noise_ceiling=asked.noise_ceiling,
        draws=asked.draws,
        permutations=asked.permutations,
        level=asked.level,
        seed=config.seed,
        leakage=asked.leakage,
        samples=asked.samples,
        name=config.name,
        progress=False,
        device=config.device,
        batch_size=config.batch_size,
    )


def with_scores(
    encoder: AnyEncoder, scores: Scores | None, piece: Piece, config: TrainConfig, warnings: list[str]
) -> AnyEncoder:
    """The model, described by the settings that made it, with its scores beside its units.

    Notes
    -----
    ``encoder.units`` gets those of `UNIT_SCORES` that are known; ``description.accuracy`` their median;
    ``description.training`` the table of scores, the data set with its options, the regions, and the warnings.
    """
    about = encoder.description
    training: dict[str, Any] = {
        **about.training,
        "dataset": {"name": config.dataset.name, "options": config.dataset.options},
    }
    if warnings:
        training["warnings"] = warnings
    if piece.rois is not None:
        training["rois"] = list(piece.rois)
    changes: dict[str, Any] = {"roi": piece.roi, "seed": config.seed if about.seed is None else about.seed}
    if config.name:
        changes["model"] = config.name
    if config.notes:
        changes["notes"] = config.notes
    if scores is not None:
        units = _with_unit_scores(encoder.units, scores.units)
        encoder.units = units
        changes["accuracy"] = _median_accuracy(units)
        training["scores"] = records(scores.table)
        training["scored_on"] = scores.about["split"]["part"]
    encoder.description = about.model_copy(update={**changes, "training": training})
    return encoder


def _with_unit_scores(units: xr.Dataset, scored: xr.Dataset) -> xr.Dataset:
    found = {}
    for name, theirs in UNIT_SCORES.items():
        if theirs in scored and np.isfinite(scored[theirs].values).any():
            found[name] = (scored[theirs].dims, scored[theirs].values.astype(np.float32))
    return units.drop_vars([name for name in found if name in units]).assign(found)


def _median_accuracy(units: xr.Dataset) -> float | None:
    for name in ("accuracy_noise_normalised", "accuracy_correlation"):
        if name in units:
            return float(np.nanmedian(units[name].values))
    return None

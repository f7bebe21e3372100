"""A map from embeddings that are maps of an image to fMRI latents, each of which sees its own part of the image."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from braincodec.config import Config
from braincodec.errors import InputValueError
from braincodec.models.lea.alignment.latent_map import LatentMap
from braincodec.models.lea.alignment.ridge import check_pairs, latent_map, whole_folds
from braincodec.readouts.field_prior import check_windows, field_windows
from braincodec.readouts.fields import field_ridge_cv
from braincodec.readouts.results import ReadoutWarning

Shapes = Mapping[str, tuple[int, int, int]]


class FieldSettings(Config):
    """Settings of readouts through windows over the image; see `field_ridge_cv`.

    Attributes
    ----------
    windows : tuple of (float, float, float), optional
        Centre to the right of the image's and above it, and standard deviation, in image widths. Default: those of
        `braincodec.readouts.field_windows`.
    grids : tuple of (int, float, float), optional
        Square grids of windows in place of `windows`: windows along a side, standard deviation, and spacing, in image
        widths.
    smoothness : float
        Distance over which weights are alike, in image widths.
    alphas : tuple of float, optional
        Ridge strengths to choose from, for a kernel of mean diagonal 1.
    """

    shown_as: ClassVar[str] = "fields"

    windows: tuple[tuple[float, float, float], ...] | None = None
    grids: tuple[tuple[int, float, float], ...] | None = Field(None, min_length=1)
    smoothness: float = Field(0.15, gt=0)
    alphas: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.windows is not None and self.grids is not None:
            raise ValueError("windows are given, or made on grids; give one of the two")
        if self.places is not None:
            check_windows(self.places)
        return self

    @property
    def places(self) -> NDArray[np.float64] | None:
        """The windows, shape (windows, 3); None for the default."""
        if self.grids is not None:
            return field_windows(self.grids)[1:]  # the first spans the image
        return None if self.windows is None else np.array(self.windows)


def fit_field_alignment(
    source: ArrayLike,
    target: ArrayLike,
    shapes: Shapes,
    *,
    alphas: float | ArrayLike | None = None,
    windows: ArrayLike | None = None,
    smoothness: float = 0.15,
    folds: Any = 5,
    groups: ArrayLike | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> tuple[LatentMap, NDArray[np.float32]]:
    """Ridge regression from embeddings to latents through windows over the image; see `field_ridge_cv`.

    Parameters
    ----------
    source : array_like, shape (stimuli, source)
        Embeddings: maps of all layers, one after the other, each flattened from (channels, height, width).
    target : array_like, shape (stimuli, target)
        fMRI latents that lie somewhere in the image, such as voxels of early visual cortex.
    shapes : mapping of str to (int, int, int)
        Of each layer's maps, in order.
    alphas : float or array_like, optional
        For a kernel of mean diagonal 1. Default: those of `field_ridge_cv`.
    windows, smoothness
        As of `field_ridge_cv`.
    folds, groups, seed
        As of `fit_alignment`.
    progress : bool, optional

    Returns
    -------
    LatentMap
        Its out-of-fold statistics are those of windows and strengths chosen with all folds; so is `r2`, slightly too
        good.
    array of float32, shape (stimuli, target)
        Residuals of held-out stimuli.

    Raises
    ------
    InputTypeError, InputValueError
        As `fit_alignment` and `field_ridge_cv`, and when `shapes` do not make up the embedding.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> images = random.random((60, 1, 6, 6))
    >>> corner = images[:, 0, :2, :2].mean((1, 2))[:, None]
    >>> found, residuals = fit_field_alignment(images.reshape(60, 36), corner, {"pixels": (1, 6, 6)})
    >>> bool(found.r2[0] > 0.8), residuals.shape
    (True, (60, 1))
    """
    sources, targets = check_pairs(source, target)
    if sum(math.prod(shape) for shape in shapes.values()) != sources.shape[1]:
        raise InputValueError(f"maps of {dict(shapes)} do not make up an embedding of {sources.shape[1]} values")
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])[:-1]
    maps = {
        name: part.reshape(-1, *shapes[name])
        for name, part in zip(shapes, np.split(sources, ends, axis=1), strict=True)
    }
    with warnings.catch_warnings():
        # latents that do not vary are predicted as what they are
        warnings.simplefilter("ignore", ReadoutWarning)
        fit = field_ridge_cv(
            maps,
            targets,
            None if alphas is None else np.atleast_1d(np.asarray(alphas, np.float64)),
            windows=windows,
            smoothness=smoothness,
            folds=whole_folds(len(sources), folds, groups=groups, seed=seed),
            residuals=True,
            device="cpu",
            progress=progress,
        )
    assert fit.residuals is not None
    weights = np.concatenate([fit.weights[name].reshape(-1, targets.shape[1]) for name in shapes])
    predicted = targets - fit.residuals
    found = latent_map(sources, targets, weights, fit.intercept, alpha=fit.alpha, out_of_fold=predicted)
    return found, fit.residuals

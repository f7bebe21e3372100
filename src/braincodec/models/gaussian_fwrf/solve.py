"""Ridge regression of a few units on the features that one receptive field gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from braincodec.readouts import Fold

# a channel whose deviation is below this share of its mean varies only by rounding
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class ScaledFeatures:
    """Pooled channels as ridge regression takes them: ``values = (given - mean) * scale``.

    Attributes
    ----------
    values : Tensor of float32, shape (stimuli, channels)
        Total variance is the number of channels that vary.
    mean, scale : Tensor of float64, shape (channels,)
        The scale of a channel that does not vary is 0.
    """

    values: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor

    @property
    def vary(self) -> bool:
        """Whether there is anything to learn from."""
        return bool((self.scale > 0).any())

    def restore(self, weights: torch.Tensor, intercept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights (channels, units) and intercept (units,) for the channels as they were given."""
        own = weights * self.scale[:, None]
        return own, intercept - self.mean @ own


def scale_features(pooled: torch.Tensor, *, standardise: bool) -> ScaledFeatures:
    """Centre channels and divide each, or all together, by the standard deviation.

    Parameters
    ----------
    pooled : Tensor, shape (stimuli, channels)
    standardise : bool
        Each channel by its own; otherwise all by their root mean square.

    Examples
    --------
    >>> scale_features(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), standardise=True).values.tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    values = pooled.double()
    mean = values.mean(0)
    values = values - mean
    variance = values.square().mean(0)
    vary = variance.sqrt() > ROUNDING * mean.abs()
    each = variance if standardise else variance[vary].mean().expand_as(variance)
    scale = torch.where(vary, each.clamp(min=torch.finfo(torch.float64).tiny).rsqrt(), 0.0)
    return ScaledFeatures((values * scale).float(), mean, scale)


class Weights(NamedTuple):
    """Weights (channels, units) and intercept (units,), float64."""

    weights: torch.Tensor
    intercept: torch.Tensor


class FieldRidge:
    """Ridge regressions on the same features, for some stimuli or all.

    Parameters
    ----------
    values : Tensor, shape (stimuli, channels)
        Centred.
    """

    def __init__(self, values: torch.Tensor) -> None:
        self._values = values.double()
        self._kernel = values.shape[1] > values.shape[0]
        # of all stimuli: those of a fold follow from it
        self._products = self._values @ self._values.T if self._kernel else self._values.T @ self._values

    def fit(self, responses: torch.Tensor, strengths: torch.Tensor, fold: Fold | None = None) -> Weights:
        """Fit to all stimuli, or to those of a fold.

        Parameters
        ----------
        responses : Tensor of float64, shape (stimuli, units)
        strengths : Tensor of float64, shape (units,)
        fold : Fold, optional
            Its two sides are all stimuli.
        """
        values, matrix = self._values, self._products
        if fold is not None:
            train = torch.as_tensor(fold.train, device=values.device)
            held_out = values[torch.as_tensor(fold.validation, device=values.device)]
            values, responses = values[train], responses[train]
        feature_mean, response_mean = values.mean(0), responses.mean(0)
        responses = responses - response_mean
        if self._kernel:
            matrix = matrix if fold is None else matrix[train][:, train]
            column = matrix.mean(0)
            matrix = matrix - column - column[:, None] + column.mean()
            weights = values.T @ _solve(matrix, responses, strengths)
        else:
            if fold is not None:
                matrix = matrix - held_out.T @ held_out
            matrix = matrix - len(values) * torch.outer(feature_mean, feature_mean)
            weights = _solve(matrix, values.T @ responses, strengths)
        return Weights(weights, response_mean - feature_mean @ weights)

    def held_out(
        self, responses: torch.Tensor, strengths: torch.Tensor, folds: Sequence[Fold]
    ) -> tuple[list[Weights], torch.Tensor]:
        """Weights of each fold, and the mean over folds of the squared error on its held-out stimuli (units,)."""
        fits, loss = [], torch.zeros_like(strengths)
        for fold in folds:
            found = self.fit(responses, strengths, fold)
            rows = torch.as_tensor(fold.validation, device=responses.device)
            errors = responses[rows] - self._values[rows] @ found.weights - found.intercept
            loss += errors.square().mean(0) / len(folds)
            fits.append(found)
        return fits, loss


def _solve(matrix: torch.Tensor, right: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
    """``(matrix + strength)^-1 @ right`` for each column with its own strength."""
    found = torch.empty_like(right)
    for strength in strengths.unique():
        here = strengths == strength
        regular = matrix.clone()
        regular.diagonal().add_(strength)
        found[:, here] = torch.cholesky_solve(right[:, here], torch.linalg.cholesky(regular))
    return found

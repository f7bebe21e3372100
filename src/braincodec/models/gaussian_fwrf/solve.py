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
    values = values - mean if values is pooled else values.sub_(mean)
    variance = torch.einsum("sc,sc->c", values, values) / len(values)
    vary = variance.sqrt() > ROUNDING * mean.abs()
    each = variance if standardise else variance[vary].mean().expand_as(variance)
    scale = torch.where(vary, each.clamp(min=torch.finfo(torch.float64).tiny).rsqrt(), 0.0)
    return ScaledFeatures(values.mul_(scale).float(), mean, scale)


class Weights(NamedTuple):
    """Weights (channels, units) and intercept (units,), float64."""

    weights: torch.Tensor
    intercept: torch.Tensor


class HeldOut(NamedTuple):
    """What the folds say: weights (folds, channels, units), and the mean of the folds' squared errors (units,)."""

    weights: torch.Tensor
    loss: torch.Tensor


class FieldRidge:
    """Ridge regressions on the same features, for some stimuli or all.

    Parameters
    ----------
    values : Tensor of float32, shape (stimuli, channels)
        Centred.
    exact : bool
        Products of channels in float64. In float32, they rank fields just as well in a fraction of the time.

    Notes
    -----
    With more channels than stimuli all is done with the kernel of stimuli. There a fold costs almost nothing: with
    dual coefficients ``a = M y``, the errors on stimuli v, left out, are the solution of ``M[v, v] e = a[v]``, and the
    dual coefficients of the others ``a[t] - M[t, v] e``. M is the inverse of kernel + strength, without the intercept.
    """

    def __init__(self, values: torch.Tensor, *, exact: bool = True) -> None:
        self.dual = values.shape[1] > values.shape[0]
        self._values = values.double() if exact or self.dual else values
        # of all stimuli: those of a fold follow from it
        self._products = (self._values @ self._values.T if self.dual else self._values.T @ self._values).double()

    def fit(self, responses: torch.Tensor, strengths: torch.Tensor) -> Weights:
        """Fit to all stimuli.

        Parameters
        ----------
        responses : Tensor of float64, shape (stimuli, units)
        strengths : Tensor of float64, shape (units,)
        """
        mean = responses.mean(0)
        values = self._values.double()
        if self.dual:
            weights = values.T @ _solve(self._products, responses - mean, strengths)
        else:
            weights = _solve(self._products, values.T @ (responses - mean), strengths)
        return Weights(weights, mean)

    def held_out(self, responses: torch.Tensor, strengths: torch.Tensor, folds: Sequence[Fold]) -> HeldOut:
        """Fit to the training stimuli of each fold, and judge by the others; the two sides are all stimuli."""
        shape = (len(folds), self._values.shape[1], responses.shape[1])
        found = HeldOut(self._products.new_empty(shape), torch.zeros_like(strengths))
        responses = responses - responses.mean(0)
        if not self.dual:
            moments = (self._values.T @ responses.to(self._values.dtype)).double()
            for number, fold in enumerate(folds):
                errors = self._without(number, fold, responses, moments, strengths, found.weights)
                found.loss.add_(errors.square().mean(0) / len(folds))
            return found
        for strength in strengths.unique():
            units = (strengths == strength).nonzero()[:, 0]
            own, loss = self._deleted(responses[:, units], float(strength), folds)
            found.weights[:, :, units] = own
            found.loss[units] = loss
        return found

    def _without(
        self,
        number: int,
        fold: Fold,
        responses: torch.Tensor,
        moments: torch.Tensor,
        strengths: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        """Errors on the held-out stimuli of a fold; its weights are put in their place."""
        rows = torch.as_tensor(fold.validation, device=responses.device)
        outside, measured = self._values[rows], responses[rows]
        # sums over all stimuli are 0, so those over the others follow
        mean, middle = (-part.double().sum(0) / len(fold.train) for part in (outside, measured))
        matrix = self._products - (outside.T @ outside).double() - len(fold.train) * torch.outer(mean, mean)
        inside = (
            moments - (outside.T @ measured.to(outside.dtype)).double() - len(fold.train) * torch.outer(mean, middle)
        )
        weights[number] = _solve(matrix, inside, strengths)
        return measured - middle - (outside.double() - mean) @ weights[number]

    def _deleted(
        self, responses: torch.Tensor, strength: float, folds: Sequence[Fold]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        inverse = dual_inverse(self._products, strength)
        dual = inverse @ responses  # (stimuli, units)
        weights, loss = [], torch.zeros_like(dual[0])
        for fold in folds:
            rows = torch.as_tensor(fold.validation, device=dual.device)
            errors = torch.cholesky_solve(dual[rows], torch.linalg.cholesky(inverse[rows][:, rows]))
            remaining = dual - inverse[:, rows] @ errors
            remaining[rows] = 0
            weights.append(self._values.T @ remaining)
            loss += errors.square().mean(0) / len(folds)
        return torch.stack(weights), loss


def dual_inverse(kernel: torch.Tensor, strength: float) -> torch.Tensor:
    """What turns responses into dual coefficients of a ridge regression with an intercept.

    Parameters
    ----------
    kernel : Tensor of float64, shape (stimuli, stimuli)
        Of features whose means are 0.
    strength : float

    Examples
    --------
    >>> dual_inverse(torch.zeros(2, 2, dtype=torch.float64), 1.0).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    regular = kernel.clone()
    regular.diagonal().add_(strength)
    # the constant response is an eigenvector of the kernel with eigenvalue 0; the intercept takes it
    return torch.cholesky_inverse(torch.linalg.cholesky(regular)).sub_(1 / (strength * len(kernel)))


def kernel_losses(
    values: torch.Tensor, responses: torch.Tensor, strengths: torch.Tensor, folds: Sequence[Fold]
) -> torch.Tensor:
    """Squared error on held-out stimuli, averaged over folds, of every unit at every strength.

    Parameters
    ----------
    values : Tensor, shape (stimuli, channels)
        Centred; channels outnumber stimuli.
    responses : Tensor of float32, shape (stimuli, units)
    strengths : Tensor, shape (strengths,)
    folds : sequence of Fold

    Returns
    -------
    Tensor of float64, shape (strengths, units)
    """
    precise = values.double()
    kernel = precise @ precise.T
    losses = torch.zeros(len(strengths), responses.shape[1], dtype=torch.float64, device=values.device)
    for number, strength in enumerate(strengths.tolist()):
        # all of about unit size, so that single precision serves where units are many
        inverse = dual_inverse(kernel, strength) * strength
        dual = inverse.float() @ responses
        for fold in folds:
            rows = torch.as_tensor(fold.validation, device=values.device)
            block = torch.cholesky_inverse(torch.linalg.cholesky(inverse[rows][:, rows]))
            losses[number] += (block.float() @ dual[rows]).square().mean(0) / len(folds)
    return losses


def _solve(matrix: torch.Tensor, right: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
    """``(matrix + strength)^-1 @ right`` for each column with its own strength."""
    found = torch.empty_like(right)
    for strength in strengths.unique():
        here = (strengths == strength).nonzero()[:, 0]
        regular = matrix.clone()
        regular.diagonal().add_(strength)
        found[:, here] = torch.cholesky_solve(right[:, here], torch.linalg.cholesky(regular))
    return found

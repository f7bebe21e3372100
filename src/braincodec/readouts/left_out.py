"""Cross-validated kernel ridge regression from one decomposition of the kernel, whatever the number of folds."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from braincodec.errors import InputValueError
from braincodec.readouts.folds import Fold


class KernelRidge:
    """Ridge regression with an intercept, on a kernel of stimuli.

    Parameters
    ----------
    kernel : Tensor of float64, shape (stimuli, stimuli)
        Of features without their mean over these stimuli.

    Notes
    -----
    Predictions for stimuli that are left out follow from the fit to all: with hat matrix H, the residuals of a fold B
    that is left out are ``(I - H_BB)^-1`` times its residuals when it is not. This is exact, intercept included.

    Examples
    --------
    >>> features = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)
    >>> ridge = KernelRidge(features @ features.T)
    >>> ridge.left_out(features, [torch.tensor([2])], alpha=1.0)[2].round().tolist()
    [1.0]
    """

    def __init__(self, kernel: torch.Tensor) -> None:
        values, self.vectors = torch.linalg.eigh(kernel)
        self.values = values.clamp(min=0)

    def left_out(self, responses: torch.Tensor, folds: Sequence[torch.Tensor], alpha: float) -> torch.Tensor:
        """Residuals of each stimulus when its fold is left out; of stimuli in no fold, when nothing is.

        Parameters
        ----------
        responses : Tensor of float64, shape (stimuli, units)
            Without their mean over stimuli.
        folds : sequence of Tensor of int
            The stimuli of each fold.
        alpha : float

        Returns
        -------
        Tensor of float64, shape (stimuli, units)
        """
        shrinkage = self.values / (self.values + alpha)
        found = responses - self.vectors @ (shrinkage[:, None] * (self.vectors.T @ responses))
        for rows in folds:
            inside = self.vectors[rows] * shrinkage.sqrt()
            # the intercept takes 1 / stimuli of every entry of the hat matrix
            rest = torch.eye(len(rows), dtype=inside.dtype, device=inside.device) - inside @ inside.T
            rest -= 1 / len(self.vectors)
            found[rows] = torch.linalg.solve(rest, found[rows])
        return found

    def dual(self, responses: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        """Weights of stimuli, (stimuli, units), for responses without their mean and a strength for each unit."""
        return self.vectors @ ((self.vectors.T @ responses) / (self.values[:, None] + alpha))


def rows_left_out(folds: Sequence[Fold], stimuli: int) -> list[torch.Tensor]:
    """Stimuli that each fold leaves out.

    Raises
    ------
    InputValueError
        When a fold is fitted on less than all other stimuli.

    Examples
    --------
    >>> from braincodec.readouts.folds import make_folds
    >>> [len(rows) for rows in rows_left_out(make_folds(10, 5), 10)]
    [2, 2, 2, 2, 2]
    """
    for number, fold in enumerate(folds):
        if len(fold.train) + len(fold.validation) < stimuli:
            raise InputValueError(
                f"fold {number} is fitted on {len(fold.train)} stimuli and judged by {len(fold.validation)}; of "
                f"{stimuli} every one must be on either side"
            )
    return [torch.as_tensor(fold.validation) for fold in folds]

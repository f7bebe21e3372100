"""Mean and spread of predicted latents brought to those of the latents that they predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.readouts.targets import as_features

if TYPE_CHECKING:
    import torch

RescaleRule = Literal["training", "none", "transductive"]
RESCALE_RULES: tuple[str, ...] = get_args(RescaleRule)
# a spread below this, beside the size of its dimension, is the rounding of float32 latents
ROUNDING = 16 * float(np.finfo(np.float32).eps)
FEWEST_ROWS = 2


@dataclass(frozen=True, eq=False)
class LatentStatistics:
    """Mean and standard deviation of each dimension of some latents.

    Parameters
    ----------
    mean, std : array of float32, shape (dimension,)
        The standard deviation divides by the number of rows.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @classmethod
    def of(cls, latents: ArrayLike) -> Self:
        """Those of `latents` (rows, dimension); sums are float64.

        Raises
        ------
        InputTypeError, InputValueError
            For another shape, or values that are not finite.

        Examples
        --------
        >>> found = LatentStatistics.of([[1.0, 5.0], [3.0, 5.0]])
        >>> found.mean.tolist(), found.std.tolist()
        ([2.0, 5.0], [1.0, 0.0])
        """
        array = as_features("latents", latents)
        # exactly 0 where nothing varies: a mean of many equal numbers may miss them by its rounding
        centred = array.astype(np.float64) - array[0]
        mean = centred.mean(0)
        return cls((mean + array[0]).astype(np.float32), np.sqrt(((centred - mean) ** 2).mean(0)).astype(np.float32))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Both by name."""
        import torch

        return {name: torch.from_numpy(np.array(value, np.float32)) for name, value in vars(self).items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> Self:
        """Those that `tensors` of earlier ones make up.

        Raises
        ------
        InputValueError
            When one is missing or they differ in length.
        """
        from braincodec.models.tensors import check_tensor_shapes

        size = len(tensors.get("mean", ()))
        check_tensor_shapes(tensors, {"mean": (size,), "std": (size,)})
        return cls(*(tensors[name].detach().cpu().float().numpy() for name in ("mean", "std")))


@dataclass(frozen=True, eq=False)
class LatentScaling:
    """Undoes what regression does to the spread of its predictions: they vary less than what they predict.

    Parameters
    ----------
    predicted : LatentStatistics
        Of predictions for training stimuli, each by a regression that was fitted without it: those for other stimuli
        have the same spread, which fitted ones have not.
    target : LatentStatistics
        Of the training latents that are predicted.

    Notes
    -----
    Each dimension becomes ``(z - mean) / std * target.std + target.mean``. Rules differ in whose mean and standard
    deviation are taken out:

    - ``"training"``: those of `predicted`. What becomes of a stimulus does not depend on which others are decoded.
    - ``"none"``: nothing is done.
    - ``"transductive"``: those of the given latents themselves, as published decoders do (LEA; Ozcelik, VanRullen 2023,
      Brain-Diffuser). It tells each stimulus what the others of the test set are like: scores rise and fall with the
      composition of the set, and one stimulus alone cannot be decoded. Name it wherever it is used.

    A dimension whose predictions do not vary says nothing, and becomes the mean of its target.

    Examples
    --------
    >>> scaling = LatentScaling(LatentStatistics.of([[-1.0], [1.0]]), LatentStatistics.of([[0.0], [10.0]]))
    >>> scaling.apply([[0.5], [1.0]]).tolist(), scaling.apply([[0.5], [1.0]], "transductive").tolist()
    ([[7.5], [10.0]], [[0.0], [10.0]])
    """

    predicted: LatentStatistics
    target: LatentStatistics

    def __post_init__(self) -> None:
        if self.predicted.mean.shape != self.target.mean.shape:
            raise InputValueError(
                f"predictions have {len(self.predicted.mean)} dimensions and their targets {len(self.target.mean)}"
            )

    def apply(self, latents: ArrayLike, rule: str = "training") -> NDArray[np.float32]:
        """Latents in the spread of their targets.

        Parameters
        ----------
        latents : array_like, shape (rows, dimension)
        rule : {"training", "none", "transductive"}

        Returns
        -------
        array of float32, shape (rows, dimension)

        Raises
        ------
        UnknownNameError
            For another rule.
        InputTypeError, InputValueError
            For another shape, values that are not finite, or a transductive rule with less than two rows.
        """
        check_rule(rule)
        array = as_features("latents", latents)
        if array.shape[1] != len(self.target.mean):
            raise InputValueError(f"latents have {array.shape[1]} dimensions; scaling is of {len(self.target.mean)}")
        if rule == "none":
            return array.astype(np.float32)
        if rule == "training":
            return rescaled(array, self.predicted, self.target)
        if len(array) < FEWEST_ROWS:
            raise InputValueError(
                f"rescale 'transductive' takes mean and standard deviation of what is decoded together, at least "
                f"{FEWEST_ROWS} stimuli; got {len(array)}. Take 'training', which needs no others"
            )
        return rescaled(array, LatentStatistics.of(array), self.target)


def check_rule(rule: str) -> None:
    """Raise unless `rule` is one of `RESCALE_RULES`.

    Raises
    ------
    UnknownNameError

    Examples
    --------
    >>> check_rule("test")
    Traceback (most recent call last):
    braincodec.errors.UnknownNameError: unknown rescale rule 'test'; available: training, none, transductive
    """
    if rule not in RESCALE_RULES:
        raise UnknownNameError("rescale rule", rule, RESCALE_RULES)


def rescaled(latents: NDArray[Any], source: LatentStatistics, target: LatentStatistics) -> NDArray[np.float32]:
    """``(latents - source.mean) / source.std * target.std + target.mean``; `target.mean` where `source.std` is nothing.

    Parameters
    ----------
    latents : array, shape (rows, dimension)
    source, target : LatentStatistics

    Returns
    -------
    array of float32, shape (rows, dimension)

    Examples
    --------
    >>> still, moving = LatentStatistics.of([[2.0], [2.0]]), LatentStatistics.of([[0.0], [4.0]])
    >>> rescaled(np.array([[2.0], [3.0]]), still, moving).tolist()
    [[2.0], [2.0]]
    """
    mean, std, wanted_mean, wanted_std = (
        part.astype(np.float64) for part in (source.mean, source.std, target.mean, target.std)
    )
    varies = std > ROUNDING * np.abs(mean)
    factor = np.divide(wanted_std, std, out=np.zeros(len(std)), where=varies)
    found: NDArray[np.float32] = ((latents - mean) * factor + wanted_mean).astype(np.float32)
    return found

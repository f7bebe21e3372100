"""A linear map from one latent space to another, with what is needed to scale and to judge its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.models.lea.alignment.scaling import LatentScaling, LatentStatistics
from braincodec.models.lea.tiles import in_tiles
from braincodec.models.tensors import check_tensor_shapes
from braincodec.readouts.targets import as_features

ROWS_AT_ONCE = 32
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class LatentMap:
    """A linear map between latent spaces.

    Parameters
    ----------
    source_mean : array of float32, shape (source,)
        Mean of the training sources. Sources are looked at from there, whether or not there is an intercept: a large
        common part would drown the rest in float32.
    weights : array of float32, shape (source, target)
    offset : array of float32, shape (target,)
        What `source_mean` is mapped to.
    alpha : array of float32, shape (target,)
        Ridge strength of each target dimension, as scikit-learn's Ridge means it.
    r2 : array of float32, shape (target,)
        Share of the variance of each target dimension that out-of-fold predictions explain; NaN where it has none.
    out_of_fold : LatentStatistics
        Of predictions for the training sources, each by a map that was fitted without it.
    target : LatentStatistics
        Of the training targets.

    Examples
    --------
    >>> still = LatentStatistics.of(np.zeros((2, 1)))
    >>> weights = np.array([[1.0], [2.0]], np.float32)
    >>> one = np.ones(1, np.float32)
    >>> found = LatentMap(np.zeros(2, np.float32), weights, 5 * one, one, one, still, still)
    >>> found.predict([[1.0, 1.0]])
    array([[8.]], dtype=float32)
    """

    source_mean: Floats
    weights: Floats
    offset: Floats
    alpha: Floats
    r2: Floats
    out_of_fold: LatentStatistics
    target: LatentStatistics

    def predict(self, source: ArrayLike) -> Floats:
        """Targets of sources, as the map gives them; `scaling` brings them to the spread of their targets.

        Parameters
        ----------
        source : array_like, shape (rows, source)

        Returns
        -------
        array of float32, shape (rows, target)
            A row depends on nothing but its own source.

        Raises
        ------
        InputTypeError, InputValueError
            For another number of dimensions, or values that are not finite.
        """
        array = as_features("latents", source)
        if array.shape[1] != len(self.weights):
            raise InputValueError(f"latents have {array.shape[1]} dimensions; the map is from {len(self.weights)}")
        weights, offset = (torch.from_numpy(part.astype(np.float64)) for part in (self.weights, self.offset))
        centred = torch.from_numpy(array - self.source_mean.astype(np.float64))
        found = in_tiles(lambda rows: rows @ weights + offset, centred, tile=ROWS_AT_ONCE)
        return found.float().numpy()

    @property
    def scaling(self) -> LatentScaling:
        """From the spread of its predictions to that of their targets."""
        return LatentScaling(self.out_of_fold, self.target)

    @property
    def intercept(self) -> NDArray[np.float64]:
        """What a source of zeros is mapped to, shape (target,)."""
        return self.offset - self.source_mean.astype(np.float64) @ self.weights

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of it by name."""
        found: dict[str, torch.Tensor] = {}
        for name, value in vars(self).items():
            if isinstance(value, LatentStatistics):
                found |= {f"{name}.{part}": tensor for part, tensor in value.tensors().items()}
            else:
                found[name] = torch.from_numpy(np.array(value, np.float32))
        return found

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> Self:
        """The map that `tensors` of an earlier one make up.

        Raises
        ------
        InputValueError
            When one is missing, or they do not fit together (the first is named).
        """
        source, target = len(tensors.get("source_mean", ())), len(tensors.get("offset", ()))
        shapes: dict[str, tuple[int | None, ...]] = {
            "source_mean": (source,), "weights": (source, target), "offset": (target,), "alpha": (target,),
            "r2": (target,), "out_of_fold.mean": (target,), "out_of_fold.std": (target,), "target.mean": (target,),
            "target.std": (target,),
        }  # fmt: skip
        check_tensor_shapes(tensors, shapes)
        arrays = {name: tensors[name].detach().cpu().float().numpy() for name in shapes}
        return cls(
            source_mean=arrays["source_mean"],
            weights=arrays["weights"],
            offset=arrays["offset"],
            alpha=arrays["alpha"],
            r2=arrays["r2"],
            out_of_fold=LatentStatistics(arrays["out_of_fold.mean"], arrays["out_of_fold.std"]),
            target=LatentStatistics(arrays["target.mean"], arrays["target.std"]),
        )

    def summary(self) -> str:
        """One sentence: how many dimensions, and how well they are predicted."""
        source, target = self.weights.shape
        known = self.r2[np.isfinite(self.r2)]
        median = f", median cross-validated r2 {np.median(known):.3f}" if len(known) else ""
        return f"{source} to {target} dimensions{median}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"

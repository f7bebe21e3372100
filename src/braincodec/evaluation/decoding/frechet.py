"""Fréchet distance between the sets of predicted and true images, in the features of Inception."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.decoding.feature_networks import FEATURE_NETWORKS, FeatureNetwork
from braincodec.evaluation.decoding.network_metric import NetworkMetric
from braincodec.evaluation.definition import Definition
from braincodec.extras import import_optional, require_optional
from braincodec.features.torchvision_compat import import_torchvision

FEWEST_IMAGES = 2048  # below it a covariance of 2,048 features is singular, and the distance mostly bias
STATES = ("features_sum", "features_cov_sum", "features_num_samples")


class FewImagesWarning(UserWarning):
    """A distance between sets is estimated from too few images to mean much."""


class FrechetDistance(NetworkMetric):
    """Fréchet inception distance (FID) between predicted and true images: ``FrechetDistance().update(images, truth)``.

    Parameters
    ----------
    weights, network, device
        See `NetworkMetric`.

    Attributes
    ----------
    feature_dimension : int or None
        Features of the network; None before the first batch. State it with the number.

    Notes
    -----
    Computed by torchmetrics from sums that are kept in float64, so that merging is exact. The features are those of
    torchvision's Inception v3, 2,048 pooled; other implementations use other weights, whose distances do not compare.
    """

    default_network = FEATURE_NETWORKS["inception"]
    definition = Definition(
        "fid",
        "Fréchet inception distance (2,048 features)",
        "decoding",
        "set",
        "Fréchet distance between normal distributions fitted to the 2,048 pooled Inception v3 features (torchvision's "
        "weights) of predicted and of true images; biased upwards by few images, at least 2,048 are asked for.",
        (0.0, float("inf")),
        None,
        "lower",
        "Heusel et al. 2017, by torchmetrics",
    )

    def __init__(
        self, *, weights: str | None = None, network: FeatureNetwork | None = None, device: str = "auto"
    ) -> None:
        import_torchvision("fid")
        require_optional("torchmetrics", "fid")  # imported when there is something to compute
        super().__init__(weights=weights, network=network, device=device)
        self.feature_dimension: int | None = None
        self._distance: Any = None

    def add(self, prediction: NDArray[np.float32], truth: NDArray[np.float32]) -> None:
        """Add the features of a batch to the sums."""
        import torch

        self._start(prediction.shape[1])
        self._distance.update(torch.from_numpy(prediction).double(), real=False)
        self._distance.update(torch.from_numpy(truth).double(), real=True)

    def _start(self, dimension: int) -> None:
        from torch import nn

        if self._distance is None:
            torchmetrics = import_optional("torchmetrics.image.fid", "fid")
            passed_on = nn.Identity()  # what it gets are features already
            passed_on.num_features = dimension  # type: ignore[assignment]
            self.feature_dimension = dimension
            self._distance = torchmetrics.FrechetInceptionDistance(feature=passed_on)
        elif dimension != self.feature_dimension:
            raise InputValueError(f"{dimension} features cannot follow {self.feature_dimension}; resize the images")

    def take_over(self, other: Self) -> None:
        """Add the sums of `other`."""
        if other.feature_dimension is None:
            return
        self._start(other.feature_dimension)
        self._distance.orig_dtype = other._distance.orig_dtype
        for name in (f"{kind}_{state}" for kind in ("real", "fake") for state in STATES):
            setattr(self._distance, name, getattr(self._distance, name) + getattr(other._distance, name))

    def compute(self) -> NDArray[np.float64]:
        """The distance, shape (); with a `FewImagesWarning` below 2,048 images."""
        count = 0 if self._distance is None else int(self._distance.fake_features_num_samples)
        if count < 2:
            raise InputValueError(f"a covariance needs at least two images, there are {count}")
        if count < FEWEST_IMAGES:
            warnings.warn(
                f"fid over {count} images with {self.feature_dimension} features: below {FEWEST_IMAGES:,} images it is "
                "mostly bias; compare it only among sets of this size",
                FewImagesWarning,
                stacklevel=2,
            )
        with warnings.catch_warnings():
            # it warns when `compute` is called before its own `update`, which merged sums never saw
            warnings.simplefilter("ignore", UserWarning)
            return np.asarray(self._distance.compute().item())

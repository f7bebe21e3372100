"""Standardise + PCA of features out of core, kept as one affine map."""

from braincodec.features.reduction.fit import fit_reduction
from braincodec.features.reduction.reduction import Reduction

__all__ = ["Reduction", "fit_reduction"]

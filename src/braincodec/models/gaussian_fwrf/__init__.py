"""Gaussian receptive fields over a pretrained network's maps: run and trained."""

from braincodec.models.gaussian_fwrf.encoder import GaussianFwRF, GaussianFwRFConfig
from braincodec.models.gaussian_fwrf.recipe import GaussianFwRFRecipe
from braincodec.models.gaussian_fwrf.windows import apply_nonlinearity, gaussian_windows, pooled_readout

__all__ = [
    "GaussianFwRF",
    "GaussianFwRFConfig",
    "GaussianFwRFRecipe",
    "apply_nonlinearity",
    "gaussian_windows",
    "pooled_readout",
]

"""The feature-weighted receptive-field network of the Natural Scenes Dataset: run and trained."""

from braincodec.models.fwrf.encoder import FwRF, FwRFConfig
from braincodec.models.fwrf.recipe import FwRFRecipe

__all__ = ["FwRF", "FwRFConfig", "FwRFRecipe"]

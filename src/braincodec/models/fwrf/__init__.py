"""The feature-weighted receptive-field network of the Natural Scenes Dataset: run and trained."""

from braincodec.models.fwrf.encoder import FwRF, FwRFConfig

__all__ = ["FwRF", "FwRFConfig"]

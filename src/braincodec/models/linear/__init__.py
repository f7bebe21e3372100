"""Linear readouts of a pretrained network's reduced features: run and trained."""

from braincodec.models.linear.encoder import LinearConfig, LinearEncoder

__all__ = ["LinearConfig", "LinearEncoder"]

"""Linear readouts of pretrained networks' features: trained and run."""

from braincodec.models.linear.config import LinearConfig
from braincodec.models.linear.contributions import layer_contributions, layer_variance_partition
from braincodec.models.linear.encoder import LinearEncoder
from braincodec.models.linear.recipe import FeatureChoice, LinearRecipe

__all__ = [
    "FeatureChoice",
    "LinearConfig",
    "LinearEncoder",
    "LinearRecipe",
    "layer_contributions",
    "layer_variance_partition",
]

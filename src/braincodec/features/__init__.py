"""Backbones, their layers, features of images, caches of features, and their reduction."""

from braincodec.features.backbone import Backbone
from braincodec.features.cache import FeatureCache, extract, extract_together
from braincodec.features.extractor import FeatureConfig, FeatureExtractor
from braincodec.features.preprocessing import NSD_FWRF, TORCHVISION_IMAGENET, Preprocessing
from braincodec.features.reduction import Reduction, fit_reduction
from braincodec.features.registry import BACKBONES, get_backbone

__all__ = [
    "BACKBONES",
    "NSD_FWRF",
    "TORCHVISION_IMAGENET",
    "Backbone",
    "FeatureCache",
    "FeatureConfig",
    "FeatureExtractor",
    "Preprocessing",
    "Reduction",
    "extract",
    "extract_together",
    "fit_reduction",
    "get_backbone",
]

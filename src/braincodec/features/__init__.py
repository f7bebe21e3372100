"""Backbones, their layers, features of images, caches of features, and their reduction."""

from braincodec.features.backbone import Backbone
from braincodec.features.cache import FeatureCache, extract, extract_together
from braincodec.features.extractor import FeatureConfig, FeatureExtractor
from braincodec.features.preprocessing import NSD_FWRF, TORCHVISION_IMAGENET, Preprocessing
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
    "extract",
    "extract_together",
    "get_backbone",
]

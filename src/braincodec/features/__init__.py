"""Backbones, their layers, and features of images."""

from braincodec.features.backbone import Backbone
from braincodec.features.extractor import FeatureConfig, FeatureExtractor
from braincodec.features.preprocessing import NSD_FWRF, TORCHVISION_IMAGENET, Preprocessing
from braincodec.features.registry import BACKBONES, get_backbone

__all__ = [
    "BACKBONES",
    "NSD_FWRF",
    "TORCHVISION_IMAGENET",
    "Backbone",
    "FeatureConfig",
    "FeatureExtractor",
    "Preprocessing",
    "get_backbone",
]

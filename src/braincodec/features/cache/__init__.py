"""Features streamed to disk, resumable, named by what decides them, and read lazily."""

from braincodec.features.cache.cache import FeatureCache
from braincodec.features.cache.extract import extract, extract_together

__all__ = ["FeatureCache", "extract", "extract_together"]

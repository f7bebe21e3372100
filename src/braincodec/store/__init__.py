"""Stores: folders or addresses that hold trained models and generated responses."""

from braincodec.store.base import ModelEntry, Store
from braincodec.store.open import open_store

__all__ = ["ModelEntry", "Store", "open_store"]

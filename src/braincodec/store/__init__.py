"""Stores: folders or addresses that hold trained models and generated responses."""

from braincodec.store.base import ModelEntry, Store
from braincodec.store.open import open_store
from braincodec.transfer import push_artefact

__all__ = ["ModelEntry", "Store", "open_store", "push_artefact"]

"""Stimulus search over generated responses: which images drive or suppress regions, and in which they represent alike.

`search` looks at mean responses, `search_similarity` at patterns; both choose on some subjects and confirm on others.
`response_similarity` compares what regions represent over a whole set. Below them are pure functions on arrays.
"""

# ruff: noqa: F401
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# public names and the modules they come from, imported when first used
_NAMES_OF_MODULE = {
    "batches": ("nearest_batch", "random_batches"),
    "confirmation": ("Effect", "leave_one_out_null", "random_batch_null"),
    "confirmed": ("Confirmation",),
    "gathering": ("LeftOutWarning",),
    "multivariate": ("Evolution", "batch_similarity", "evolve", "paired_matrices", "similarity_matrix"),
    "region_similarity": ("RegionSimilarity", "response_similarity"),
    "found_batch": ("SimilaritySearch",),
    "found_images": ("Search",),
    "image_search": ("search",),
    "similarity_confirmed": ("SimilarityConfirmation",),
    "similarity_search": ("search_similarity",),
    "storage": ("load",),
    "univariate": ("baseline_images", "choose_images", "contrast", "selection_null"),
}
_MODULE_OF_NAME = {name: module for module, names in _NAMES_OF_MODULE.items() for name in names}

if TYPE_CHECKING:  # the same for readers and type checkers
    from braincodec.control.batches import nearest_batch, random_batches
    from braincodec.control.confirmation import Effect, leave_one_out_null, random_batch_null
    from braincodec.control.confirmed import Confirmation
    from braincodec.control.found_batch import SimilaritySearch
    from braincodec.control.found_images import Search
    from braincodec.control.gathering import LeftOutWarning
    from braincodec.control.image_search import search
    from braincodec.control.multivariate import (
        Evolution,
        batch_similarity,
        evolve,
        paired_matrices,
        similarity_matrix,
    )
    from braincodec.control.region_similarity import RegionSimilarity, response_similarity
    from braincodec.control.similarity_confirmed import SimilarityConfirmation
    from braincodec.control.similarity_search import search_similarity
    from braincodec.control.storage import load
    from braincodec.control.univariate import baseline_images, choose_images, contrast, selection_null

__all__ = [*_MODULE_OF_NAME]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF_NAME:
        return getattr(import_module(f"braincodec.control.{_MODULE_OF_NAME[name]}"), name)
    raise AttributeError(f"module 'braincodec.control' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""Splits that test generalisation, and checks that a split does not leak."""

from braincodec.evaluation.splits.comparison import SplitComparison, compare_splits
from braincodec.evaluation.splits.diagnostics import split_diagnostics
from braincodec.evaluation.splits.embedding import image_features
from braincodec.evaluation.splits.generalisation import (
    cluster_splits,
    distance_splits,
    ood_splits,
    random_splits,
)
from braincodec.evaluation.splits.leakage import check_leakage
from braincodec.evaluation.splits.leakage_check import LeakageCheck
from braincodec.evaluation.splits.storage import Splits, load_splits, save_splits
from braincodec.stimuli.copies.perceptual_hash import difference_hash, hamming_distances, perceptual_hash

__all__ = [
    "LeakageCheck",
    "SplitComparison",
    "Splits",
    "check_leakage",
    "cluster_splits",
    "compare_splits",
    "difference_hash",
    "distance_splits",
    "hamming_distances",
    "image_features",
    "load_splits",
    "ood_splits",
    "perceptual_hash",
    "random_splits",
    "save_splits",
    "split_diagnostics",
]

"""Scores of predictions against measurements, for encoding and decoding.

`evaluate` judges a model or its predictions and gives `Scores`. Below it are pure functions on arrays, the same metrics
as accumulators (`METRICS`), noise ceilings, statistics, and checks of how stimuli are split.
"""

# ruff: noqa: F401
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from braincodec.evaluation.definition import Definition, UndefinedScoreWarning
from braincodec.evaluation.metric import METRICS, Metric, register_metric

# public names and the modules they come from, imported when first used
_NAMES_OF_MODULE = {
    "decoding": (
        "ImagePairs",
        "check_images",
        "correlation_distance",
        "correlation_matrix",
        "cosine_similarity",
        "match_size",
        "mse",
        "n_way_top_k",
        "n_way_top_k_simulated",
        "pairwise_mse",
        "pairwise_snr",
        "pairwise_ssim",
        "pixel_correlation",
        "psnr",
        "retrieval_top_k",
        "snr",
        "ssim",
        "true_class",
        "two_way_by_similarity",
        "two_way_identification",
    ),
    "encoding": (
        "UnitCorrelation",
        "correlation",
        "noise_normalised_accuracy",
        "pattern_correlation",
        "pattern_identification",
        "pattern_top_k",
        "pearson_compute",
        "pearson_merge",
        "pearson_start",
        "pearson_update",
        "product_measure",
        "r2_correlation",
        "r2_determination",
        "variance_partition",
        "weighted_correlation",
        "weighted_r2_determination",
    ),
    "encoding.pairwise_decoding": (
        "pairwise_decoding",
        "pairwise_decoding_by_pair",
        "pairwise_decoding_by_stimulus",
        "time_generalisation",
    ),
    "encoding.rdm": ("rdm",),
    "encoding.rsa": (
        "compare_rdms",
        "rsa",
    ),
    "encoding.rsa_ceiling": (
        "rsa_noise_ceiling",
        "rsa_repetition_ceiling",
    ),
    "encoding.rsa_statistics": (
        "rsa_bootstrap",
        "rsa_permutation",
    ),
    "judging.run": ("evaluate",),
    "noise_ceiling": (
        "EEGNoiseCeiling",
        "eeg_accuracy",
        "eeg_noise_ceiling",
        "mean_over_repetitions",
        "ncsnr",
        "noise_ceiling_from_ncsnr",
        "noise_ceiling_split_half",
        "noise_ceiling_variance_components",
        "spearman_brown",
    ),
    "quantities": ("QUANTITIES",),
    "scores": (
        "Comparison",
        "Scores",
    ),
    "splits": (
        "LeakageCheck",
        "SplitComparison",
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
    ),
    "statistics": (
        "PairedComparison",
        "PermutationTest",
        "UnitBootstrap",
        "bca_interval_of_mean",
        "bootstrap_mean",
        "bootstrap_p_value",
        "bootstrap_units",
        "bootstrap_weights",
        "compare_predictions",
        "false_discovery_rate",
        "percentile_interval",
        "permutation_correlations",
        "permutation_p_value",
    ),
}
_MODULE_OF_NAME = {name: module for module, names in _NAMES_OF_MODULE.items() for name in names}

if TYPE_CHECKING:  # the same for readers and type checkers
    from braincodec.evaluation.decoding import (
        ImagePairs,
        check_images,
        correlation_distance,
        correlation_matrix,
        cosine_similarity,
        match_size,
        mse,
        n_way_top_k,
        n_way_top_k_simulated,
        pairwise_mse,
        pairwise_snr,
        pairwise_ssim,
        pixel_correlation,
        psnr,
        retrieval_top_k,
        snr,
        ssim,
        true_class,
        two_way_by_similarity,
        two_way_identification,
    )
    from braincodec.evaluation.encoding import (
        UnitCorrelation,
        correlation,
        noise_normalised_accuracy,
        pattern_correlation,
        pattern_identification,
        pattern_top_k,
        pearson_compute,
        pearson_merge,
        pearson_start,
        pearson_update,
        product_measure,
        r2_correlation,
        r2_determination,
        variance_partition,
        weighted_correlation,
        weighted_r2_determination,
    )
    from braincodec.evaluation.encoding.pairwise_decoding import (
        pairwise_decoding,
        pairwise_decoding_by_pair,
        pairwise_decoding_by_stimulus,
        time_generalisation,
    )
    from braincodec.evaluation.encoding.rdm import rdm
    from braincodec.evaluation.encoding.rsa import compare_rdms, rsa
    from braincodec.evaluation.encoding.rsa_ceiling import rsa_noise_ceiling, rsa_repetition_ceiling
    from braincodec.evaluation.encoding.rsa_statistics import rsa_bootstrap, rsa_permutation
    from braincodec.evaluation.judging.run import evaluate
    from braincodec.evaluation.noise_ceiling import (
        EEGNoiseCeiling,
        eeg_accuracy,
        eeg_noise_ceiling,
        mean_over_repetitions,
        ncsnr,
        noise_ceiling_from_ncsnr,
        noise_ceiling_split_half,
        noise_ceiling_variance_components,
        spearman_brown,
    )
    from braincodec.evaluation.quantities import QUANTITIES
    from braincodec.evaluation.scores import Comparison, Scores
    from braincodec.evaluation.splits import (
        LeakageCheck,
        SplitComparison,
        check_leakage,
        cluster_splits,
        compare_splits,
        distance_splits,
        image_features,
        load_splits,
        ood_splits,
        random_splits,
        save_splits,
        split_diagnostics,
    )
    from braincodec.evaluation.statistics import (
        PairedComparison,
        PermutationTest,
        UnitBootstrap,
        bca_interval_of_mean,
        bootstrap_mean,
        bootstrap_p_value,
        bootstrap_units,
        bootstrap_weights,
        compare_predictions,
        false_discovery_rate,
        percentile_interval,
        permutation_correlations,
        permutation_p_value,
    )
    from braincodec.stimuli.copies.perceptual_hash import difference_hash, hamming_distances, perceptual_hash

__all__ = ["METRICS", "Definition", "Metric", "UndefinedScoreWarning", "register_metric", *_MODULE_OF_NAME]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF_NAME:
        return getattr(import_module(f"braincodec.evaluation.{_MODULE_OF_NAME[name]}"), name)
    raise AttributeError(f"module 'braincodec.evaluation' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

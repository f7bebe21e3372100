"""Scores of predicted responses."""

from braincodec.evaluation.encoding.correlation import (
    PearsonState,
    UnitCorrelation,
    correlation,
    pearson_compute,
    pearson_merge,
    pearson_start,
    pearson_update,
)
from braincodec.evaluation.encoding.identification import (
    PatternTopK,
    PatternTwoWay,
    pattern_identification,
    pattern_top_k,
)
from braincodec.evaluation.encoding.noise_normalised import NoiseNormalisedAccuracy, noise_normalised_accuracy
from braincodec.evaluation.encoding.pattern_correlation import PatternCorrelation, pattern_correlation
from braincodec.evaluation.encoding.r2 import R2Correlation, R2Determination, r2_correlation, r2_determination
from braincodec.evaluation.encoding.variance_partition import (
    VariancePartition,
    product_measure,
    variance_partition,
)
from braincodec.evaluation.encoding.weighted import weighted_correlation, weighted_r2_determination

__all__ = [
    "NoiseNormalisedAccuracy",
    "PatternCorrelation",
    "PatternTopK",
    "PatternTwoWay",
    "PearsonState",
    "R2Correlation",
    "R2Determination",
    "UnitCorrelation",
    "VariancePartition",
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
]

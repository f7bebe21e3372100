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
from braincodec.evaluation.encoding.r2 import R2Correlation, R2Determination, r2_correlation, r2_determination
from braincodec.evaluation.encoding.weighted import weighted_correlation, weighted_r2_determination

__all__ = [
    "PearsonState",
    "R2Correlation",
    "R2Determination",
    "UnitCorrelation",
    "correlation",
    "pearson_compute",
    "pearson_merge",
    "pearson_start",
    "pearson_update",
    "r2_correlation",
    "r2_determination",
    "weighted_correlation",
    "weighted_r2_determination",
]

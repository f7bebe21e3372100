"""How sure a score is: intervals, tests against chance, corrections for many tests, comparison of two models."""

from braincodec.evaluation.statistics.bootstrap import bootstrap_mean, bootstrap_weights
from braincodec.evaluation.statistics.false_discovery import false_discovery_rate
from braincodec.evaluation.statistics.intervals import bca_interval_of_mean, bootstrap_p_value, percentile_interval
from braincodec.evaluation.statistics.paired import PairedComparison, compare_predictions
from braincodec.evaluation.statistics.permutation import PermutationTest, permutation_correlations, permutation_p_value
from braincodec.evaluation.statistics.unit_bootstrap import UnitBootstrap, bootstrap_units, medians_over_units

__all__ = [
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
    "medians_over_units",
    "percentile_interval",
    "permutation_correlations",
    "permutation_p_value",
]

"""Figures of scores, responses and images: each takes axes, returns a figure, and can be read as text."""

from braincodec.viz.accuracy import plot_accuracy_against_ceiling, plot_accuracy_histogram
from braincodec.viz.alternative import describe, text_alternative
from braincodec.viz.by_roi import plot_accuracy_by_roi
from braincodec.viz.comparison import plot_comparison
from braincodec.viz.cortex import plot_cortex
from braincodec.viz.decoding_over_time import plot_pairwise_decoding, plot_time_generalisation
from braincodec.viz.decoding_scores import plot_decoding_scores
from braincodec.viz.demo_figure import demo_figure
from braincodec.viz.eeg import plot_accuracy_over_time, plot_time_course
from braincodec.viz.generalisation import plot_generalisation
from braincodec.viz.learning_curve import plot_learning_curve
from braincodec.viz.profile_and_pattern import plot_profile_and_pattern
from braincodec.viz.rdm import plot_rdm, plot_rdms
from braincodec.viz.reconstructions import plot_reconstructions
from braincodec.viz.response_patterns import plot_response_patterns
from braincodec.viz.saving import save_figure
from braincodec.viz.topography import plot_topographies, plot_topography
from braincodec.viz.training_curves import plot_training_curves
from braincodec.viz.volume import plot_volume

__all__ = [
    "demo_figure",
    "describe",
    "plot_accuracy_against_ceiling",
    "plot_accuracy_by_roi",
    "plot_accuracy_histogram",
    "plot_accuracy_over_time",
    "plot_comparison",
    "plot_cortex",
    "plot_decoding_scores",
    "plot_generalisation",
    "plot_learning_curve",
    "plot_pairwise_decoding",
    "plot_profile_and_pattern",
    "plot_rdm",
    "plot_rdms",
    "plot_reconstructions",
    "plot_response_patterns",
    "plot_time_course",
    "plot_time_generalisation",
    "plot_topographies",
    "plot_topography",
    "plot_training_curves",
    "plot_volume",
    "save_figure",
    "text_alternative",
]

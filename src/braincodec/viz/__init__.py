"""Figures: maps on the inflated cortex, EEG time courses and topographies, the picture of the demo."""

from braincodec.viz.cortex import plot_cortex
from braincodec.viz.demo_figure import demo_figure, save_figure
from braincodec.viz.eeg import plot_time_course, plot_topography

__all__ = ["demo_figure", "plot_cortex", "plot_time_course", "plot_topography", "save_figure"]

"""THINGS-EEG2 (Gifford et al. 2022): EEG of ten people who saw 16,740 pictures of objects, many times."""

from braincodec.datasets.things_eeg2.dataset import ThingsEEG2
from braincodec.datasets.things_eeg2.preparation import PREPARATIONS, Preparation

__all__ = ["PREPARATIONS", "Preparation", "ThingsEEG2"]

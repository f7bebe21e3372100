"""Public data sets: each lists its subjects, and gives one subject's stimuli, responses, units and split."""

from braincodec.datasets.base import DATASETS, Counts, Dataset, Recording, Split, register_dataset
from braincodec.datasets.loading import load_dataset

__all__ = ["DATASETS", "Counts", "Dataset", "Recording", "Split", "load_dataset", "register_dataset"]

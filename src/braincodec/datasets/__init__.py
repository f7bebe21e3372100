"""Data sets, public ones and one's own: each gives its subjects' stimuli, responses, units and split."""

from braincodec.datasets.base import DATASETS, Counts, Dataset, Recording, Split, register_dataset
from braincodec.datasets.download import Download
from braincodec.datasets.fetching import Fetched, fetch
from braincodec.datasets.loading import load_dataset

__all__ = [
    "DATASETS",
    "Counts",
    "Dataset",
    "Download",
    "Fetched",
    "Recording",
    "Split",
    "fetch",
    "load_dataset",
    "register_dataset",
]

"""BOLD5000 (Chang et al. 2019): fMRI of four people who saw some five thousand scenes, most of them once."""

from braincodec.datasets.bold5000.dataset import Bold5000

__all__ = ["Bold5000"]

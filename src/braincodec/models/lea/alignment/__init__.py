"""Alignment of two latent spaces, such as those of fMRI and of image embeddings: from each to the other."""

from braincodec.models.lea.alignment.latent_map import LatentMap
from braincodec.models.lea.alignment.ridge import fit_alignment, out_of_fold_predictions
from braincodec.models.lea.alignment.scaling import RESCALE_RULES, LatentScaling, LatentStatistics, RescaleRule

__all__ = [
    "RESCALE_RULES",
    "LatentMap",
    "LatentScaling",
    "LatentStatistics",
    "RescaleRule",
    "fit_alignment",
    "out_of_fold_predictions",
]

"""How much of the variance of responses any model could explain."""

from braincodec.evaluation.noise_ceiling.eeg import EEGNoiseCeiling, eeg_accuracy, eeg_noise_ceiling
from braincodec.evaluation.noise_ceiling.ncsnr import mean_inverse_count, ncsnr, noise_ceiling_from_ncsnr
from braincodec.evaluation.noise_ceiling.repetitions import mean_over_repetitions
from braincodec.evaluation.noise_ceiling.split_half import noise_ceiling_split_half, spearman_brown
from braincodec.evaluation.noise_ceiling.variance_components import noise_ceiling_variance_components

__all__ = [
    "EEGNoiseCeiling",
    "eeg_accuracy",
    "eeg_noise_ceiling",
    "mean_inverse_count",
    "mean_over_repetitions",
    "ncsnr",
    "noise_ceiling_from_ncsnr",
    "noise_ceiling_split_half",
    "noise_ceiling_variance_components",
    "spearman_brown",
]

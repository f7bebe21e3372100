"""The autoencoder of fMRI patterns: any regions to one latent, and the latent back to every voxel."""

from braincodec.models.lea.fmri_autoencoder.masking import draw_hidden_voxels
from braincodec.models.lea.fmri_autoencoder.network import FMRIAutoencoder, FMRIAutoencoderConfig
from braincodec.models.lea.fmri_autoencoder.settings import FMRIAutoencoderSettings
from braincodec.models.lea.fmri_autoencoder.training import TrainedAutoencoder, fit_autoencoder
from braincodec.models.lea.fmri_autoencoder.trunk import load_trunk

__all__ = [
    "FMRIAutoencoder",
    "FMRIAutoencoderConfig",
    "FMRIAutoencoderSettings",
    "TrainedAutoencoder",
    "draw_hidden_voxels",
    "fit_autoencoder",
    "load_trunk",
]

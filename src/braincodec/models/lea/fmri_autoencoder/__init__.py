"""The autoencoder of fMRI patterns: any regions to one latent, and the latent back to every voxel."""

from braincodec.models.lea.fmri_autoencoder.masking import draw_hidden_voxels
from braincodec.models.lea.fmri_autoencoder.network import FMRIAutoencoder, FMRIAutoencoderConfig

__all__ = ["FMRIAutoencoder", "FMRIAutoencoderConfig", "draw_hidden_voxels"]

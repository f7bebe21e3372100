"""Generic Object Decoding (Horikawa and Kamitani 2017): fMRI of five people who saw objects of 200 categories."""

from braincodec.datasets.god.dataset import GenericObjectDecoding

__all__ = ["GenericObjectDecoding"]

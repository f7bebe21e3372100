"""Responses to images on disk: a model that decodes, run so that it can be interrupted."""

from braincodec.decoding.files import image_files, write_image
from braincodec.decoding.run import Decoded, decode_to

__all__ = ["Decoded", "decode_to", "image_files", "write_image"]

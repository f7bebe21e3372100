"""Images from image embeddings: one small interface, and several ways of doing it."""

from braincodec.image_generators.base import IMAGE_GENERATORS, ImageEmbedding, ImageGenerator

__all__ = ["IMAGE_GENERATORS", "ImageEmbedding", "ImageGenerator"]

"""MaskGIT's tokenizer: images to a grid of codebook entries and back; `training` trains it."""

from braincodec.models.lea.tokenizer.network import Tokenizer, TokenizerConfig

__all__ = ["Tokenizer", "TokenizerConfig"]

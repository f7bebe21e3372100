"""MaskGIT's tokenizer: images to a grid of codebook entries and back."""

from braincodec.models.lea.tokenizer.network import Tokenizer, TokenizerConfig

__all__ = ["Tokenizer", "TokenizerConfig"]

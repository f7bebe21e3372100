"""The masked transformer that writes image tokens for an image embedding, and how it is sampled."""

from braincodec.models.lea.token_generator.network import TokenGenerator, TokenGeneratorConfig
from braincodec.models.lea.token_generator.sampling import SamplingConfig, sample_tokens

__all__ = ["SamplingConfig", "TokenGenerator", "TokenGeneratorConfig", "sample_tokens"]

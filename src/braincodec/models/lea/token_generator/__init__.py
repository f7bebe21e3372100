"""The masked transformer that writes image tokens for an image embedding: how it is trained, and how it is sampled."""

from braincodec.models.lea.token_generator.network import TokenGenerator, TokenGeneratorConfig
from braincodec.models.lea.token_generator.sampling import SamplingConfig, sample_tokens
from braincodec.models.lea.token_generator.settings import TokenGeneratorSettings

__all__ = ["SamplingConfig", "TokenGenerator", "TokenGeneratorConfig", "TokenGeneratorSettings", "sample_tokens"]

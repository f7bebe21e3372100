"""Encoding models: stimulus to response."""

from braincodec.models.base import MODELS, Encoder, register_model
from braincodec.models.description import ModelDescription
from braincodec.models.joint import JointEncoder

__all__ = ["MODELS", "Encoder", "JointEncoder", "ModelDescription", "register_model"]

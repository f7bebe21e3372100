"""LEA's published inference: a data set's folder and checkpoints, or nothing but the data, to scores both ways."""

from braincodec.published_lea.plan import InferencePlan
from braincodec.published_lea.result import InferenceResult
from braincodec.published_lea.run import lea_inference
from braincodec.published_lea.settings import InferenceSettings

__all__ = ["InferencePlan", "InferenceResult", "InferenceSettings", "lea_inference"]

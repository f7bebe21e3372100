"""One command from recordings to a trained, scored and stored model."""

from braincodec.training.config import DatasetChoice, EvaluationChoice, SplitChoice, TrainConfig
from braincodec.training.result import TrainedModel, TrainResult
from braincodec.training.run import train
from braincodec.training.shipped import shipped_configs, shipped_text

__all__ = [
    "DatasetChoice",
    "EvaluationChoice",
    "SplitChoice",
    "TrainConfig",
    "TrainResult",
    "TrainedModel",
    "shipped_configs",
    "shipped_text",
    "train",
]

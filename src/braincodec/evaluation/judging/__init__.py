"""From a model or its predictions to `Scores`."""

from braincodec.evaluation.judging.evaluate import evaluate

__all__ = ["evaluate"]

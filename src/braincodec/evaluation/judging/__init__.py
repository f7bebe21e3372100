"""From a model or its predictions to `Scores`."""

from braincodec.evaluation.judging.run import evaluate

__all__ = ["evaluate"]

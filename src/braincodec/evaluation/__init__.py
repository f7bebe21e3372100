"""Scores of predictions against measurements, for encoding and decoding.

`evaluate` judges a model or its predictions and gives `Scores`. Below it are pure functions on arrays, the same metrics
as accumulators (`METRICS`), noise ceilings, statistics, and checks of how stimuli are split.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from braincodec.evaluation.definition import Definition, UndefinedScoreWarning
from braincodec.evaluation.metric import METRICS, Metric, register_metric

# public names and the modules they come from, imported when first used
_NAMES_OF_MODULE = {
    "judging.run": ("evaluate",),
    "scores": ("Comparison", "Scores"),
    "quantities": ("QUANTITIES",),
}
_MODULE_OF_NAME = {name: module for module, names in _NAMES_OF_MODULE.items() for name in names}

if TYPE_CHECKING:
    from braincodec.evaluation.judging.run import evaluate
    from braincodec.evaluation.quantities import QUANTITIES
    from braincodec.evaluation.scores import Comparison, Scores

__all__ = [
    "METRICS",
    "QUANTITIES",
    "Comparison",
    "Definition",
    "Metric",
    "Scores",
    "UndefinedScoreWarning",
    "evaluate",
    "register_metric",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF_NAME:
        return getattr(import_module(f"braincodec.evaluation.{_MODULE_OF_NAME[name]}"), name)
    raise AttributeError(f"module 'braincodec.evaluation' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

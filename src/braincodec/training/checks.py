"""What settings alone tell to be wrong, said before data are read: preparing them may take hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braincodec.device import resolve_device
from braincodec.errors import InputValueError
from braincodec.evaluation.judging.choose import choose_metrics
from braincodec.features.registry import scheme_and_name

if TYPE_CHECKING:
    from braincodec.training.config import TrainConfig


def check_names(config: TrainConfig) -> None:
    """Refuse names that there are not.

    Raises
    ------
    UnknownNameError, InputValueError
        For a metric that there is not or that is not of responses, a device that is absent, or a network without a
        known scheme.

    Examples
    --------
    >>> from braincodec.training.config import TrainConfig
    >>> check_names(TrainConfig.parse({"dataset": "simulated", "model": {"kind": "linear"}, "device": "cpuu"}))
    Traceback (most recent call last):
    braincodec.errors.UnknownNameError: unknown device 'cpuu'; did you mean 'cpu'? available: auto, cpu...
    """
    judged = config.evaluation
    if judged.part != "none":
        choose_metrics(judged.metrics, "encoding")
        if judged.noise_ceiling == "given":
            raise InputValueError(
                "settings: evaluation.noise_ceiling: 'given' needs an array, which settings cannot hold"
            )
    resolve_device(config.device)
    for choice in (config.settings, *(config.settings.get("features") or ())):
        if choice.get("backbone") is not None:
            scheme_and_name(choice["backbone"])

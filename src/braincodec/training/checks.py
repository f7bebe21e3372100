"""What settings alone tell to be wrong, said before data are read: preparing them may take hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braincodec.device import resolve_device
from braincodec.errors import InputValueError
from braincodec.evaluation.judging.choose import choose_by_direction
from braincodec.features.registry import scheme_and_name
from braincodec.models.base import MODELS

if TYPE_CHECKING:
    from braincodec.training.config import TrainConfig


def check_names(config: TrainConfig) -> None:
    """Refuse names that there are not.

    Raises
    ------
    UnknownNameError, InputValueError
        For a metric that there is not or that is not of what the model predicts, a device that is absent, or a network
        without a known scheme.

    Examples
    --------
    >>> from braincodec.training.config import TrainConfig
    >>> check_names(TrainConfig.parse({"dataset": "simulated", "model": {"kind": "linear"}, "device": "cpuu"}))
    Traceback (most recent call last):
    braincodec.errors.UnknownNameError: unknown device 'cpuu'; did you mean 'cpu'? available: auto, cpu...
    """
    judged = config.evaluation
    if judged.part != "none":
        choose_by_direction(judged.metrics, directions(config.kind))
        if judged.noise_ceiling == "given":
            raise InputValueError(
                "settings: evaluation.noise_ceiling: 'given' needs an array, which settings cannot hold"
            )
    resolve_device(config.device)
    for choice in (config.settings, *(config.settings.get("features") or ())):
        for name in ("backbone", "image_embedding"):
            if choice.get(name) is not None:
                scheme_and_name(choice[name])


def directions(kind: str) -> list[str]:
    """The directions in which models of a kind predict.

    Examples
    --------
    >>> directions("linear"), directions("lea")
    (['encoding'], ['encoding', 'decoding'])
    """
    model = MODELS.get(kind)
    return [name for name, does in (("encoding", "encode"), ("decoding", "decode")) if hasattr(model, does)]

"""What a model predicts for the stimuli that are judged, in either direction."""

from __future__ import annotations

import contextlib
import inspect
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from braincodec.datasets.base import Recording
from braincodec.errors import InputValueError
from braincodec.evaluation.judging.opening import Given
from braincodec.evaluation.judging.settings import Settings

# predicted responses beyond this size are streamed to a temporary file
PREDICTED_BYTES = 512 * 2**20


def predicted_responses(
    given: Given, recording: Recording, settings: Settings, options: dict[str, Any], stack: contextlib.ExitStack
) -> tuple[Any, bool]:
    """Predicted responses, and whether the model itself has rescaled them.

    Parameters
    ----------
    given : Given
    recording : Recording
    settings : Settings
    options : dict
        ``batch_size``, ``device`` and ``progress``, for a model.
    stack : contextlib.ExitStack
        Closes the temporary file that predictions may lie in.
    """
    if not given.is_model:
        return given.value, False
    stimuli = recording.stimuli[list(recording.split.ids(settings.part))]
    model = given.value
    if not hasattr(model, "response_shape"):
        return model.encode(stimuli, **_rescaling(model.encode, settings)), _rescales(model.encode, settings)
    model = of_subject(model, recording.subject)
    more, rescaled = _rescaling(model.encode, settings), _rescales(model.encode, settings)
    if more or 4 * len(stimuli) * math.prod(model.response_shape) <= PREDICTED_BYTES:
        return model.encode(stimuli, **options, **more), rescaled
    from braincodec.responses import open_responses

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="braincodec-"))
    return open_responses(model.encode_to(Path(folder) / "predicted.zarr", stimuli, **options)), False


def decoded_images(given: Given, recording: Recording, settings: Settings, options: dict[str, Any]) -> Any:
    """Predicted images, of a model decoded from responses that are averaged over repetitions.

    Raises
    ------
    InputValueError
        When the model cannot draw samples or rescale, and that was asked for.
    """
    if not given.is_model:
        if settings.rescale:
            raise InputValueError(
                "rescale='transductive' is for predicted responses, or a decoder that takes `rescale`"
            )
        return given.value
    model = of_subject(given.value, recording.subject)
    if settings.rescale and not accepts(model.decode, "rescale"):
        raise InputValueError(f"{type(model).__name__}.decode takes no `rescale`")
    if settings.samples > 1 and not accepts(model.decode, "n_samples"):
        raise InputValueError(f"{type(model).__name__}.decode takes no `n_samples`; leave samples at 1")
    known = {"n_samples": settings.samples, "seed": settings.seed, **options}
    known = {name: value for name, value in known.items() if accepts(model.decode, name)}
    return model.decode(mean_responses(recording, settings.part), **known, **_rescaling(model.decode, settings))


def mean_responses(recording: Recording, part: str) -> xr.DataArray:
    """Responses to the stimuli of a part, averaged over repetitions."""
    _, responses = recording.part(part)
    if "repetition" in responses.dims:
        return responses.mean("repetition", skipna=True, keep_attrs=True)
    return responses


def of_subject(model: Any, subject: str) -> Any:
    """The model for one of its several subjects; any other as it is."""
    return model.of_subject(subject) if len(getattr(model, "subjects", ())) > 1 else model


def accepts(function: Callable[..., Any], name: str) -> bool:
    """Whether a function takes an argument of this name.

    Examples
    --------
    >>> accepts(len, "obj"), accepts(lambda **options: 0, "seed"), accepts(lambda a: 0, "seed")
    (True, True, False)
    """
    parameters = inspect.signature(function).parameters
    return name in parameters or any(item.kind is item.VAR_KEYWORD for item in parameters.values())


def _rescales(function: Callable[..., Any], settings: Settings) -> bool:
    return settings.rescale is not None and accepts(function, "rescale")


def _rescaling(function: Callable[..., Any], settings: Settings) -> dict[str, Any]:
    return {"rescale": settings.rescale} if _rescales(function, settings) else {}

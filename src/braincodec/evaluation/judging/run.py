"""`evaluate`: from a model or its predictions to scores with everything that makes them readable."""

from __future__ import annotations

import contextlib
import inspect
import math
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from braincodec.datasets.base import Dataset, Recording
from braincodec.datasets.choosing import as_recordings
from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.judging.about import describe
from braincodec.evaluation.judging.beyond_ceiling import ceiling_warnings
from braincodec.evaluation.judging.choose import choose_metrics
from braincodec.evaluation.judging.decoding import (
    ImageTask,
    mean_image,
    predicted_images,
    read_images,
    score_images,
)
from braincodec.evaluation.judging.encoding import EncodingTask, score_encoding
from braincodec.evaluation.judging.leakage import leakage_of
from braincodec.evaluation.judging.merge import merge_subjects
from braincodec.evaluation.judging.opening import Given, open_given
from braincodec.evaluation.judging.settings import Settings
from braincodec.evaluation.judging.subject import SubjectScores
from braincodec.evaluation.scores import Scores
from braincodec.evaluation.statistics import bootstrap_weights
from braincodec.progress import progress_bar

# predicted responses beyond this size are streamed to a temporary file
PREDICTED_BYTES = 512 * 2**20
FEWEST_IMAGES = 2


def evaluate(
    model_or_predictions: Any,
    dataset: Recording | Dataset | Sequence[Recording],
    *,
    part: Literal["train", "validation", "test"] = "test",
    metrics: str | Sequence[str] | None = None,
    rois: Any = None,
    direction: Literal["auto", "encoding", "decoding"] = "auto",
    noise_ceiling: Any = "auto",
    draws: int = 1000,
    permutations: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    leakage: Literal["hash", "features", "off"] = "hash",
    rescale: Literal["transductive"] | None = None,
    progress: bool | None = None,
    name: str | None = None,
    batch_size: int | str = "auto",
    device: str = "auto",
) -> Scores:
    """Score predictions against a recording: a table with intervals, floors and ceilings, and all that is behind it.

    Encoding: correlation, explained variance and noise-normalised accuracy of each unit, patterns and their
    identification, representational similarity; for EEG also the accuracy beside both noise ceilings, pairwise decoding
    and time generalisation. Decoding: every metric of images whose weights and packages are here; the others are named
    with the reason in ``scores.about["skipped"]``. Nothing is fitted on the stimuli that are judged.

    Parameters
    ----------
    model_or_predictions : object
        A model with `encode` or `decode`; predicted responses, as DataArray, or as array with stimuli in the order of
        the part; predicted images, as `StimulusSet` or uint8 array (n, height, width, 3); or a path to one of these.
        With several recordings one model, or as many predictions.
    dataset : Recording, Dataset with one subject, or sequence of Recordings
    part : {"test", "validation", "train"}
        Which stimuli. Other than test stimuli are named wherever the scores are shown.
    metrics : str or sequence of str, optional
        Names or patterns such as ``"two_way_*"``; default: all of the direction. ``METRICS.names()`` lists them.
    rois : sequence of str, or mapping of name to members, optional
        Default: all units together (``"all"``) and every region. Members: boolean (unit,), or channels.
    direction : {"auto", "encoding", "decoding"}
    noise_ceiling : {"auto", "variance_components", "split_half", "ncsnr", "units", "none"} or array
        Where ceilings come from; "auto": repetitions of the judged stimuli, else ncsnr, else what the units state.
    draws, permutations : int
        Bootstrap samples of the stimuli for intervals, and shuffled pairings for p; 0 leaves them out.
    level : float
        Of intervals.
    seed : int
    leakage : {"hash", "features", "off"}
        How to look for judged stimuli among the training stimuli; all images are read for it.
    rescale : {"transductive"}, optional
        Give predictions the training responses' mean and deviation in place of those that they have over the judged
        stimuli, as some published decoders do. It uses the test set as a whole, and is named in the report.
    progress : bool, optional
        Bars; default: when stderr is a terminal.
    name : str, optional
        What the scores are called.
    batch_size, device
        For a model, as in `Encoder.encode`.

    Returns
    -------
    Scores

    Raises
    ------
    InputTypeError, InputValueError
        When predictions and recording do not fit, or hold NaN or infinities where they should not.
    UnknownNameError
        For an unknown metric or region.

    Notes
    -----
    Units are read in tiles, so that lazily opened predictions and responses need not fit in memory; large tables of
    bootstrap replicates lie in a temporary file. Intervals are percentiles over bootstrap samples of the stimuli, with
    noise ceilings held fixed.

    Examples
    --------
    >>> from braincodec.datasets import Split
    >>> from braincodec.responses import build_responses, build_units
    >>> from braincodec.stimuli import StimulusSet
    >>> rng = np.random.default_rng(0)
    >>> ids = [f"image-{number}" for number in range(50)]
    >>> units = build_units(ijk=np.eye(3, dtype=int), rois={"V1": [True, True, False]})
    >>> signal = rng.normal(size=(50, 1, 3))
    >>> responses = build_responses(signal + rng.normal(size=(50, 4, 3)), ids, units)
    >>> images = StimulusSet.open(rng.integers(0, 255, (50, 8, 8, 3), dtype=np.uint8), ids=ids)
    >>> recording = Recording("example", "1", images, responses, units, Split(train=ids[:20], test=ids[20:]))
    >>> scores = evaluate(signal[20:, 0], recording, metrics="correlation", draws=100, permutations=99)
    >>> round(scores.value("correlation", roi="V1"), 1)
    0.9
    """
    recordings = as_recordings(dataset)
    settings = Settings.parse(
        {
            "part": part,
            "metrics": (metrics,) if isinstance(metrics, str) else metrics,
            "rois": _names_of(rois),
            "direction": direction,
            "noise_ceiling": _kind_of_ceiling(noise_ceiling),
            "draws": draws,
            "permutations": permutations,
            "level": level,
            "seed": seed,
            "leakage": leakage,
            "rescale": rescale,
        }
    )
    givens = _givens(model_or_predictions, recordings, direction, name)
    names, skipped = choose_metrics(metrics, givens[0].direction)
    for recording in recordings:
        _check_part(recording, part)
    model_options = {"batch_size": batch_size, "device": device, "progress": progress}
    subjects = []
    for given, recording in zip(givens, recordings, strict=True):
        with contextlib.ExitStack() as stack:
            prediction = _predictions(given, recording, settings, model_options, stack)
            if given.direction == "encoding":
                task = EncodingTask(recording, prediction, names, settings, rois, noise_ceiling, progress)
                subjects.append(score_encoding(task))
            else:
                subjects.append(_score_decoding(prediction, recording, names, settings, progress))
    checked = leakage_of(recordings, leakage, part, seed, progress)
    scores = merge_subjects(subjects, describe(givens, recordings, subjects, settings, checked, skipped))
    if part != "train":
        scores.about["warnings"] = [*ceiling_warnings(scores), *scores.about["warnings"]]
    return scores


def _names_of(rois: Any) -> tuple[str, ...] | None:
    if rois is None or isinstance(rois, str):
        return None if rois is None else (rois,)
    if not isinstance(rois, Iterable):
        raise InputTypeError(f"rois are names, or a mapping of names to members, not {type(rois).__name__}")
    names = tuple(str(item) for item in rois)
    if not names:
        raise InputValueError("rois is empty; leave it out for all regions")
    return names


def _kind_of_ceiling(noise_ceiling: Any) -> str:
    if isinstance(noise_ceiling, str) and noise_ceiling == "given":
        raise InputValueError("noise_ceiling='given' needs the ceilings: give their array in its place")
    return noise_ceiling if isinstance(noise_ceiling, str) else "given"


def _givens(given: Any, recordings: Sequence[Recording], direction: str, name: str | None) -> list[Given]:
    if isinstance(given, list | tuple):
        if len(given) != len(recordings):
            raise InputValueError(
                f"a list has one entry, such as an array, for each recording: here {len(given)} for {len(recordings)}"
            )
        opened = [open_given(item, direction, name) for item in given]
    else:
        opened = [open_given(given, direction, name)] * len(recordings)
        if len(recordings) > 1 and opened[0].kind in ("responses", "images"):
            raise InputValueError(f"{len(recordings)} recordings need a list of as many predictions, or one model")
    directions = {item.direction for item in opened}
    if len(directions) > 1:
        raise InputValueError("some predictions are responses and some are images; judge them apart")
    return opened


def _check_part(recording: Recording, part: str) -> None:
    if not recording.split.ids(part):
        sizes = ", ".join(f"{name} {len(recording.split.ids(name))}" for name in recording.split.PARTS)
        raise InputValueError(f"subject {recording.subject} has no {part} stimuli; its split has {sizes}")


def _predictions(
    given: Given, recording: Recording, settings: Settings, options: dict[str, Any], stack: contextlib.ExitStack
) -> Any:
    """Predicted responses or images for the stimuli that are judged."""
    ids = list(recording.split.ids(settings.part))
    if given.kind == "responses" or given.kind == "images":
        if given.kind == "images" and settings.rescale:
            raise InputValueError(
                "rescale='transductive' is for predicted responses, or a decoder that takes `rescale`"
            )
        return given.value
    if given.kind == "decoder":
        return _decoded(given.value, recording, settings)
    stimuli = recording.stimuli[ids]
    if not hasattr(given.value, "response_shape"):
        return given.value.encode(stimuli)
    model = given.value
    if len(getattr(model, "subjects", ())) > 1:
        model = model.of_subject(recording.subject)
    if 4 * len(ids) * math.prod(model.response_shape) <= PREDICTED_BYTES:
        return model.encode(stimuli, **options)
    from braincodec.responses import open_responses

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="braincodec-"))
    return open_responses(model.encode_to(Path(folder) / "predicted.zarr", stimuli, **options))


def _decoded(model: Any, recording: Recording, settings: Settings) -> Any:
    _, responses = recording.part(settings.part)
    if "repetition" in responses.dims:
        responses = responses.mean("repetition", skipna=True, keep_attrs=True)
    accepted = inspect.signature(model.decode).parameters
    if settings.rescale and "rescale" not in accepted:
        raise InputValueError(f"{type(model).__name__}.decode takes no `rescale`")
    return model.decode(responses, **({"rescale": settings.rescale} if settings.rescale else {}))


def _score_decoding(
    prediction: Any, recording: Recording, names: list[str], settings: Settings, show: bool | None
) -> SubjectScores:
    from braincodec.stimuli import StimulusSet

    ids = recording.split.ids(settings.part)
    if len(ids) < FEWEST_IMAGES:
        raise InputValueError(f"subject {recording.subject} has {len(ids)} {settings.part} stimuli; needs at least 2")
    if isinstance(prediction, xr.DataArray):
        prediction = prediction.values
    if isinstance(prediction, np.ndarray) and prediction.dtype != np.uint8:
        raise InputTypeError(f"predicted images must be uint8, not {prediction.dtype}; round 0..1 to 0..255 first")
    given = prediction if isinstance(prediction, StimulusSet) else StimulusSet.open(prediction)
    predicted = read_images(predicted_images(given, ids))
    truth = read_images(recording.stimuli[list(ids)], like=predicted)
    training = recording.split.train
    average = None
    if training:
        with progress_bar("mean training image", len(training), show=show) as advance:
            average = mean_image(recording.stimuli[list(training)], predicted, advance)
    count, draws = len(ids), settings.draws
    weights = bootstrap_weights(count, draws, settings.seed) if draws else np.empty((0, count), np.float32)
    found = SubjectScores(recording.subject, ids)
    found.notes.append(f"images were compared at {predicted.shape[1]} x {predicted.shape[2]} pixels (height x width)")
    task = ImageTask(predicted, truth, average, weights, settings.level, settings.permutations, settings.seed)
    with progress_bar("score images", len(names), show=show) as advance:
        score_images(names, task, found, advance)
    return found

"""`evaluate`: from a model or its predictions to scores with everything that makes them readable."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from braincodec.datasets.base import Dataset, Recording
from braincodec.datasets.choosing import as_recordings
from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.judging.about import describe
from braincodec.evaluation.judging.beyond_ceiling import ceiling_warnings
from braincodec.evaluation.judging.choose import choose_by_direction
from braincodec.evaluation.judging.decoding import DecodingTask, score_decoding
from braincodec.evaluation.judging.encoding import EncodingTask, score_encoding
from braincodec.evaluation.judging.leakage import leakage_of
from braincodec.evaluation.judging.merge import merge_subjects
from braincodec.evaluation.judging.opening import Given, open_given
from braincodec.evaluation.judging.predicting import predicted_responses
from braincodec.evaluation.judging.settings import Settings
from braincodec.evaluation.judging.subject import SubjectScores, both_directions
from braincodec.evaluation.scores import Scores


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
    samples: int = 1,
    progress: bool | None = None,
    name: str | None = None,
    batch_size: int | str = "auto",
    device: str = "auto",
) -> Scores:
    """Score predictions against a recording: a table with intervals, floors and ceilings, and all that is behind it.

    Encoding: correlation, explained variance and noise-normalised accuracy of each unit, patterns and their
    identification, representational similarity; for EEG also the accuracy beside both noise ceilings, pairwise decoding
    and time generalisation. Decoding: every metric of images whose weights and packages are here; the others are named
    with the reason in ``scores.about["skipped"]``. Where a decoder also has `predict_embeddings` (responses to image
    embeddings) and `embed` (stimuli to image embeddings), retrieval and identification by embedding too. Nothing is
    fitted on the stimuli that are judged.

    Parameters
    ----------
    model_or_predictions : object
        A model with `encode` or `decode` or both; predicted responses, as DataArray, or as array with stimuli in the
        order of the part; predicted images, as `StimulusSet` or uint8 array (n, height, width, 3); or a path to one of
        these. With several recordings one model, or as many predictions.
    dataset : Recording, Dataset with one subject, or sequence of Recordings
    part : {"test", "validation", "train"}
        Which stimuli. Other than test stimuli are named wherever the scores are shown.
    metrics : str or sequence of str, optional
        Names or patterns such as ``"two_way_*"``; default: all of what is judged. ``METRICS.names()`` lists them.
    rois : sequence of str, or mapping of name to members, optional
        Default: all units together (``"all"``) and every region. Members: boolean (unit,), or channels.
    direction : {"auto", "encoding", "decoding"}
        Of a model that does both, "auto" judges both, in one table whose rows say their ``direction``.
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
        stimuli, as some published decoders do. It uses the test set as a whole, and is named in the report. A model
        whose `encode` or `decode` takes `rescale` does so itself, in its own latent space.
    samples : int
        How many images are decoded from each response; scores of images are means over them.
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
    >>> import numpy as np
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
            "samples": samples,
        }
    )
    givens = _givens(model_or_predictions, recordings, direction, name)
    chosen, skipped = choose_by_direction(metrics, givens[0].directions)
    for recording in recordings:
        _check_part(recording, part)
    options = {"batch_size": batch_size, "device": device, "progress": progress}
    subjects = []
    for given, recording in zip(givens, recordings, strict=True):
        parts = {}
        if "encoding" in chosen:
            parts["encoding"] = _encoding(given, recording, chosen["encoding"], settings, rois, noise_ceiling, options)
        if "decoding" in chosen:
            parts["decoding"] = score_decoding(DecodingTask(recording, given, chosen["decoding"], settings, options))
        subjects.append(both_directions(**parts) if len(parts) > 1 else next(iter(parts.values())))
    checked = leakage_of(recordings, leakage, part, seed, progress)
    scores = merge_subjects(subjects, describe(givens, recordings, subjects, settings, checked, skipped, chosen))
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
        if len(recordings) > 1 and not opened[0].is_model:
            raise InputValueError(f"{len(recordings)} recordings need a list of as many predictions, or one model")
    if len({item.directions for item in opened}) > 1:
        raise InputValueError("some predictions are responses and some are images; judge them apart")
    return opened


def _check_part(recording: Recording, part: str) -> None:
    if not recording.split.ids(part):
        sizes = ", ".join(f"{name} {len(recording.split.ids(name))}" for name in recording.split.PARTS)
        raise InputValueError(f"subject {recording.subject} has no {part} stimuli; its split has {sizes}")


def _encoding(
    given: Given,
    recording: Recording,
    names: list[str],
    settings: Settings,
    rois: Any,
    noise_ceiling: Any,
    options: dict[str, Any],
) -> SubjectScores:
    with contextlib.ExitStack() as stack:
        prediction, rescaled = predicted_responses(given, recording, settings, options, stack)
        if rescaled:  # by the model, so not again
            settings = settings.model_copy(update={"rescale": None})
        task = EncodingTask(recording, prediction, names, settings, rois, noise_ceiling, options["progress"])
        return score_encoding(task)

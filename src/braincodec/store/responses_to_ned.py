"""A store's generated responses written in NED's published layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.legacy.labels import imageset_labels, read_labels
from braincodec.legacy.ned_response_files import NedResponses, ned_responses
from braincodec.legacy.ned_responses import write_ned_responses
from braincodec.legacy.ned_weights import NoNedFormError
from braincodec.progress import progress_bar
from braincodec.store.base import Store
from braincodec.store.native_store import NativeStore
from braincodec.store.open import open_store
from braincodec.store.response_metadata import made_by, stimulus_labels
from braincodec.store.response_sets import CopiedResponses, ResponseSet, Watch, chosen_sets, copy_sets
from braincodec.subjects import Subject


def responses_to_ned(
    source: str | Path | Store,
    target: str | Path,
    *,
    models: Sequence[str] | None = None,
    stimuli: Sequence[str] | None = None,
    subjects: Sequence[Subject] | None = None,
    rois: Sequence[str] | None = None,
    labels: str | Path | Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
    on_start: Watch = lambda _: None,
    on_end: Watch = lambda _: None,
) -> list[CopiedResponses]:
    """Write the generated responses of a braincodec store in NED's published layout, in bounded memory.

    Voxels become one HDF5 file a region, EEG one a subject: data set ``synthetic_neural_responses``, float32,
    contiguous, (images, voxels) or (images, repetitions, channels, times); beside each a ``.npy`` with NED's metadata.
    The published code and ours read them back with equal numbers and ids. Files that an earlier call finished are kept.

    Parameters
    ----------
    source : str, Path or Store
        A braincodec store.
    target : str or Path
        The folder; files are written below ``<target>/synthetic_neural_responses/``.
    models, stimuli, subjects, rois : sequence, optional
        Only these.
    labels : str, Path or mapping, optional
        Labels of the images: ``nsd_expdesign.mat``, or NED's own metadata for the same image set. Those of ``things``
        and ``imagenet_val`` follow from the stimulus ids where these are the images' paths.
    overwrite : bool
        Replace other responses that lie there.
    progress : bool, optional
        Show bars; default: when stderr is a terminal.
    on_start, on_end : callable
        Called with each `CopiedResponses` before and after.

    Returns
    -------
    list of CopiedResponses
        One for each set of responses; ``"skipped"`` with the reason where NED's layout has no place for one.

    Raises
    ------
    InputValueError
        When `source` is no braincodec store.
    UnknownNameError
        When a model, stimulus set, subject or region is not among the responses.
    OutputError
        When `target` cannot be written; what was finished before stays.

    Examples
    --------
    >>> responses_to_ned("no/such/store", "ned")
    Traceback (most recent call last):
    braincodec.errors.MissingFileError: store folder not found: no/such/store; ...
    """
    store = source if isinstance(source, Store) else open_store(source)
    if not isinstance(store, NativeStore):
        raise InputValueError(f"{store.address} has NED's layout already; give a braincodec store")
    given = read_labels(labels) if isinstance(labels, str | Path) else labels
    sets = chosen_sets(store, models=models, stimuli=stimuli, subjects=subjects, rois=rois)
    return copy_sets(
        sets,
        lambda one: _copy(store, one, Path(target), rois, given, overwrite, progress),
        on_start=on_start,
        on_end=on_end,
    )


def _copy(
    store: NativeStore,
    one: ResponseSet,
    target: Path,
    rois: Sequence[str] | None,
    given: Mapping[str, Any] | None,
    overwrite: bool,
    progress: bool | None,
) -> CopiedResponses:
    try:
        responses = store.responses(one.model, stimuli=one.stimuli, subject=one.subject, roi=one.roi)
        about = made_by(store, responses, one.model, stimuli=one.stimuli, subject=one.subject, roi=one.roi)
        about = about.model_copy(update={"roi": one.roi})
        files = _of_regions(ned_responses(responses, about, one.stimuli), rois, one)
        if given is None:
            labels = stimulus_labels(store, responses, one.model, one.stimuli)
        else:
            skipped = responses.attrs.get("skipped")
            labels = imageset_labels(one.stimuli, responses["stimulus"].values, given, skipped)
        with progress_bar(one.title, responses.sizes["stimulus"], show=progress) as advance:
            written = write_ned_responses(responses, files, target, labels, overwrite=overwrite, on_rows=advance)
    except NoNedFormError as error:
        return CopiedResponses(one, "skipped", str(error))
    return CopiedResponses(
        one,
        "written" if written else "kept",
        files=tuple(target / file.name for file in files),
        nbytes=sum(file.nbytes for file in files if target / file.name in written),
    )


def _of_regions(files: list[NedResponses], rois: Sequence[str] | None, one: ResponseSet) -> list[NedResponses]:
    if rois is None or one.roi is not None or all(file.roi is None for file in files):
        return files
    known = [file.roi for file in files]
    for name in rois:
        if name not in known:
            raise UnknownNameError("roi", name, known, where=f"of {one.title}")
    return [file for file in files if file.roi in rois]

"""Generated responses of NED, NEST and BERG folders brought into a braincodec store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from braincodec.atomic import atomic_path
from braincodec.errors import InputValueError, MissingFileError
from braincodec.legacy.generated import images_place
from braincodec.legacy.labels import LABELS_OF, labels_to_bytes
from braincodec.responses.formats import write_responses
from braincodec.store.base import Store
from braincodec.store.legacy_store import LegacyStore
from braincodec.store.open import open_store
from braincodec.store.recorded_stimuli import RECORD, record_content
from braincodec.store.response_description import description_content, description_name
from braincodec.store.response_metadata import LABELS, group_name, set_folder
from braincodec.store.response_sets import CopiedResponses, ResponseSet, Watch, chosen_sets, copy_sets
from braincodec.subjects import Subject


def responses_from_ned(
    source: str | Path | Store,
    target: str | Path,
    *,
    models: Sequence[str] | None = None,
    stimuli: Sequence[str] | None = None,
    subjects: Sequence[Subject] | None = None,
    rois: Sequence[str] | None = None,
    overwrite: bool = False,
    on_start: Watch = lambda _: None,
    on_end: Watch = lambda _: None,
) -> list[CopiedResponses]:
    """Bring generated responses of a NED, NEST or BERG folder into a braincodec store, in bounded memory.

    They are compressed, read quickly both by stimulus and by unit, and carry their labels with them; numbers and ids
    stay as they are. Responses that an earlier call finished are kept.

    Parameters
    ----------
    source : str, Path or Store
        The folder; its responses can also be used where they are, by `open_store`.
    target : str or Path
        Folder of the store, new or not; groups are written below ``<target>/generated_responses/``.
    models, stimuli, subjects, rois : sequence, optional
        Only these.
    overwrite : bool
        Write again what is already there.
    on_start, on_end : callable
        Called with each `CopiedResponses` before and after.

    Returns
    -------
    list of CopiedResponses

    Raises
    ------
    InputValueError
        When `source` is a braincodec store already.
    UnknownNameError
        When a model, stimulus set, subject or region is not among the responses.
    OutputError
        When `target` cannot be written; what was finished before stays.

    Examples
    --------
    >>> responses_from_ned("no/such/folder", "store")
    Traceback (most recent call last):
    braincodec.errors.MissingFileError: store folder not found: no/such/folder; ...
    """
    store = source if isinstance(source, Store) else open_store(source)
    if not isinstance(store, LegacyStore):
        raise InputValueError(f"{store.address} is a braincodec store already; give a folder of NED, NEST or BERG")
    sets = chosen_sets(store, models=models, stimuli=stimuli, subjects=subjects, rois=rois)
    return copy_sets(sets, lambda one: _copy(store, one, Path(target), overwrite), on_start=on_start, on_end=on_end)


def _copy(store: LegacyStore, one: ResponseSet, target: Path, overwrite: bool) -> CopiedResponses:
    folder = target / set_folder(one.model, one.stimuli)
    path = folder / group_name(one.subject, one.roi)
    if path.exists() and not overwrite:
        return CopiedResponses(one, "kept", files=(path,))
    which = {"stimuli": one.stimuli, "subject": one.subject, "roi": one.roi}
    responses = store.responses(one.model, **which)  # type: ignore[arg-type]
    about = store.response_description(one.model, **which)  # type: ignore[arg-type]
    _write(Path(description_name(str(path))), description_content(about))
    _write_labels(store, one, folder)
    write_responses(responses, path, overwrite=overwrite)
    return CopiedResponses(one, "written", files=(path,), nbytes=responses.nbytes)


def _write_labels(store: LegacyStore, one: ResponseSet, folder: Path) -> None:
    """Published labels, and where the images lie."""
    images = Path(store.folder.join(images_place(store.folder, one.stimuli)))
    if images.is_dir():
        brick = images / "nsd_stimuli.hdf5"
        _write(folder / RECORD, record_content(str(brick if brick.is_file() else images)))
    try:
        metadata = store.response_metadata(one.model, stimuli=one.stimuli, subject=one.subject, roi=one.roi)
    except MissingFileError:
        return
    labels = {key: metadata[key] for key in LABELS_OF.values() if key in metadata}
    if labels:
        _write(folder / LABELS, labels_to_bytes(labels))


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_bytes(content)

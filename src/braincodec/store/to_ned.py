"""A store's models written in NED's published layout."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from braincodec.artefact import CONFIG, read_artefact
from braincodec.errors import BraincodecError, InputValueError, OutputError, UnknownNameError
from braincodec.folder import LocalFolder, open_folder
from braincodec.legacy.convert import Conversion
from braincodec.legacy.families import METADATA
from braincodec.legacy.ned_weights import NoNedFormError
from braincodec.legacy.to_ned import ned_files, write_ned
from braincodec.models.base import Encoder
from braincodec.store.base import Store
from braincodec.store.native_store import NativeStore
from braincodec.store.open import open_store
from braincodec.subjects import Subject, plain_subject


def store_to_ned(
    source: str | Path | Store,
    target: str | Path,
    *,
    models: Sequence[str] | None = None,
    subjects: Sequence[Subject] | None = None,
    rois: Sequence[str] | None = None,
    overwrite: bool = False,
    on_start: Callable[[Conversion], None] = lambda _: None,
    on_end: Callable[[Conversion], None] = lambda _: None,
) -> list[Conversion]:
    """Write the models of a braincodec store in NED's published layout.

    Models over voxels become NED's fwRF files, one a region; linear models over vit_b_32 become NED's EEG files or
    BERG's files of the cortical surface. A model that has no such form is skipped, with the reason. Files that an
    earlier run finished are kept.

    Parameters
    ----------
    source : str, Path or Store
        A braincodec store, or the folder of one artefact.
    target : str or Path
        The folder; files are written below ``<target>/encoding_models/``.
    models, subjects, rois : sequence, optional
        Only these; regions restrict models that were fitted one a region.
    overwrite : bool
        Write again what is already there.
    on_start, on_end : callable
        Called with each `Conversion` before and after.

    Returns
    -------
    list of Conversion
        One for each model of the store.

    Raises
    ------
    InputValueError
        When `source` is no braincodec store.
    UnknownNameError
        When a model or subject is not in the store.
    OutputError
        When `target` cannot be written; what was finished before stays.

    See Also
    --------
    braincodec.legacy.to_ned.ned_files : which models have a form.

    Examples
    --------
    >>> store_to_ned("no/such/store", "ned")
    Traceback (most recent call last):
    braincodec.errors.MissingFileError: store folder not found: no/such/store; ...
    """
    done = []
    for job, load in _jobs(source, models, subjects, rois):
        on_start(job)
        result = _convert(job, load, Path(target), overwrite)
        on_end(result)
        done.append(result)
    return done


def _jobs(
    source: str | Path | Store,
    models: Sequence[str] | None,
    subjects: Sequence[Subject] | None,
    rois: Sequence[str] | None,
) -> Iterator[tuple[Conversion, Callable[[], Encoder]]]:
    if not isinstance(source, Store):
        folder = open_folder(source)
        if isinstance(folder, LocalFolder) and folder.is_file(CONFIG):
            about = read_artefact(source).config.description
            yield Conversion(about.model, about.subject, about.roi), lambda: read_artefact(source).encoder()
            return
    store = source if isinstance(source, Store) else open_store(source)
    if not isinstance(store, NativeStore):
        raise InputValueError(f"{store.address} has NED's layout already; give a braincodec store or an artefact")
    entries = {entry.id: entry for entry in store.entries()}
    _check("model", models, list(entries), store)
    chosen = [entry for name, entry in entries.items() if models is None or name in models]
    wanted = None if subjects is None else [plain_subject(one) for one in subjects]
    _check("subject", wanted, list(dict.fromkeys(one for entry in chosen for one in entry.subjects)), store)
    for entry in chosen:
        for subject in entry.subjects:
            for roi in entry.rois_of_subject[subject] if entry.one_model_a_roi else (None,):
                if (wanted is None or subject in wanted) and (rois is None or roi is None or roi in rois):
                    yield (
                        Conversion(entry.id, subject, roi),
                        lambda place=(entry.id, subject, roi): store.encoder(*place),  # type: ignore[misc]
                    )


def _check(what: str, asked: Sequence[Subject] | None, choices: Sequence[Subject], store: Store) -> None:
    for name in asked or ():
        if name not in choices:
            raise UnknownNameError(what, name, choices, where=f"in {store.address}")


def _convert(job: Conversion, load: Callable[[], Encoder], target: Path, overwrite: bool) -> Conversion:
    started = time.monotonic()
    try:
        encoder = load()
        files = ned_files(encoder)
        present = all((target / file.name).exists() for file in files)
        if not present or overwrite:
            write_ned(encoder, target, overwrite=overwrite)
    except NoNedFormError as error:
        return replace(job, outcome="skipped", reason=str(error))
    except OutputError:
        raise
    except BraincodecError as error:
        return replace(job, outcome="failed", reason=str(error))
    lacking = "" if any(METADATA in file.name for file in files) else "no metadata file: its units have no position"
    first = target / files[0].name
    return replace(
        job,
        outcome="kept" if present and not overwrite else "converted",
        reason=lacking,
        artefact=first.parent.parent,
        seconds=time.monotonic() - started,
    )

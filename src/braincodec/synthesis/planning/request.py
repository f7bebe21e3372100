"""What a synthesis is asked for: models, subjects, regions and stimuli, checked before anything is loaded."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.stimuli import StimulusSet
from braincodec.store.base import Store
from braincodec.store.native_store import RESPONSES, ROI, STIMULI
from braincodec.store.open import open_store
from braincodec.subjects import ALL, Subject, plain_subject, sorted_subjects, subject_folder
from braincodec.synthesis.plan import Request
from braincodec.synthesis.storage.stored_plan import ids_hash

if TYPE_CHECKING:
    from braincodec.store.base import ModelEntry

DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("float32", "bfloat16", "float16")
STORED_DTYPES = ("float32", "float16")
LAYOUTS = ("default", "fast")
ON_BAD = ("mark", "raise")
# threads of a worker beside a GPU: they resize images, and feed it
THREADS_BESIDE_GPU = 4


@dataclass(frozen=True)
class Target:
    """One array that is asked for.

    Parameters
    ----------
    model, subject, roi
        `roi` is None for all units of a model.
    split : bool
        Whether the model has weights of its own for each region.
    """

    model: str
    subject: Subject
    roi: str | None
    split: bool

    def place(self, stimuli: str) -> str:
        """Name of its group below the store.

        Examples
        --------
        >>> Target("fmri-nsd-fwrf", 1, "V1", True).place("things")
        'generated_responses/fmri-nsd-fwrf/stimuli-things/subject-01_roi-V1.zarr'
        """
        region = f"_{ROI}{self.roi}" if self.roi is not None else ""
        return f"{RESPONSES}/{self.model}/{STIMULI}{stimuli}/{subject_folder(self.subject)}{region}.zarr"


@dataclass(frozen=True)
class Choice:
    """The arrays of a request, in order, and words on what it leaves out."""

    targets: tuple[Target, ...]
    left_out: tuple[str, ...] = ()


def as_store(store: Store | str | Path | Any) -> Store:
    """The store of models, opened where its place is given."""
    if isinstance(store, Store):
        return store
    if not isinstance(store, str | Path):
        raise InputTypeError(f"models are found in a store, its path or its address, got {type(store).__name__}")
    return open_store(store)


def where_models_are(store: Store) -> tuple[str, dict[str, Any]]:
    """Address of a store as other processes open it, and the options for that."""
    options = dict(getattr(store.folder, "options", {}))
    if "://" not in store.address:
        return str(Path(store.address).absolute()), options
    from braincodec.file_cache import CachedFolder

    if isinstance(store.folder, CachedFolder):
        options["offline"] = True
    return store.address, options


def choose_models(store: Store, models: str | Sequence[str]) -> tuple[ModelEntry, ...]:
    """Models by identifier, comma list, wild card or ``"all"``, sorted, each once.

    Raises
    ------
    UnknownNameError
        With the models of the store, for a name or a wild card that fits none.
    """
    entries = {entry.id: entry for entry in store.entries()}
    asked = models.split(",") if isinstance(models, str) else models
    if not isinstance(asked, Iterable) or not all(isinstance(one, str) for one in asked):
        raise InputTypeError(f"models are identifiers, wild cards such as 'fmri-*', or 'all'; got {models!r}")
    chosen: set[str] = set()
    for pattern in (one.strip() for one in asked):
        exact = {pattern} & set(entries)
        found = exact or set(entries if pattern == ALL else fnmatch.filter(entries, pattern))
        if not found:
            raise UnknownNameError("model", pattern, sorted(entries), where=f"in {store.address}")
        chosen |= found
    if not chosen:
        raise InputValueError("no model is asked for; name one, several, or 'all'")
    return tuple(entries[name] for name in sorted(chosen))


def choose_targets(store: Store, request: Request) -> Choice:
    """The arrays that a request asks for, in the order of models, subjects and regions.

    Raises
    ------
    UnknownNameError
        Naming the subject that a model lacks, or the region that a subject lacks, and what there is, unless such are
        left out.
    InputValueError
        When regions are asked of a model without any, or nothing is left.
    """
    targets: list[Target] = []
    left_out: list[str] = []
    for entry in (store.entry(model) for model in request.models):
        for subject in request.subjects if request.subjects is not None else entry.subjects:
            found, without = _of_subject(store, entry, subject, request)
            targets += found
            left_out += without
    if not targets:
        raise InputValueError(f"nothing is left to synthesize: {'; '.join(left_out)}")
    return Choice(tuple(targets), tuple(left_out))


def _of_subject(store: Store, entry: ModelEntry, subject: Subject, request: Request) -> tuple[list[Target], list[str]]:
    hint = "or leave out what is missing (--skip-missing, skip_missing=True)"
    if subject not in entry.rois_of_subject:
        if request.skip_missing:
            return [], [f"{entry.id} has no subject {subject}"]
        raise UnknownNameError("subject", subject, entry.subjects, f"of {entry.id} in {store.address}", hint)
    split, wanted = entry.one_model_a_roi, request.rois
    if wanted is None:
        regions: Sequence[str | None] = entry.rois_of_subject[subject] if split else (None,)
        return [Target(entry.id, subject, roi, split) for roi in regions], []
    known = store.rois_of(entry.id, subject)
    missing = [roi for roi in wanted if roi not in known]
    if missing and not request.skip_missing:
        if not known:
            raise InputValueError(
                f"{entry.id} subject {subject} has no regions, so {missing[0]!r} cannot be taken: take all rois, {hint}"
            )
        raise UnknownNameError("roi", missing[0], known, f"of {entry.id} subject {subject}", hint)
    words = [f"{entry.id} subject {subject} has no {', '.join(missing)}"] if missing else []
    return [Target(entry.id, subject, roi, split) for roi in wanted if roi in known], words


def make_request(
    store: Store,
    models: str | Sequence[str],
    stimuli: StimulusSet,
    name: str,
    *,
    subjects: Any = ALL,
    rois: Any = ALL,
    device: str = "auto",
    threads: int | None = None,
    is_local: bool = True,
    **settings: Any,
) -> Request:
    """The request that arguments of `synthesize` make up, with every default filled in.

    Parameters
    ----------
    store, models, stimuli, name, subjects, rois, device, threads
        As of `synthesize`.
    is_local : bool
        Whether the workers run on this machine: its devices are theirs then.
    **settings
        The other fields of `Request`.

    Raises
    ------
    UnknownNameError, InputTypeError, InputValueError
    """
    for field, choices in {
        "dtype": DTYPES,
        "stored_dtype": STORED_DTYPES,
        "layout": LAYOUTS,
        "on_bad": ON_BAD,
    }.items():
        if field in settings and settings[field] not in choices:
            raise UnknownNameError(field, settings[field], choices)
    place = _device(device, is_local)
    for field in ("tile", "block"):
        check_count(field, settings.get(field))
    check_count("threads", threads)
    tile, block = settings.get("tile"), settings.get("block")
    if tile and block and block % tile:
        raise InputValueError(
            f"a block of {block:,} stimuli is not made of whole tiles of {tile:,}: take a block of "
            f"{max(1, round(block / tile)) * tile:,}, or another tile"
        )
    return Request.parse(
        {
            "models": tuple(entry.id for entry in choose_models(store, models)),
            "subjects": _subjects(subjects),
            "rois": _rois(rois),
            "stimuli": name,
            "count": len(stimuli),
            "ids": ids_hash(stimuli.ids),
            "fingerprint": stimuli.fingerprint(),
            "device": place,
            "threads": threads or (THREADS_BESIDE_GPU if place == "cuda" else 1),
            **settings,
        }
    )


def given_again(request: Request, settings: Mapping[str, Any]) -> Request:
    """A request with those settings of a later call that say something, and how it takes bad stimuli.

    Parameters
    ----------
    request : Request
    settings : mapping
        What `make_request` takes; the defaults say nothing.
    """
    changes = {
        "subjects": _subjects(settings.get("subjects", ALL)),
        "rois": _rois(settings.get("rois", ALL)),
        "device": None if settings.get("device", "auto") == "auto" else settings["device"],
    }
    plain = ("threads", "tile", "block", "dtype", "stored_dtype", "layout", "skip_missing")
    changes |= {name: settings.get(name) for name in plain}
    nothing = {"dtype": "float32", "stored_dtype": "float32", "layout": "default", "skip_missing": False}
    said = {name: value for name, value in changes.items() if value is not None and value != nothing.get(name)}
    return Request.parse(request.model_dump() | said | {"on_bad": settings.get("on_bad", request.on_bad)})


def check_count(name: str, value: object) -> None:
    """Raise unless `value` is None or a whole number from 1."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputTypeError(f"{name} is {value!r}; expected a whole number")
    if value < 1:
        raise InputValueError(f"{name} is {value}; expected 1 or more")


def _device(name: str, is_local: bool) -> str:
    if str(name).startswith("cuda:"):
        raise InputValueError(
            f"device {name!r}: each worker takes a GPU of its own, so say 'cuda'; CUDA_VISIBLE_DEVICES says which"
        )
    if name not in DEVICES:
        raise UnknownNameError("device", name, DEVICES)
    if not is_local:
        return "cpu" if name == "auto" else str(name)
    from braincodec.device import resolve_device

    return str(resolve_device(name).type)


def _subjects(subjects: Any) -> tuple[Subject, ...] | None:
    if isinstance(subjects, str) and subjects == ALL:
        return None
    asked = [subjects] if isinstance(subjects, str) or not isinstance(subjects, Iterable) else list(subjects)
    if not asked:
        raise InputTypeError("no subject is asked for; give a number or name, a list of them, or 'all'")
    return tuple(sorted_subjects({plain_subject(one) for one in asked}))


def _rois(rois: Any) -> tuple[str, ...] | None:
    if rois is None or (isinstance(rois, str) and rois == ALL):
        return None
    asked = [rois] if isinstance(rois, str) else list(rois) if isinstance(rois, Iterable) else []
    if not asked or not all(isinstance(one, str) for one in asked):
        raise InputTypeError(f"rois must be a name, a list of names or 'all', got {rois!r}")
    return tuple(dict.fromkeys(asked))

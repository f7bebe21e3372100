"""The models of a store as somebody chooses among them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from braincodec.artefact import CONFIG, UNITS, WEIGHTS
from braincodec.errors import BraincodecError, InputValueError
from braincodec.extras import require_optional
from braincodec.folder import LocalFolder
from braincodec.models.base import MODELS
from braincodec.store.native_store import NativeStore
from braincodec.viz.vertices import SPACES

if TYPE_CHECKING:
    from braincodec.store import Store
    from braincodec.store.base import ModelEntry
    from braincodec.subjects import Subject

Direction = Literal["encode", "decode", "both"]
PACKAGE_OF_SCHEME = {
    "torchvision": "torchvision",
    "swav": "torchvision",
    "timm": "timm",
    "open_clip": "open_clip",
    "efficientnet_lite": "efficientnet_lite_pytorch",
}


@dataclass(frozen=True)
class ModelChoice:
    """One model, and what somebody wants to know before choosing it.

    Attributes
    ----------
    id, title : str
    modality : str
        ``"fmri"``, ``"eeg"``, ...
    direction : {"encode", "decode", "both"}
    subjects : list of int or str
    rois_of_subject : dict of int or str to tuple of str
    simulated : bool
        Whether its subjects never existed.
    licence, citation, notes : str
    accuracy : float or None
        Median noise-normalised accuracy (else correlation) of the first subject, where it was measured.
    has_cortex : bool
        Whether its units are known to lie on fsaverage or fsaverage5.
    dataset : str
    problem : str
        Why it cannot be opened on this machine; empty where nothing is known to be in the way.
    """

    id: str
    title: str
    modality: str
    direction: Direction
    subjects: list[Subject]
    rois_of_subject: dict[Subject, tuple[str, ...]]
    simulated: bool = False
    licence: str = ""
    citation: str = ""
    notes: str = ""
    accuracy: float | None = None
    has_cortex: bool = False
    dataset: str = ""
    problem: str = ""

    @property
    def rois(self) -> list[str]:
        """Regions of any subject, in the order first found."""
        return list(dict.fromkeys(roi for rois in self.rois_of_subject.values() for roi in rois))


def model_choices(store: Store) -> list[ModelChoice]:
    """The models of a store, those that cannot be opened included.

    Raises
    ------
    InputValueError
        When it has none.
    """
    found = [model_choice(store, entry) for entry in store.entries()]
    if not found:
        raise InputValueError(
            f"{store.address} holds no models, so there is nothing to explore; 'braincodec demo' makes some to try, "
            "and --store names the folder or address of others (of braincodec, NED, NEST or BERG)"
        )
    return found


def model_choice(store: Store, entry: ModelEntry) -> ModelChoice:
    """One of them."""
    native = isinstance(store, NativeStore)
    direction: Direction = "encode"
    problem = ""
    try:
        if native:
            direction = "both" if hasattr(MODELS.get(entry.kind), "decode") else "encode"
            _check_artefact(store, entry)
    except (BraincodecError, ValueError, KeyError, TypeError, OSError) as error:
        problem = str(error) or type(error).__name__
    return ModelChoice(
        id=entry.id,
        title=f"{entry.id} (simulated)" if entry.simulated else entry.id,
        modality=entry.modality,
        direction=direction,
        subjects=entry.subjects,
        rois_of_subject=dict(entry.rois_of_subject),
        simulated=entry.simulated,
        licence=entry.licence,
        citation=entry.citation,
        notes=entry.notes,
        accuracy=entry.accuracy,
        has_cortex=not problem and _has_cortex(store, entry),
        dataset=entry.dataset,
        problem=problem,
    )


def _check_artefact(store: Store, entry: ModelEntry) -> None:
    """Raise when a package or the weights of the first subject are missing; opens neither."""
    config: dict[str, Any] = json.loads(_first_file(store, entry, CONFIG).read_text(encoding="utf-8"))
    backbone = config.get("model", {}).get("features", {}).get("backbone", "")
    package = PACKAGE_OF_SCHEME.get(str(backbone).partition(":")[0])
    if package is not None:
        require_optional(package, f"the model {entry.id}")
    if isinstance(store.folder, LocalFolder):
        _first_file(store, entry, WEIGHTS)


def _has_cortex(store: Store, entry: ModelEntry) -> bool:
    if not isinstance(store, NativeStore):
        return any(space in entry.id for space in SPACES)
    if not isinstance(store.folder, LocalFolder):
        return False  # it would have to be fetched
    import h5py

    try:
        with h5py.File(_first_file(store, entry, UNITS)) as file:
            return _text(file.attrs.get("space", "")) in SPACES
    except (BraincodecError, OSError):
        return False


def _first_file(store: Store, entry: ModelEntry, name: str) -> Any:
    """Path of a file of the first subject's artefact."""
    assert isinstance(store, NativeStore)
    subject = entry.subjects[0]
    place = store.place(entry.id, subject, entry.rois_of_subject[subject][0] if entry.one_model_a_roi else None)
    return store.folder.local(f"{place}/{name}", "file of an artefact", "fetch or save the model again")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

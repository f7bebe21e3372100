"""The models of a store as somebody chooses among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from braincodec.errors import BraincodecError, InputValueError
from braincodec.models.base import MODELS

if TYPE_CHECKING:
    from braincodec.store import Store
    from braincodec.store.base import ModelEntry
    from braincodec.subjects import Subject

Direction = Literal["encode", "decode", "both"]


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
        Median noise-normalised accuracy (else correlation) of the first subject.
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
    problem: str = ""
    details: dict[str, str] = field(default_factory=dict)

    @property
    def rois(self) -> list[str]:
        """Regions of any subject, in the order first found."""
        return list(dict.fromkeys(roi for rois in self.rois_of_subject.values() for roi in rois))


def model_choices(store: Store) -> list[ModelChoice]:
    """The models of a store.

    Raises
    ------
    InputValueError
        When it has none.
    """
    found = [_choice(entry) for entry in store.entries()]
    if not found:
        raise InputValueError(
            f"{store.address} holds no models, so there is nothing to explore; 'braincodec demo' makes some to try, "
            "and --store names the folder or address of others (of braincodec, NED, NEST or BERG)"
        )
    return found


def _choice(entry: ModelEntry) -> ModelChoice:
    direction: Direction = "encode"
    problem = ""
    try:
        if hasattr(MODELS.get(entry.kind), "decode"):
            direction = "both"
    except BraincodecError as error:
        problem = str(error)
    except Exception:  # noqa: BLE001  published families are kinds of their own, read by the store
        problem = ""
    return ModelChoice(
        id=entry.id,
        title=f"{entry.id}{' (simulated)' if entry.simulated else ''}",
        modality=entry.modality,
        direction=direction,
        subjects=entry.subjects,
        rois_of_subject=dict(entry.rois_of_subject),
        simulated=entry.simulated,
        licence=entry.licence,
        citation=entry.citation,
        notes=entry.notes,
        accuracy=entry.accuracy,
        problem=problem,
    )

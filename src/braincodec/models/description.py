"""Who a trained model is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from braincodec.config import Config
from braincodec.responses.checks import ResponseUnits
from braincodec.subjects import Subject, check_subject_name


class ModelDescription(Config):
    """Who a trained model is: stored in its artefact and shown on its card.

    Attributes
    ----------
    model : str
        Identifier such as ``"fmri-nsd-fwrf"``.
    modality, dataset : str
    subject : int or str
        Number, or name, such as ``"210224"`` or ``"monkey-A"``.
    roi : str, optional
        Region, for models fitted one per region.
    response_units : str
        Whether responses are z-scored within a session or in original units.
    accuracy : float, optional
        Median over units of the noise-normalised accuracy (else of the correlation), where it was measured.
    simulated : bool
        True for subjects that never existed.
    training : dict
        Split ids, software versions, whatever tells how the model was made.
    """

    model: str
    modality: str
    dataset: str
    subject: Annotated[Subject, AfterValidator(check_subject_name)] = 1
    roi: str | None = None
    response_units: ResponseUnits = "unknown"
    simulated: bool = False
    accuracy: float | None = None
    licence: str = ""
    citation: str = ""
    notes: str = ""
    seed: int | None = None
    training: dict[str, Any] = Field(default_factory=dict)

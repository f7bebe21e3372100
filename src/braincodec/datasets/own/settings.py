"""Settings of one's own data set: given as options, or kept beside the data in `dataset.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from braincodec.config import Config
from braincodec.errors import DamagedFileError
from braincodec.responses.checks import ResponseUnits

FILE = "dataset.json"
DIMENSIONS = ("trial", "repetition", "unit", "channel", "time")
SYNONYMS = {"stimulus": "trial", "image": "trial", "row": "trial", "voxel": "unit", "vertex": "unit", "neuron": "unit"}
NOT_STATED = "not stated"
FRACTION_TOLERANCE = 1e-9


class OwnSettings(Config):
    """What can be said of one's own data set in words and numbers.

    Parameters
    ----------
    title : str
        What the data set is called in models and reports: letters, digits, ``-``, ``_`` and ``.``.
    modality, species, licence, citation : str
        An empty modality is guessed from the files.
    columns : mapping of role to column
        Where the table's columns are called otherwise: ``{"stimulus": "pic"}``.
    layout : str
        Dimensions of response arrays in their order, such as ``"unit,trial"`` or ``"trial,channel,time"``; found from
        the number of dimensions where it is empty.
    channels : tuple of str
        Of arrays with the dimension channel.
    times : tuple of float
        Seconds from stimulus onset, of arrays with the dimension time.
    response_units : str
    space : {"fsaverage", "fsaverage5"}
        Surface that the column ``vertex`` of the units numbers; maps on the cortex need it.
    simulated : bool
        The subjects never existed; models and reports then say so.
    standardise : {"none", "session"}
        "session": z-scores within each session, by mean and standard deviation over its training trials.
    fractions : (train, validation, test)
        Of a random split.
    seed : int
        Of a random split.
    near_copies : bool
        Whether a random split keeps near copies of an image together, for which every image is read.

    Examples
    --------
    >>> OwnSettings.parse({"layout": "neuron, image"}).layout
    ('unit', 'trial')
    >>> OwnSettings.parse({"standardize": "session"})
    Traceback (most recent call last):
    braincodec.errors.InputValueError: data set 'own': unknown key 'standardize' (did you mean 'standardise'?); ...
    """

    shown_as: ClassVar[str] = "data set 'own'"

    title: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "own"
    modality: str = ""
    species: str = NOT_STATED
    licence: str = NOT_STATED
    citation: str = NOT_STATED
    columns: dict[str, str] = Field(default_factory=dict)
    layout: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    times: tuple[float, ...] = ()
    response_units: ResponseUnits | None = None
    space: Literal["fsaverage", "fsaverage5"] | None = None
    simulated: bool = False
    standardise: Literal["none", "session"] = "none"
    fractions: tuple[float, float, float] = (0.8, 0.0, 0.2)
    seed: int = 0
    near_copies: bool = True

    @field_validator("layout", mode="before")
    @classmethod
    def _known_dimensions(cls, value: Any) -> Any:
        names = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else list(value)
        names = [SYNONYMS.get(name, name) for name in names]
        wrong = [name for name in names if name not in DIMENSIONS]
        if wrong or len(set(names)) != len(names):
            raise ValueError(f"dimensions are {', '.join(DIMENSIONS)}, each once; not {', '.join(names)}")
        if names and ("trial" not in names or ("unit" in names) == ("channel" in names and "time" in names)):
            raise ValueError("a layout needs trial, and either unit or channel and time")
        return tuple(names)

    @field_validator("fractions", "times", "channels", mode="before")
    @classmethod
    def _of_text(cls, value: Any) -> Any:
        # as a command line gives them: 0.8,0.1,0.1
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("columns", mode="before")
    @classmethod
    def _of_pairs(cls, value: Any) -> Any:
        # stimulus=pic,subject=who
        return dict(pair.strip().partition("=")[::2] for pair in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _shares_leave_something(self) -> OwnSettings:
        train, validation, test = self.fractions
        if min(train, test) <= 0 or validation < 0 or sum(self.fractions) > 1 + FRACTION_TOLERANCE:
            raise ValueError(
                f"fractions (train, validation, test) must be positive and at most 1, not {self.fractions}"
            )
        return self


def read_settings(path: Path) -> dict[str, Any]:
    """What `dataset.json` holds; nothing where there is no such file.

    Raises
    ------
    DamagedFileError
        When it is no JSON object.
    """
    if not path.is_file():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedFileError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(held, dict):
        raise DamagedFileError(f"{path} holds a {type(held).__name__}; expected an object of settings")
    return held

"""Who made generated responses: a small file beside each group, so that a store without models tells it too."""

from __future__ import annotations

import json

from braincodec.errors import DamagedFileError, InputValueError
from braincodec.models.description import ModelDescription

FORMAT = 1
GROUP_SUFFIX, SUFFIX = ".zarr", ".json"


def description_name(group: str) -> str:
    """Name of the file that belongs to a group.

    Examples
    --------
    >>> description_name("generated_responses/m/stimuli-nsd/subject-01_roi-V1.zarr")
    'generated_responses/m/stimuli-nsd/subject-01_roi-V1.json'
    """
    return group.removesuffix(GROUP_SUFFIX) + SUFFIX


def description_content(about: ModelDescription) -> bytes:
    """Content of the file.

    Examples
    --------
    >>> about = ModelDescription(model="fmri-nsd-fwrf", modality="fmri", dataset="nsd", subject=1)
    >>> read_description(description_content(about), "subject-01.json") == about
    True
    """
    content = {"format": FORMAT, "model": about.model_dump(mode="json")}
    return json.dumps(content, ensure_ascii=False).encode()


def read_description(content: bytes, where: str) -> ModelDescription:
    """The model that a file describes.

    Raises
    ------
    DamagedFileError
        When it is no such file, or of a version that this one does not know.
    """
    try:
        found = json.loads(content)
        version, about = found["format"], found["model"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{where} does not describe a model: {error}") from error
    if version != FORMAT:
        raise DamagedFileError(f"{where} has format {version}, this version of braincodec reads {FORMAT}")
    try:
        return ModelDescription.parse(about)
    except InputValueError as error:
        raise DamagedFileError(f"{where} does not describe a model: {error}") from error

"""What a recording says of itself, or else what its data set declares."""

from __future__ import annotations

from braincodec.datasets.base import DATASETS, Recording


def fact_of(recording: Recording, name: str) -> str:
    """A fact such as "licence" or "citation"; empty where nobody states it.

    What the recording's units say counts before what its data set declares: a data set may have several kinds of
    recordings, or be anybody's.
    """
    stated = recording.units.attrs.get(name)
    declared = getattr(DATASETS.get(recording.dataset), name, "") if recording.dataset in DATASETS else ""
    return str(stated or (declared if isinstance(declared, str) else ""))


def is_simulated(recording: Recording) -> bool:
    """Whether the subject never existed."""
    stated = recording.units.attrs.get("simulated") or recording.responses.attrs.get("simulated")
    return bool(stated) or recording.dataset == "simulated"

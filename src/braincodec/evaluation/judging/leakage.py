"""The leakage check that comes with every score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from braincodec.datasets.base import Recording
from braincodec.evaluation.splits.leakage import check_leakage


def leakage_of(recordings: Sequence[Recording], method: str, part: str, seed: int, show: bool | None) -> dict[str, Any]:
    """Check each recording's split; recordings of the same stimuli and split are checked once.

    Parameters
    ----------
    recordings : sequence of Recording
    method : {"hash", "features", "off"}
    part : str
        The stimuli that are judged.
    seed : int
    show : bool, optional
        A progress bar.

    Returns
    -------
    dict
        As `LeakageCheck.to_dict`: of the first subject, or of the first whose check failed. With several subjects
        ``passed`` and ``summary`` are about all of them, and ``subjects`` has each one's.
    """
    if method == "off":
        return _unchecked("Not checked, because leakage='off' was asked for.")
    if part == "train":
        return _unchecked("The stimuli that are judged are the training stimuli themselves.")
    found: dict[str, dict[str, Any]] = {}
    known: dict[tuple[Any, ...], dict[str, Any]] = {}
    for recording in recordings:
        split = recording.split
        fitted = {"train": split.train, "validation": split.validation if part == "test" else ()}
        key = (recording.stimuli.fingerprint(), *fitted.values(), split.ids(part))
        if key not in known:
            known[key] = _check(recording, {**fitted, "test": split.ids(part)}, method, seed, show)
        found[recording.subject] = known[key]
    if len(known) == 1:
        return next(iter(known.values()))
    first = next((check for check in found.values() if check["passed"] is False), next(iter(found.values())))
    results = [check["passed"] for check in found.values()]
    return first | {
        "passed": False if False in results else None if None in results else True,
        "summary": " ".join(f"Subject {name}: {check['summary']}" for name, check in found.items()),
        "subjects": found,
    }


def _check(
    recording: Recording, parts: dict[str, tuple[str, ...]], method: str, seed: int, show: bool | None
) -> dict[str, Any]:
    if not parts["train"] or not parts["test"]:
        return _unchecked("There are no training stimuli to compare with.")
    check = check_leakage(recording.stimuli, parts, method=method, seed=seed, progress=show)  # type: ignore[arg-type]
    return check.to_dict()


def _unchecked(summary: str) -> dict[str, Any]:
    return {"method": "off", "passed": None, "summary": summary}

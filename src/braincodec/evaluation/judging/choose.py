"""Which metrics are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from braincodec.errors import BraincodecError, InputValueError, UnknownNameError
from braincodec.evaluation.metric import METRICS

# computed from more than predictions: only where asked for by name, and then said to be impossible
OTHER_INPUT = {"variance_partition": "needs the predictions of each feature space: call variance_partition with them"}
WILD_CARDS = "*?["


def choose_metrics(asked: str | Sequence[str] | None, direction: str) -> tuple[list[str], dict[str, str]]:
    """Names of metrics for one direction, and why some of those that were meant cannot be had.

    Parameters
    ----------
    asked : str, sequence of str or None
        Names or patterns such as ``"two_way_*"``; None is every metric of that direction.
    direction : {"encoding", "decoding", "both"}

    Returns
    -------
    names : list of str
    skipped : dict of str to str

    Raises
    ------
    UnknownNameError
        When a name or pattern is none of the registered ones.
    InputValueError
        When a named metric is of the other direction, or none is named.

    Examples
    --------
    >>> choose_metrics("correlation", "encoding")
    (['correlation'], {})
    """
    names: dict[str, None] = {}
    skipped: dict[str, str] = {}
    patterns = ["*"] if asked is None else [asked] if isinstance(asked, str) else list(asked)
    if not patterns:
        raise InputValueError(f"metrics is empty; leave it out for every metric of {direction}")
    for pattern in patterns:
        found = METRICS.names(pattern)
        if not found:
            raise UnknownNameError("metric", pattern, METRICS.names())
        by_name = not any(character in pattern for character in WILD_CARDS)
        for name in found:
            _add(name, direction, by_name, names, skipped)
    if not names and not skipped:
        raise InputValueError(f"no metric of {direction} is among {', '.join(map(repr, patterns))}")
    return list(names), skipped


def choose_by_direction(
    asked: str | Sequence[str] | None, directions: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Names of metrics for each direction in which there are any, and why some cannot be had.

    Parameters
    ----------
    asked : str, sequence of str or None
        As of `choose_metrics`; of two directions a name of either will do.
    directions : sequence of str
        ``"encoding"``, ``"decoding"`` or both.

    Raises
    ------
    UnknownNameError, InputValueError
        As `choose_metrics`.

    Examples
    --------
    >>> choose_by_direction(["correlation", "mse"], ["encoding", "decoding"])
    ({'encoding': ['correlation'], 'decoding': ['mse']}, {})
    """
    if len(directions) == 1:
        names, skipped = choose_metrics(asked, directions[0])
        return {directions[0]: names}, skipped
    names, skipped = choose_metrics(asked, "both")
    found = {
        direction: [name for name in names if definition_of(name).direction in (direction, "both")]
        for direction in directions
    }
    return {direction: chosen for direction, chosen in found.items() if chosen}, skipped


def _add(name: str, direction: str, by_name: bool, names: dict[str, None], skipped: dict[str, str]) -> None:
    if name in OTHER_INPUT:
        if by_name:
            skipped[name] = OTHER_INPUT[name]
        return
    try:
        of = METRICS.get(name).definition.direction
    except BraincodecError as error:  # of a third party, or in a package that is absent
        skipped[name] = str(error)
        return
    if direction == "both" or of in (direction, "both"):
        names[name] = None
    elif by_name:
        raise InputValueError(f"{name} is a metric of {of}, and these predictions are judged for {direction}")


def definition_of(name: str) -> Any:
    """The definition of a registered metric."""
    return METRICS.get(name).definition

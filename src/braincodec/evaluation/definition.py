"""What a number means: the words that the command line, the report and the documents all show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["encoding", "decoding", "both"]


@dataclass(frozen=True)
class Definition:
    """What a metric or another reported quantity is.

    Parameters
    ----------
    name : str
        The registered name.
    title : str
        For axes and table heads, such as ``"Pearson correlation"``.
    direction : {"encoding", "decoding", "both"}
    of : {"unit", "stimulus", "set"}
        What has one value each: every unit (over stimuli), every stimulus, or all stimuli together.
    text : str
        One or two sentences.
    range : (float, float)
        Lowest and highest possible value.
    chance : float or None
        Expected without any knowledge; None where there is no such level.
    better : {"higher", "lower", "neither"}
    source : str
        Where the formula comes from.

    Examples
    --------
    >>> Definition("mse", "Mean squared error", "decoding", "stimulus", "Mean of squared differences.", (0, 1), None,
    ...            "lower", "textbook").better
    'lower'
    """

    name: str
    title: str
    direction: Direction
    of: Literal["unit", "stimulus", "set"]
    text: str
    range: tuple[float, float]
    chance: float | None
    better: Literal["higher", "lower", "neither"]
    source: str


class UndefinedScoreWarning(UserWarning):
    """Some scores are NaN because what they divide by is zero: no variance, nothing to compare with."""

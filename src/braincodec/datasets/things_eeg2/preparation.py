"""How raw EEG becomes responses: every choice named, and the published ways among them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from braincodec.config import Config
from braincodec.errors import InputTypeError, UnknownNameError

FittedOn = Literal["training", "training_and_test", "none"]
PUBLISHED_SEED = 20200220
"""With which the published code chooses and shuffles repetitions."""

ROWS = ("Fp", "AF", "F", "FC", "C", "CP", "P", "PO", "O", "I")
"""Rows of electrodes in the 10-10 system, from front to back."""
TEMPORAL = {"FT": "FC", "T": "C", "TP": "CP"}  # the ends of those rows
ELECTRODE = re.compile(r"([A-Za-z]+?)(z|\d+)")


class Preparation(Config):
    """What is done to raw EEG, in this order.

    Attributes
    ----------
    highpass, lowpass : float, optional
        Hertz, of MNE's default filter.
    channels : {"all", "occipital_parietal"} or tuple of str
        "occipital_parietal": names that begin with O or P, the published choice.
    channel_order : {"anterior_to_posterior", "recorded"}
        Front to back and in each row left to right; or as in the file. Channels that are named come as they are named.
    start, end : float
        Of the epoch, seconds from stimulus onset.
    current_source_density : bool
        With the positions of the electrodes in the source data.
    sampling_rate : float
        Hertz, by MNE's resampling of epochs.
    baseline : {"mean", "zscore", "none"}
        "mean": the mean before onset is taken away, before down-sampling, as Gifford et al. (2022) do. "zscore": mean
        and deviation before onset, after down-sampling, as NED does.
    noise_normalisation : {"training", "training_and_test", "none"}
        Whitening over channels within a session. Its covariance is fitted on training trials; or on both, as
        Gifford et al. do, so that test data take part.
    covariance_over : {"time", "repetitions"}
        Covariances of each picture over its repetitions at each time, or of each trial over times; then averaged.
    standardisation : {"training", "training_and_test", "none"}
        Each channel and time to mean 0 and deviation 1 within a session; of training trials, or of both, as NED does.
    repetitions : {"recorded", "published"}
        Which repetitions of a session count (2 in training, 20 in the test), and their order: the first ones, as
        recorded; or drawn and shuffled with the published seed.

    Raises
    ------
    InputValueError
        For unknown keys, and settings that contradict each other.

    Examples
    --------
    >>> Preparation(sampling_rate=200.0).noise_normalisation
    'training'
    """

    highpass: float | None = Field(default=None, gt=0)
    lowpass: float | None = Field(default=None, gt=0)
    channels: Literal["all", "occipital_parietal"] | tuple[str, ...] = "all"
    channel_order: Literal["anterior_to_posterior", "recorded"] = "anterior_to_posterior"
    start: float = -0.1
    end: float = 0.8
    current_source_density: bool = False
    sampling_rate: float = Field(default=100.0, gt=0)
    baseline: Literal["mean", "zscore", "none"] = "mean"
    noise_normalisation: FittedOn = "training"
    covariance_over: Literal["time", "repetitions"] = "time"
    standardisation: FittedOn = "none"
    repetitions: Literal["recorded", "published"] = "recorded"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.start < self.end:
            raise ValueError(f"the epoch begins at {self.start} s and ends at {self.end} s")
        if self.baseline != "none" and self.start >= 0:
            raise ValueError(f"a baseline needs time before onset, but the epoch begins at {self.start} s")
        if self.current_source_density and self.channels != "all":
            raise ValueError("current source density needs all channels")
        if self.current_source_density and self.noise_normalisation != "none":
            raise ValueError(
                "current source density makes every channel a sum of the others, so noise cannot be normalised "
                "after it; noise_normalisation must be 'none'"
            )
        if self.highpass is not None and self.lowpass is not None and self.highpass >= self.lowpass:
            raise ValueError(f"highpass {self.highpass} Hz must be below lowpass {self.lowpass} Hz")
        return self

    def chosen_channels(self, recorded: Sequence[str]) -> list[str]:
        """Names of the channels that are kept, in their order.

        Examples
        --------
        >>> Preparation().chosen_channels(["Oz", "T8", "Fp1", "C5", "T7", "Cz"])
        ['Fp1', 'T7', 'C5', 'Cz', 'T8', 'Oz']
        """
        if isinstance(self.channels, tuple):
            for name in self.channels:
                if name not in recorded:
                    raise UnknownNameError("channel", name, recorded)
            return list(self.channels)
        names = [name for name in recorded if self.channels == "all" or name.startswith(("O", "P"))]
        return names if self.channel_order == "recorded" else anterior_to_posterior(names)

    @property
    def fits_on_test(self) -> bool:
        """Whether something is estimated from test trials."""
        return "training_and_test" in (self.noise_normalisation, self.standardisation)


def anterior_to_posterior(names: Sequence[str]) -> list[str]:
    """Electrodes of the 10-10 system from front to back, each row from left to right; others last, as they come.

    Examples
    --------
    >>> anterior_to_posterior(["O1", "PO8", "FT9", "EOG", "FCz", "POz", "PO7", "FC1"])
    ['FT9', 'FC1', 'FCz', 'PO7', 'POz', 'PO8', 'O1', 'EOG']
    """

    def place(name: str) -> tuple[int, int]:
        found = ELECTRODE.fullmatch(name)
        row = TEMPORAL.get(found[1], found[1]) if found else ""
        if found is None or row not in ROWS:
            return len(ROWS), 0
        number = 0 if found[2] == "z" else int(found[2])
        return ROWS.index(row), -number if number % 2 else number  # odd numbers are on the left

    return sorted(names, key=place)


PREPARATIONS = {
    "default": Preparation(),
    "gifford2022": Preparation(
        channels="occipital_parietal",
        channel_order="recorded",
        start=-0.2,
        noise_normalisation="training_and_test",
        repetitions="published",
    ),
    "ned": Preparation(
        highpass=0.03,
        lowpass=100.0,
        channel_order="recorded",
        end=0.6,
        current_source_density=True,
        sampling_rate=200.0,
        baseline="zscore",
        noise_normalisation="none",
        standardisation="training_and_test",
        repetitions="published",
    ),
}
"""Ours, which fits everything on training trials; that of the published preprocessed files; and that of NED's model."""


def open_preparation(given: str | Preparation | dict[str, object]) -> Preparation:
    """A preparation by its name, from its settings, or as it is.

    Examples
    --------
    >>> open_preparation("ned").end, open_preparation({"end": 1.0}).end
    (0.6, 1.0)
    """
    if isinstance(given, str):
        if given not in PREPARATIONS:
            raise UnknownNameError("preparation", given, PREPARATIONS, where="of raw THINGS-EEG2")
        return PREPARATIONS[given]
    if not isinstance(given, Preparation | dict):
        raise InputTypeError(f"preparation must be a name, settings or a Preparation, not {type(given).__name__}")
    return Preparation.parse(given)

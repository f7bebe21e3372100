"""Simulated subjects as a data set: made when asked for, with known ground truth and known noise ceilings."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
import xarray as xr

from braincodec.datasets.base import Counts, Dataset, Recording, register_dataset
from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.responses import build_responses

if TYPE_CHECKING:
    from braincodec.models.base import Encoder
    from braincodec.simulate import SimulatedSubject

Modality = Literal["fmri", "eeg"]


@register_dataset("simulated")
class Simulated(Dataset):
    """People who never existed, shown simulated stimuli; nothing here was measured.

    Parameters
    ----------
    modality : {"fmri", "eeg"}
    subjects : int
        How many.
    n : int
        Stimuli of each subject, at least 10; of every ten, eight train, one validates and one tests.
    repetitions : int
        Of each stimulus; at most 4 in EEG.
    seed : int
        Equal options give bit-identical recordings.
    backbone : {"efficientnet_lite:0", "gabor:bank"}, optional
        Default: the EfficientNet where it is installed.
    calibration : int
        How many simulated training stimuli set the scale of the responses.

    Raises
    ------
    UnknownNameError
        For another modality.
    InputTypeError, InputValueError
        When a number is not whole, or is out of range.

    See Also
    --------
    braincodec.simulate : the subjects themselves.
    """

    species, licence = "none (simulated)", "BSD-3-Clause"
    modality: str = "fmri"
    citation = "braincodec.simulate"
    expected: ClassVar[dict[str, Counts]] = {}
    how_to_get = "made by the package itself"
    split_origin = "of every ten stimuli eight train, one validates, one tests; parts share no photograph"

    def __init__(
        self,
        modality: Modality = "fmri",
        subjects: int = 1,
        n: int = 200,
        repetitions: int = 3,
        seed: int = 0,
        backbone: str | None = None,
        calibration: int = 256,
    ) -> None:
        if modality not in get_args(Modality):
            raise UnknownNameError("modality", modality, get_args(Modality), where="of simulated subjects")
        for what, value, least in (("subjects", subjects, 1), ("n", n, 10), ("repetitions", repetitions, 1)):
            if not isinstance(value, Integral):
                raise InputTypeError(f"{what} must be a whole number, not {value!r}")
            if value < least:
                raise InputValueError(f"{what} must be at least {least}, not {value}")
        self.modality = modality
        self.count, self.n, self.repetitions = subjects, n, repetitions
        self.seed, self.backbone, self.calibration = seed, backbone, calibration
        self._subjects: dict[str, SimulatedSubject] = {}

    def subjects(self) -> list[str]:
        """Numbers from ``"1"``."""
        return [str(number) for number in range(1, self.count + 1)]

    def subject(self, name: str) -> Recording:
        """One subject's recording.

        Returns
        -------
        Recording
            Responses (stimulus, repetition, unit), or (stimulus, repetition, channel, time) in EEG. `units` and the
            responses carry `ncsnr` and the known `noise_ceiling` of the mean over `repetitions`.
        """
        made = self._make(name).recording(self.n, self.repetitions)
        units = made.units.assign(noise_ceiling=self._ceiling(made.units))
        responses = build_responses(made.responses.values, made.responses["stimulus"].values, units)
        return Recording(self.name, str(name), made.stimuli, responses, units, made.split)

    def ground_truth(self, name: str) -> Encoder:
        """The encoder that made the subject's noise-free responses: no model can predict better."""
        return self._make(name).encoder()

    def _make(self, name: str) -> SimulatedSubject:
        from braincodec import simulate

        name = str(name)
        if name not in self.subjects():
            raise UnknownNameError("subject", name, self.subjects(), where="of the simulated data set")
        if name not in self._subjects:
            make = simulate.subject if self.modality == "fmri" else simulate.eeg_subject
            self._subjects[name] = make(int(name), self.seed, self.backbone, self.calibration)
        return self._subjects[name]

    def _ceiling(self, units: xr.Dataset) -> xr.DataArray:
        """Explainable part of the variance of the mean over repetitions, from the known ncsnr of one repetition."""
        gain = 1.0
        if self.modality == "eeg":
            from braincodec.simulate.eeg import REPETITION_GAINS

            gain = float(np.mean(REPETITION_GAINS[: self.repetitions]))  # responses wane, the noise does not
        signal = (gain * units["ncsnr"].astype(np.float64)) ** 2
        ceiling = signal / (signal + 1 / self.repetitions)
        shown = f"a mean of {self.repetitions} repetitions" if self.repetitions > 1 else "one repetition"
        return ceiling.assign_attrs(long_name=f"explainable part of the variance of {shown} (known, simulated)")

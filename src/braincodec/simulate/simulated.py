"""What simulated subjects of every modality have in common."""

from __future__ import annotations

import abc
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputValueError
from braincodec.responses import build_responses, coordinates_to_units

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.datasets.base import Recording
    from braincodec.models.base import Encoder
    from braincodec.stimuli import StimulusSet


class SimulatedSubject(abc.ABC):
    """A subject that never existed: a known encoder and known noise.

    Attributes
    ----------
    subject : int
    seed : int
    units : xarray.Dataset
        What each unit is, with its known signal-to-noise ratio.
    """

    def __init__(self, encoder: Encoder, seed: int) -> None:
        self._encoder = encoder
        self.seed = seed

    @property
    def subject(self) -> int:
        """Number of the subject, from 1."""
        return int(self._encoder.description.subject)

    @property
    def units(self) -> xr.Dataset:
        """What each unit is, and its known signal-to-noise ratio."""
        return self._encoder.units

    @property
    @abc.abstractmethod
    def dims(self) -> tuple[str, ...]:
        """Dimensions of `responses`."""

    @abc.abstractmethod
    def _noise(self, stimulus_id: str, repetitions: int) -> NDArray[np.float32]:
        """Noise of each repetition of one stimulus."""

    @abc.abstractmethod
    def _repeated(self, signal: xr.DataArray, repetitions: int) -> NDArray[np.float32]:
        """The noise-free signal with an axis of repetitions after that of stimuli."""

    def encoder(self) -> Encoder:
        """The ground truth: predicts the noise-free response."""
        return self._encoder

    def responses(self, stimuli: StimulusSet | Any, repetitions: int = 3, **options: Any) -> xr.DataArray:
        """Measure the subject: signal and noise.

        The noise of a stimulus depends on its id, not on what else is shown.

        Parameters
        ----------
        stimuli : StimulusSet or anything that `StimulusSet.open` takes
        repetitions : int
        **options
            As for `Encoder.encode`.

        Returns
        -------
        xarray.DataArray
            float32, dims `dims`.

        Raises
        ------
        InputValueError
            When `repetitions` is below 1 or more than the subject gives.
        """
        if repetitions < 1:
            raise InputValueError(f"repetitions must be at least 1, got {repetitions}")
        signal = self._encoder.encode(stimuli, **options)
        values = self._repeated(signal, repetitions)
        for row, stimulus_id in zip(values, signal["stimulus"].values, strict=True):
            row += self._noise(str(stimulus_id), repetitions)
        units = self.units.isel(repetition=slice(repetitions)) if "repetition" in self.units.sizes else self.units
        return build_responses(values, signal["stimulus"].values, units, simulated=True)

    def recording(self, n: int = 200, repetitions: int = 3, **options: Any) -> Recording:
        """Show the subject simulated stimuli and record everything that a model needs.

        Parameters
        ----------
        n : int
            How many stimuli; eight of ten are for training.
        repetitions : int
        **options
            As for `Encoder.encode`.

        Returns
        -------
        Recording
            Of the data set ``"simulated"``.
        """
        from braincodec.datasets.base import Recording
        from braincodec.simulate.images import split, stimuli

        images = stimuli(n, self.seed)
        responses = self.responses(images, repetitions, **options)
        units = coordinates_to_units(responses)
        return Recording("simulated", str(self.subject), images, responses, units, split(n, self.seed))


def noise_generator(seed: int, subject: int, stimulus_id: str) -> np.random.Generator:
    """Random numbers for the noise of one stimulus."""
    return np.random.default_rng([seed, subject, zlib.crc32(b"noise"), zlib.crc32(stimulus_id.encode())])

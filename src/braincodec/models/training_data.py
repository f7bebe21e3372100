"""What a model is trained on: one recording's stimuli and responses of one part, read a block of outputs at a time."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.datasets.choosing import as_recordings
from braincodec.errors import InputValueError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.datasets.base import Recording
    from braincodec.stimuli import StimulusSet

# one stimulus has no variance to explain
FEWEST_STIMULI = 2


@dataclass(frozen=True, eq=False)
class Examples:
    """Stimuli of one recording's part, and the responses to them.

    Calling it with a slice of outputs gives their responses, as the solvers of `braincodec.readouts` take them.

    Attributes
    ----------
    recording : Recording
    stimuli : StimulusSet
    responses : DataArray
        Rows are `stimuli`; may be lazy, may have repetitions.
    """

    recording: Recording
    stimuli: StimulusSet
    responses: xr.DataArray

    @property
    def subject(self) -> str:
        """Name of the subject or session."""
        return self.recording.subject

    @property
    def units(self) -> xr.Dataset:
        """Units of the recording, without what belongs to its repetitions."""
        units = self.recording.units
        return units.drop_dims("repetition") if "repetition" in units.dims else units

    @property
    def output_dims(self) -> tuple[str, ...]:
        """``("unit",)``, or ``("channel", "time")``."""
        return tuple(str(dim) for dim in self.responses.dims if dim not in ("stimulus", "repetition"))

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Size of each of `output_dims`."""
        return tuple(self.responses.sizes[dim] for dim in self.output_dims)

    @property
    def outputs(self) -> int:
        """Units, or channels times times."""
        return math.prod(self.output_shape)

    @property
    def repetitions(self) -> int:
        """The most that a stimulus has; 1 for responses that are means already."""
        return int(self.responses.sizes.get("repetition", 1))

    @property
    def groups(self) -> NDArray[Any] | None:
        """What cross-validation must keep together, such as near copies of an image; None where nothing is known."""
        return self.responses["group"].values if "group" in self.responses.coords else None

    def block(self, outputs: slice = slice(None), repetition: int | None = None) -> NDArray[np.float32]:
        """Responses to some outputs, of one repetition or averaged over all that there are.

        Parameters
        ----------
        outputs : slice
            In C order of `output_dims`.
        repetition : int, optional
            Default: the mean over repetitions.

        Returns
        -------
        ndarray, shape (stimuli, outputs), float32
            NaN where there is no repetition.
        """
        chosen = self.responses
        if "repetition" in chosen.dims and repetition is not None:
            chosen = chosen.isel(repetition=repetition)
        if self.output_dims == ("unit",):
            chosen = chosen.isel(unit=outputs)
        values = np.asarray(chosen.values)  # (stimuli, [repetitions,] *outputs)
        if "repetition" in chosen.dims:
            values = mean_over_repetitions(values, chosen.dims.index("repetition"))
        flat = values.reshape(len(self.stimuli), -1)
        rows = flat if self.output_dims == ("unit",) else flat[:, outputs]
        return np.ascontiguousarray(rows, dtype=np.float32)

    def __call__(self, outputs: slice) -> NDArray[np.float32]:
        """`block` of some outputs."""
        return self.block(outputs)


def mean_over_repetitions(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Mean over the repetitions that there are; NaN where there is none.

    Examples
    --------
    >>> mean_over_repetitions(np.array([[1.0, 3.0, np.nan], [np.nan] * 3]), 1).tolist()
    [2.0, nan]
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means over nothing, which are NaN as they should
        mean: NDArray[Any] = np.nanmean(values, axis=axis)
    return mean


def examples_of(recording: Recording, part: str) -> Examples:
    """Examples of one part of a recording."""
    stimuli, responses = recording.part(part)
    return Examples(recording, stimuli, responses)


def training_data(data: Any) -> list[Examples]:
    """Training examples of each recording.

    Parameters
    ----------
    data : Recording, Dataset with one subject, or sequence of Recordings

    Returns
    -------
    list of Examples

    Raises
    ------
    InputTypeError, InputValueError
        When `data` is something else, a recording has fewer than two training stimuli, or one's held-out stimuli
        train another.
    """
    recordings = as_recordings(data)
    _refuse_held_out(recordings)
    for recording in recordings:
        count = len(recording.split.ids("train"))
        if count < FEWEST_STIMULI:
            raise InputValueError(
                f"{recording.dataset}, subject {recording.subject}, has {count} training "
                f"stimul{'us' if count == 1 else 'i'}; at least {FEWEST_STIMULI} are needed"
            )
    return [examples_of(recording, "train") for recording in recordings]


def _refuse_held_out(recordings: Sequence[Recording]) -> None:
    """Raise where what subjects share would be fitted on stimuli that one of them is to be tested on."""
    trained = {(one.dataset, item): one.subject for one in recordings for item in one.split.ids("train")}
    for one in recordings:
        for part in ("validation", "test"):
            seen = [item for item in one.split.ids(part) if (one.dataset, item) in trained]
            if seen:
                raise InputValueError(
                    f"{len(seen)} {part} stimuli of {one.dataset}, subject {one.subject}, train subject "
                    f"{trained[one.dataset, seen[0]]}, the first is {seen[0]!r}: a shared model would have seen them; "
                    "give the recordings one split (recording.with_split), or fit them one by one"
                )

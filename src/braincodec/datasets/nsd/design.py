"""Which image was shown in which trial, and the split that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.reading import read_matlab
from braincodec.datasets.split import Split
from braincodec.errors import DamagedFileError, InputValueError

WHAT = "design of the NSD experiment"
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Design:
    """What one subject was to see.

    Attributes
    ----------
    images : array of int, shape (trials,)
        Number of the image of each planned trial, from 0, in the order of the experiment.
    shared : array of int
        Numbers of the images that every subject sees.
    """

    images: Numbers
    shared: Numbers

    @property
    def repetitions(self) -> int:
        """How often each image is planned to be seen."""
        return int(np.unique(self.images, return_counts=True)[1].max())

    def trials_of_images(self, trials: int) -> tuple[Numbers, Numbers]:
        """Which images were seen in the first `trials`, and in which of these.

        Returns
        -------
        numbers : array, shape (stimuli,)
            Sorted.
        trial_of : array, shape (stimuli, repetitions)
            In the order of time; -1 where an image was seen less often.

        Examples
        --------
        >>> numbers, trial_of = Design(np.array([7, 3, 7, 3, 9]), np.array([7])).trials_of_images(5)
        >>> numbers.tolist(), trial_of.tolist()
        ([3, 7, 9], [[1, 3], [0, 2], [4, -1]])
        """
        numbers, place, counts = np.unique(self.images[:trials], return_inverse=True, return_counts=True)
        order = np.argsort(place, kind="stable")
        row = place[order]
        repetition = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        trial_of = np.full((len(numbers), int(counts.max())), -1, np.int64)
        trial_of[row, repetition] = order
        return numbers, trial_of

    def split(self, trials: int, first_trials: int) -> Split:
        """The split of the Neural Encoding Dataset.

        Images seen by this subject alone train. Of the shared ones, those seen as often as planned within the first
        `first_trials`, which every subject completed, test; the others validate. Images not seen in `trials` are left
        out.

        Examples
        --------
        >>> Design(np.array([7, 3, 7, 8, 3, 8]), np.array([7, 8])).split(6, first_trials=4).to_dict()
        {'train': ['nsd-00003'], 'validation': ['nsd-00008'], 'test': ['nsd-00007']}
        """
        seen = np.unique(self.images[:trials])
        early, counts = np.unique(self.images[: min(first_trials, trials)], return_counts=True)
        complete = early[counts == self.repetitions]
        shared = np.isin(seen, self.shared)
        test = shared & np.isin(seen, complete)
        parts = {"train": ~shared, "validation": shared & ~test, "test": test}
        return Split(**{part: stimulus_ids(seen[chosen]) for part, chosen in parts.items()})


def stimulus_ids(numbers: Numbers) -> tuple[str, ...]:
    """Ids of images by their numbers from 0, as in generated responses.

    Examples
    --------
    >>> stimulus_ids(np.array([0, 72_999]))
    ('nsd-00000', 'nsd-72999')
    """
    return tuple(f"nsd-{number:05d}" for number in numbers)


def read_design(path: Path, subject: int, images: int, hint: str = "") -> Design:
    """Read ``nsd_expdesign.mat``, in which everything is counted from 1.

    Parameters
    ----------
    path : Path
    subject : int
        From 1.
    images : int
        Of the whole experiment.
    hint : str
        How to get the file.

    Raises
    ------
    MissingFileError
    DamagedFileError
        When it is truncated, counts from 0, or its arrays do not belong together.
    """
    shapes = {"masterordering": (1, None), "subjectim": (None, None), "sharedix": (1, None)}
    arrays = read_matlab(path, WHAT, shapes, hint)
    order, seen_by, shared = (_whole(arrays[name], name, path) for name in shapes)
    for name, array, most in (
        ("masterordering", order, seen_by.shape[1]), ("subjectim", seen_by, images), ("sharedix", shared, images),
    ):  # fmt: skip
        if array.min() < 1 or array.max() > most:
            raise DamagedFileError(
                f"{name} in {path} runs from {array.min()} to {array.max()}; expected numbers from 1 to {most}"
            )
    if subject > len(seen_by):
        raise InputValueError(f"{path} knows {len(seen_by)} subjects; there is no subject {subject}")
    own = seen_by[subject - 1]
    # the first columns hold the shared images, in the same order for everybody
    if not np.array_equal(np.unique(own[: shared.size]), np.unique(shared)) or len(np.unique(own)) != len(own):
        raise DamagedFileError(f"subjectim and sharedix in {path} do not belong together")
    return Design(images=own[order.ravel() - 1] - 1, shared=np.sort(shared.ravel()) - 1)


def _whole(array: NDArray[np.generic], name: str, path: Path) -> Numbers:
    whole = np.asarray(array, np.float64)
    if not whole.size or not np.isfinite(whole).all() or (whole != np.floor(whole)).any():
        raise DamagedFileError(f"{name} in {path} holds other than whole numbers")
    return whole.astype(np.int64)

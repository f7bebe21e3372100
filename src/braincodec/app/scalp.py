"""Where EEG channels lie on the head."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import MissingExtraError
from braincodec.extras import import_optional
from braincodec.viz.topography import HEAD, MONTAGE

if TYPE_CHECKING:
    from numpy.typing import NDArray


# lobes by the letters before the number, in the 10-10 system
LOBES = {
    "occipital": ("O", "PO", "I"),
    "parietal": ("P", "CP"),
    "temporal": ("T", "TP", "FT"),
    "central": ("C", "FC"),
    "frontal": ("F", "AF", "FP"),
}


def scalp_positions(channels: Sequence[str]) -> NDArray[np.float64] | None:
    """Positions seen from above, nose up.

    Parameters
    ----------
    channels : sequence of str
        Names of the 10-10 system.

    Returns
    -------
    array of float64, shape (channels, 2), or None
        The head's rim is at radius 1, x to the right, y to the front; NaN for an unknown name. None where no name is
        known, or MNE is not installed.
    """
    known = _montage()
    if not any(name in known for name in channels):
        return None
    return np.array([known.get(name, (np.nan, np.nan)) for name in channels])


@functools.cache
def _montage() -> dict[str, tuple[float, float]]:
    try:
        mne = import_optional("mne", "positions of EEG channels")
    except MissingExtraError:
        return {}
    places = mne.channels.make_standard_montage(MONTAGE).get_positions()["ch_pos"]
    return {name: _from_above(place) for name, place in places.items()}


def _from_above(place: NDArray[np.float64]) -> tuple[float, float]:
    """Azimuthal equidistant: the distance from the top of the head is the angle, 90 degrees at the rim."""
    x, y, z = place / HEAD
    angle = np.arctan2(np.hypot(x, y), z) / (np.pi / 2)
    flat = np.hypot(x, y) or 1.0
    return float(angle * x / flat), float(angle * y / flat)


def channel_groups(channels: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Which channels lie over which lobe, by their names; groups that have none are left out.

    Examples
    --------
    >>> {name: group.tolist() for name, group in channel_groups(["Oz", "PO3", "Cz"]).items()}
    {'occipital': [True, True, False], 'central': [False, False, True]}
    """
    letters = [re.sub(r"(\d+|z)$", "", name).upper() for name in channels]
    groups = {lobe: np.array([one in known for one in letters], bool) for lobe, known in LOBES.items()}
    return {lobe: members for lobe, members in groups.items() if members.any()}

"""Numbers for the figures that scripts draw in the browser, packed small."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.mesh import HEMISPHERES, VERTICES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.app.predicting import Prediction, TimeCourse

LARGEST, MISSING = 32_767, -32_768
MOST_LABELS = 255


def packed(values: NDArray[np.floating]) -> dict[str, Any]:
    """Numbers as base64 of int16 and their scale; NaN has a number of its own.

    Examples
    --------
    >>> packed(np.array([2.0, -1.0, np.nan]))
    {'data': '/38AwACA', 'scale': 2.0}
    """
    known = np.isfinite(values)
    scale = float(np.abs(values[known]).max(initial=0.0)) or 1.0
    whole = np.where(known, np.rint(np.where(known, values, 0.0) / scale * LARGEST), MISSING).astype("<i2")
    return {"data": base64.b64encode(whole.tobytes()).decode(), "scale": scale}


def cortex_numbers(prediction: Prediction, roi: str | None) -> dict[str, Any] | None:
    """Values, regions and the chosen region of every vertex, for ``cortex.js``; None for what has no surface."""
    whole = prediction.on_cortex(None)
    if whole is None:
        return None
    members = {name: _members(prediction, name) for name in prediction.rois}
    # a vertex is named by the smallest of its regions: areas before the streams that hold them
    order = sorted(members, key=lambda name: -int(members[name].sum()))[:MOST_LABELS]
    labels = np.zeros((2, VERTICES), np.uint8)
    names = [name for name in prediction.rois if name in order]
    for name in order:
        labels[members[name]] = names.index(name) + 1
    numbers: dict[str, Any] = {"low": whole.low, "high": whole.high, "names": names}
    numbers |= {"left": packed(whole.left), "right": packed(whole.right), "labels": _bytes(labels), "mask": None}
    if roi in members:
        numbers["mask"] = _bytes(members[roi].astype(np.uint8))
    return numbers


def scalp_numbers(course: TimeCourse, chosen: TimeCourse) -> dict[str, Any]:
    """Responses of all channels, and which are chosen, for ``scalp.js``."""
    values = course.values
    channel, sample = largest(values)
    everything = len(chosen.channels) == len(course.channels)
    positions = None
    if course.positions is not None:
        positions = [
            [round(float(x), 4), round(float(y), 4)] if np.isfinite(x + y) else None for x, y in course.positions
        ]
    return {
        "times": [round(float(time), 5) for time in course.times],
        "channels": course.channels,
        "chosen": chosen.channels,
        # the mean of all is near nothing where the reference is their average
        "strong": [course.channels[channel]] if everything else chosen.channels,
        "values": packed(values.ravel()),
        "positions": positions,
        "unit": course.unit,
        "low": course.low,
        "high": course.high,
        "peak": float(course.times[sample]),
    }


def largest(values: NDArray[np.floating]) -> tuple[int, int]:
    """Where a response is largest, up or down: channel and sample.

    Examples
    --------
    >>> largest(np.array([[0.5, np.nan], [1.0, -2.0]]))
    (1, 1)
    """
    channel, sample = np.unravel_index(int(np.abs(np.nan_to_num(values)).argmax()), values.shape)
    return int(channel), int(sample)


def _members(prediction: Prediction, roi: str) -> NDArray[np.bool_]:
    """Vertices of a region, shape (2, 10242)."""
    values = prediction.on_cortex(roi)
    assert values is not None  # the whole has a surface, so its regions do
    return np.stack([np.isfinite(values.left), np.isfinite(values.right)])


def _bytes(of_both: NDArray[np.uint8]) -> dict[str, str]:
    pairs = zip(HEMISPHERES, of_both, strict=True)
    return {name: base64.b64encode(half.tobytes()).decode() for name, half in pairs}

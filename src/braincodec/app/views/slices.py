"""The middle of a volume in three directions, for subjects whose voxels lie on no surface."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from braincodec.app.views.pictures import inside
from braincodec.app.views.words import SIMULATED, escaped, meaning_of, signed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.app.predicting import Prediction, VolumeSlices

NAMES = {"sagittal": "from the side", "coronal": "from the front", "axial": "from above"}
ENLARGED = 4


def slices(prediction: Prediction, found: VolumeSlices, roi: str | None) -> str:
    """Three slices as HTML."""
    pictures = "".join(_slice(name, values, found) for name, values in found.slices.items())
    where = f" of {escaped(roi)}" if roi else ""
    simulated = f" {SIMULATED}" if prediction.simulated else ""
    return (
        '<section class="card" id="slices" aria-labelledby="slices-title"><h2 id="slices-title">Slices of the volume'
        f'{where}{simulated}</h2><p class="note">Predicted response of each voxel; '
        f'{escaped(meaning_of(prediction))}. This subject has no surface.</p><ul class="slices">{pictures}</ul>'
        f'<div class="scale"><span>{signed(found.low)}</span><span>0</span><span>{signed(found.high)}</span></div>'
        "</section>"
    )


def _slice(name: str, values: NDArray[np.float32], found: VolumeSlices) -> str:
    from PIL import Image

    from braincodec.viz.style import DIVERGING, colour_scale

    known = np.isfinite(values)
    colours = colour_scale(DIVERGING, (found.low, found.high)).to_rgba(np.where(known, values, 0.0), bytes=True)
    colours[~known] = 0
    height, width = values.shape
    picture = Image.fromarray(colours, "RGBA").resize((width * ENLARGED, height * ENLARGED), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    words = f"slice {NAMES.get(name, name)}: "
    words += (
        f"mean {signed(float(values[known].mean()))} over {int(known.sum()):,} voxels" if known.any() else "no voxel"
    )
    return (
        f'<li><figure><img src="{inside(stream.getvalue(), "image/png")}" alt="{escaped(words)}">'
        f"<figcaption>{escaped(NAMES.get(name, name))}</figcaption></figure></li>"
    )

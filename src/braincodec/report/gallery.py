"""Decoded images beside what was seen, as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from braincodec.evaluation.scores.of_images import scores_of_images
from braincodec.evaluation.scores.scores import SAMPLES
from braincodec.report.numbers import number
from braincodec.report.verdict import headline_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.evaluation.scores import Scores

# of more images, as many are shown, evenly from the best to the worst; of several samples half as many
MOST_PAIRS = 48
# up to this many pixels a side a picture is kept exactly; larger ones as JPEG of this quality
EXACT_SIDE, JPEG_QUALITY = 64, 88


@dataclass(frozen=True)
class Pair:
    """One stimulus: its picture and the decoded ones, all as addresses that hold the picture itself."""

    id: str
    truth: str
    predictions: list[str]
    score: str


@dataclass(frozen=True)
class Gallery:
    """Pairs in order of their score.

    Attributes
    ----------
    pairs : list of Pair
    metric : str
        By which they are sorted; empty where none is known.
    total : int
        How many images there are.
    samples : int
        Decoded images of each stimulus.
    """

    pairs: list[Pair]
    metric: str
    total: int
    samples: int = 1


def gallery(scores: Scores) -> Gallery | None:
    """Pictures of a decoder's scores; None where it has none."""
    if scores.images is None or not len(scores.images["ids"]):
        return None
    ids = [str(item) for item in scores.images["ids"]]
    metric, values = _values(scores, ids)
    order = np.argsort(-values, kind="stable") if metric else np.arange(len(ids))  # NaN comes last
    decoded = np.asarray(scores.images.get(SAMPLES, np.asarray(scores.images["prediction"])[:, None]))
    most = MOST_PAIRS if decoded.shape[1] == 1 else MOST_PAIRS // 2
    if len(order) > most:
        order = order[np.linspace(0, len(order) - 1, most).round().astype(int)]
    pairs = [
        Pair(
            ids[place],
            address(np.asarray(scores.images["truth"][place])),
            [address(image) for image in decoded[place]],
            number(float(values[place])) if metric else "",
        )
        for place in order.tolist()
    ]
    return Gallery(pairs, metric, len(ids), decoded.shape[1])


def _values(scores: Scores, ids: list[str]) -> tuple[str, NDArray[np.float64]]:
    """Name and values (images,) of the metric to sort by: higher is better."""
    from braincodec.report.glossary import find_definition

    headline = headline_rows(scores)["metric"].tolist()[:1]
    for name in [*headline, *map(str, scores.stimuli.data_vars)]:
        if name not in scores.stimuli or "stimulus" not in scores.stimuli[name].dims:
            continue
        definition = find_definition(name)
        if definition is None or definition.better == "higher":
            return name, scores_of_images(scores, name)
    return "", np.full(len(ids), np.nan)


def address(image: NDArray[np.uint8]) -> str:
    """A picture (height, width, 3) as an address that holds it.

    Examples
    --------
    >>> address(np.zeros((2, 2, 3), np.uint8))[:22]
    'data:image/png;base64,'
    """
    from PIL import Image

    exact = max(image.shape[:2]) <= EXACT_SIDE
    file = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(image))
    picture.save(file, "PNG" if exact else "JPEG", **({"optimize": True} if exact else {"quality": JPEG_QUALITY}))
    kind = "png" if exact else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"

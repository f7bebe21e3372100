"""Sentences and short texts of the page."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from braincodec.app.views.figures import largest
from braincodec.mesh import HEMISPHERES

if TYPE_CHECKING:
    from braincodec.app.predicting import Prediction, RoiBar, TimeCourse

SIMULATED = '<span class="simulated">simulated</span>'
# of 100: above it, all of the images that there can be
MOST = 99.9
MINUS = "\N{MINUS SIGN}"
MEANING = {
    "zscored_within_session": "z-scores: 0 is this subject's mean response over a session's images, 1 is one standard "
    "deviation above it",
    "microvolt": "microvolts",
}


def escaped(text: object) -> str:
    """Text as it may stand in HTML, also within quotes.

    Examples
    --------
    >>> escaped('a < "b"')
    'a &lt; &quot;b&quot;'
    """
    return html.escape(str(text), quote=True)


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, with a true minus.

    Examples
    --------
    >>> signed(0.5), signed(-1.234, 1)
    ('+0.50', '−1.2')
    """
    return f"{MINUS if value < 0 else '+'}{abs(value):.{digits}f}"


def unit_of(prediction: Prediction) -> str:
    """The unit that stands behind a number: ``"z"``, ``"µV"`` or nothing."""
    units = str(prediction.responses.attrs.get("response_units", ""))
    return "µV" if units == "microvolt" else "z" if "zscore" in units else ""


def percent(share: float) -> str:
    """A share of 100 in HTML; what is not all of them is not called so.

    Examples
    --------
    >>> percent(99.6), percent(100.0), percent(0.4)
    ('99&nbsp;%', '100&nbsp;%', '1&nbsp;%')
    """
    inner = min(max(round(share), 1), 99)
    return f"{round(share) if share > MOST or share < 100 - MOST else inner}&nbsp;%"


def meaning_of(prediction: Prediction) -> str:
    """What the numbers mean, in words."""
    units = str(prediction.responses.attrs.get("response_units", ""))
    return prediction.scaling or MEANING.get(
        units, units.replace("_", " ") or "in the units that the model was fitted to"
    )


def number(bar: RoiBar, unit: str) -> str:
    r"""A region's mean response with its unit.

    Examples
    --------
    >>> from braincodec.app.predicting import RoiBar
    >>> number(RoiBar("V1", 0.5, 10), "z")
    '+0.50\xa0z'
    """
    return f"{signed(bar.mean)}{chr(160) + unit if unit else ''}"


def cortex_in_words(prediction: Prediction, roi: str | None) -> str:
    """The map of the cortex, for readers who cannot see it."""
    values = prediction.on_cortex(roi)
    if values is None:
        return ""
    parts = []
    for name, half in zip(HEMISPHERES, (values.left, values.right), strict=True):
        known = half[np.isfinite(half)]
        if known.size:
            parts.append(f"{name} hemisphere mean {signed(float(known.mean()))} over {known.size:,} vertices")
    bars = sorted(prediction.roi_bars, key=lambda bar: bar.mean)
    ends = f" Strongest in {bars[-1].roi}, weakest in {bars[0].roi}." if len(bars) > 1 and roi is None else ""
    where = f"of {roi} " if roi else ""
    return f"Predicted response {where}on the inflated cortex: {'; '.join(parts) or 'no vertex has a value'}.{ends}"


def course_in_words(course: TimeCourse) -> str:
    """The curves of EEG channels, for readers who cannot see them."""
    channel, sample = largest(course.values)
    value = float(course.values[channel, sample])
    return (
        f"Predicted responses of {len(course.channels)} channels from {1000 * course.times[0]:.0f} to "
        f"{1000 * course.times[-1]:.0f} ms; largest at {course.channels[channel]} after "
        f"{1000 * course.times[sample]:.0f} ms: {signed(value)} {course.unit}".rstrip()
        + "."
    )


def headline(prediction: Prediction, roi: str | None, subject: str, title: str) -> str:
    """The page's first sentence, as HTML: who would answer what, and whether that is much."""
    simulated = f"{SIMULATED} " if prediction.simulated else ""
    who = f"Shown <b>{escaped(title)}</b>, {simulated}subject {escaped(subject)} is predicted to answer"
    bars = {bar.roi: bar for bar in prediction.roi_bars}
    course = prediction.time_course(roi)
    if course is not None:
        return f"{who} {_largest(course)}."
    if not bars:
        return f"{who} with {signed(float(np.nanmean(prediction.responses.values)))} on average."
    chosen = bars.get(roi or "") or most_unusual(prediction.roi_bars)
    most = "" if chosen.roi == roi else " most unusually" if chosen.percentile is not None else " most strongly"
    value = f"<b>{number(chosen, unit_of(prediction))}</b>"
    return f"{who}{most} in <b>{escaped(chosen.roi)}</b>: {value}{compared(chosen, prediction.reference.images)}."


def _largest(course: TimeCourse) -> str:
    channel, sample = largest(course.values)
    return (
        f"most strongly at <b>{escaped(course.channels[channel])}</b>, "
        f"<b>{1000 * course.times[sample]:.0f}&nbsp;ms</b> after it appears: "
        f"{signed(float(course.values[channel, sample]))}&nbsp;{course.unit}"
    )


def most_unusual(bars: list[RoiBar]) -> RoiBar:
    """The region whose answer is farthest from the middle of those to other images; without any, the strongest."""
    if any(bar.percentile is not None for bar in bars):
        return max(bars, key=lambda bar: abs((50.0 if bar.percentile is None else bar.percentile) - 50))
    return max(bars, key=lambda bar: bar.mean)


def compared(bar: RoiBar, images: int) -> str:
    """How many reference images drive a region less, or more where these are the most.

    Examples
    --------
    >>> from braincodec.app.predicting import RoiBar
    >>> compared(RoiBar("V1", 0.5, 10, percentile=93.0), 240)
    ', higher than for 93&nbsp;% of 240 other images'
    >>> compared(RoiBar("V1", 0.5, 10, percentile=0.0), 240)
    ', lower than for any of 240 other images'
    """
    if bar.percentile is None:
        return ""
    higher = bar.percentile >= 50
    share = bar.percentile if higher else 100 - bar.percentile
    of = "any" if share > MOST else percent(share)
    return f", {'higher' if higher else 'lower'} than for {of} of {images:,} other images"

"""Figures of a report: which ones the scores allow, drawn by `braincodec.viz`, as pictures inside the page."""

from __future__ import annotations

import base64
import importlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from braincodec.errors import BraincodecError, MissingExtraError
from braincodec.extras import import_optional
from braincodec.report.cortex import on_cortex

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from braincodec.evaluation.scores import Scores

# a drawing of more marks than this is smaller as pixels
LARGEST_SVG = 300_000  # bytes
RESOLUTION = 160  # dots per inch of pictures made of pixels
PIXELS_PER_POINT = 96 / 72
SIZE = re.compile(rb'width="([0-9.]+)pt" height="([0-9.]+)pt"')


@dataclass(frozen=True)
class Plan:
    """A figure to be drawn: its title, the name of its function in `braincodec.viz`, and what that takes."""

    title: str
    function: str
    data: tuple[Any, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """A figure as the page holds it.

    Attributes
    ----------
    title, alternative : str
        The alternative says in words what is to be seen.
    address : str
        Holds the picture itself.
    width, height : int
        In the page, pixels of 1/96 inch; the same for all figures, so that their letters have one size.
    """

    title: str
    alternative: str
    address: str
    width: int
    height: int


@dataclass(frozen=True)
class LeftOut:
    """A figure that is not there, and why."""

    title: str
    reason: str


def plans(scores: Scores) -> list[Plan]:
    """Figures that one model's scores have the data for."""
    make = _plans_of_images if scores.direction == "decoding" else _plans_of_responses
    found = list(make(scores))
    if len(scores.rdms.data_vars):
        found.append(_plan("Representational dissimilarity, measured and predicted", "plot_rdms", scores))
    if scores.generalisation is not None:
        found.append(_plan("Under splits that test generalisation", "plot_generalisation", scores))
    return found


def comparison_plans(scores: Sequence[Scores]) -> list[Plan]:
    """Figures of two models side by side."""
    return [Plan("Two models", "plot_comparison", tuple(scores), {})] if len(scores) == 2 else []


def _plan(title: str, function: str, scores: Scores, **options: Any) -> Plan:
    return Plan(title, function, (scores,), options)


def _plans_of_responses(scores: Scores) -> Iterator[Plan]:
    units = scores.units
    if "correlation" in units and {"channel", "time"} <= set(units["correlation"].dims):
        yield _plan("Accuracy over time, between its noise ceilings", "plot_accuracy_over_time", scores)
        yield _plan("Accuracy over the scalp", "plot_topographies", scores)
        if "pairwise_decoding" in scores.curves:
            yield _plan("Pairwise decoding over time", "plot_pairwise_decoding", scores)
        if "time_generalisation" in scores.curves:
            yield _plan("Generalisation over time", "plot_time_generalisation", scores)
        return
    if len(scores.table):
        yield _plan("Accuracy by region", "plot_accuracy_by_roi", scores)
    if {"correlation", "pattern_correlation"} <= set(scores.table["metric"]):
        yield _plan("Over stimuli and over units", "plot_profile_and_pattern", scores)
    if "correlation" not in units:
        return
    if "noise_ceiling" in units:
        yield _plan("Accuracy against the noise ceiling", "plot_accuracy_against_ceiling", scores)
    yield _plan("Accuracy of units", "plot_accuracy_histogram", scores)
    if on_cortex(units):
        yield _plan("Accuracy on the inflated cortex", "plot_cortex", scores)
        yield _plan("Accuracy on the flattened cortex", "plot_cortex", scores, surface="flat")
    if {"i", "j", "k"} <= set(units.variables) and "affine" in units.attrs:
        yield _plan("Accuracy in the volume", "plot_volume", scores)


def _plans_of_images(scores: Scores) -> Iterator[Plan]:
    if len(scores.stimuli.data_vars):
        yield _plan("Scores beside floor and chance", "plot_decoding_scores", scores)


def draw(plan: Plan) -> Picture | LeftOut:
    """Draw a figure, or say why it cannot be drawn."""
    try:
        import_optional("matplotlib", "a figure")
        function: Callable[..., Figure] = getattr(importlib.import_module("braincodec.viz"), plan.function)
        return _picture(plan.title, function(*plan.data, **plan.options))
    except MissingExtraError as error:
        return LeftOut(plan.title, str(error))
    except BraincodecError as error:
        return LeftOut(plan.title, str(error))


def _picture(title: str, figure: Figure) -> Picture:
    from matplotlib import pyplot

    from braincodec.viz import text_alternative
    from braincodec.viz.style import styled

    with styled():
        content, kind = _saved(figure, "svg", metadata={"Date": None}), "svg+xml"
        size = SIZE.search(content)
        if len(content) > LARGEST_SVG:
            content, kind = _saved(figure, "png"), "png"
    pyplot.close(figure)
    width, height = (round(float(part) * PIXELS_PER_POINT) for part in size.groups()) if size else (0, 0)
    address = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return Picture(title, text_alternative(figure), address, width, height)


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=kind, dpi=RESOLUTION, bbox_inches="tight", **options)
    return file.getvalue()

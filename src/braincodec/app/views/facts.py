"""The photograph as the model sees it, and what there is to know about the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braincodec.app.views.pictures import image
from braincodec.app.views.words import SIMULATED, escaped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from braincodec.app.catalogue import ModelChoice


def seen(pixels: NDArray[np.uint8], title: str, licence: str) -> str:
    """The square middle of the photograph, which is what models are shown."""
    note = f" {escaped(licence)}." if licence else ""
    return (
        f'<figure class="seen">{image(pixels, f"{title}, its square middle", 480)}'
        f"<figcaption><b>{escaped(title)}</b>.{note} Models see its square middle.</figcaption></figure>"
    )


def model_facts(model: ModelChoice) -> str:
    """Licence, citation, notes and accuracy of a model."""
    rows = [
        ("Model", model.id),
        ("Accuracy", "" if model.accuracy is None else f"{model.accuracy:.2f} (median over units, first subject)"),
        ("Licence", model.licence),
        ("Citation", model.citation),
    ]
    listed = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(value)}</dd>" for name, value in rows if value)
    simulated = (
        f"<p>{SIMULATED} No brain was measured: this subject is made up to show how the software works.</p>"
        if model.simulated
        else ""
    )
    notes = f"<p>{escaped(model.notes)}</p>" if model.notes else ""
    return (
        '<section class="card" id="about" aria-labelledby="about-title"><h2 id="about-title">About the model</h2>'
        f"{simulated}<dl>{listed}</dl>{notes}"
        "<p>A prediction is the mean response that a model expects. It holds for photographs like those it was trained "
        "on; it is no measurement, and says nothing about any person.</p></section>"
    )


def status(error: str, notes: list[str]) -> str:
    """What went wrong, and remarks; both are read aloud when they appear."""
    parts = [f'<p class="error" role="alert">{escaped(_sentence(error))}</p>'] if error else []
    parts += [f'<p class="remark">{escaped(_sentence(note))}</p>' for note in notes]
    return f'<div id="bc-status">{"".join(parts)}</div>'


def _sentence(text: str) -> str:
    """With a capital and a full stop.

    Examples
    --------
    >>> _sentence("the file is empty")
    'The file is empty.'
    """
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"

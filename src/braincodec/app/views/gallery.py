"""Pictures in rows: the nearest images of the gallery, and images that were decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from braincodec.app.views.pictures import image
from braincodec.app.views.words import SIMULATED, escaped

if TYPE_CHECKING:
    from braincodec.app.decoding import Decoded
    from braincodec.app.examples import Example
    from braincodec.app.predicting import Neighbour, ReferenceNote

SIDE = 176


def nearest(found: Sequence[Neighbour], reference: ReferenceNote, where: str | None, *, waiting: bool) -> str:
    """The gallery's images that the brain answers alike."""
    over = f"in {escaped(where)}" if where else "in all units"
    if found:
        body = f'<ul class="pictures">{"".join(map(_neighbour, found))}</ul>'
        note = (
            f"Of {escaped(reference.text)}: those whose predicted response {over} is most alike. "
            "r is the correlation over units; 1 is the same pattern."
        )
    elif not reference.ready and waiting:
        body, note = "", "The gallery is being encoded; its nearest images appear here."
    else:
        body, note = "", f"No gallery to search: {escaped(reference.text)}. Start with --gallery FOLDER to give one."
    return (
        '<section class="card" id="nearest" aria-labelledby="nearest-title"><h2 id="nearest-title">'
        f'Images that the brain answers alike</h2><p class="note">{note}</p>{body}</section>'
    )


def _neighbour(found: Neighbour) -> str:
    words = escaped(found.id)
    picture = image(found.thumbnail, f"gallery image {found.id}", SIDE) if found.thumbnail is not None else ""
    empty = "" if picture else '<span class="empty">image not at hand</span>'
    caption = f'<figcaption title="{words}"><b>r&nbsp;=&nbsp;{found.similarity:.2f}</b></figcaption>'
    return f"<li><figure>{picture}{empty}{caption}</figure></li>"


def decoded(result: Decoded | None, example: Example | None, examples: Sequence[Example]) -> str:
    """The decoder's part: patterns to try, and what was made of the chosen one."""
    tried = example.name if example else None
    tries = "".join(_pattern(one, one.name == tried) for one in examples)
    offered = (
        f'<p class="note">Choose what was seen, or give a pattern of your own below:</p><ul class="tries">{tries}</ul>'
        if tries
        else ""
    )
    made = _made(result, example) if result else ""
    return (
        '<section class="card" id="decoded" aria-labelledby="decoded-title"><h2 id="decoded-title">'
        "Images from responses</h2>"
        '<p class="note">This model also reads responses: a pattern in, images of what was seen out.</p>'
        f"{offered}{made}</section>"
    )


def _pattern(example: Example, chosen: bool) -> str:
    name = escaped(example.name)
    return (
        f'<li><button type="button" class="thumb" data-pattern="{name}" aria-pressed="{str(chosen).lower()}" '
        f'aria-label="decode the response to {escaped(example.title)}">{image(example.pixels, "", 88)}</button></li>'
    )


def _made(result: Decoded, example: Example | None) -> str:
    several = len(result.images) > 1
    figures = []
    if example is not None:
        figures.append(_captioned(image(example.pixels, f"what was seen: {example.title}", SIDE), "what was seen"))
    figures += [
        _captioned(image(pixels, f"decoded image {place}", SIDE), f"decoded {place}" if several else "decoded")
        for place, pixels in enumerate(result.images, 1)
    ]
    nearest_ones = [
        _captioned(image(one.thumbnail, f"gallery image {one.id}", SIDE), f"cos&nbsp;=&nbsp;{one.similarity:.2f}")
        for one in result.nearest
        if one.thumbnail is not None
    ]
    simulated = f"{SIMULATED} " if result.simulated else ""
    about = " ".join(part for part in (example.about if example else "", result.about) if part)
    made = f'<ul class="pictures">{"".join(figures)}</ul><p class="note">{simulated}{escaped(about)}</p>'
    if nearest_ones:
        made += (
            f'<p class="note">Of {escaped(result.gallery)}: those nearest to what was read from the pattern. '
            "cos is the cosine of image embeddings; 1 is the same.</p>"
            f'<ul class="pictures">{"".join(nearest_ones)}</ul>'
        )
    return made


def _captioned(picture: str, caption: str) -> str:
    return f"<li><figure>{picture}<figcaption>{caption}</figcaption></figure></li>"

"""Parts of the page that stay: its head, the figures that scripts draw in, its foot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from braincodec.app.state import VIEWS
from braincodec.app.views.words import escaped

if TYPE_CHECKING:
    from braincodec.app.examples import Example

VIEW_NAMES = {
    "occipital": "Behind, below",
    "lateral": "Outside",
    "medial": "Inside",
    "posterior": "Behind",
    "ventral": "Below",
    "dorsal": "Above",
    "anterior": "Front",
}
SCALE = '<div class="scale" aria-hidden="true"><span></span><span></span><span></span></div>'

HEAD = """
<header id="bc-head">
<div class="brand"><h1>braincodec <span>explorer</span></h1>
<p>Give it a photograph: a trained model predicts how a brain would answer.</p></div>
<div class="tools"><button type="button" id="bc-copy">Copy link</button>
<button type="button" id="bc-light">Dark</button></div>
<p id="bc-said" role="status" class="unseen"></p>
</header>
"""


def cortex_figure() -> str:
    """Where ``cortex.js`` draws."""
    halves = _buttons("hemisphere", {"both": "Both", "left": "Left", "right": "Right"}, "both")
    views = _buttons("view", {view: VIEW_NAMES[view] for view in VIEWS}, "occipital")
    return f"""
<section class="card" id="cortex" aria-labelledby="cortex-title">
<h2 id="cortex-title">On the cortex <span class="simulated">simulated</span></h2>
<p class="note">Each point is a place on the inflated cortex (fsaverage5); red is more than usual, blue less, grey is
not part of the model. Drag to turn it, or use the arrow keys.</p>
<div class="stage"><canvas tabindex="0" role="application" aria-roledescription="turnable picture"
aria-label="Cortex: arrow keys turn it, plus and minus enlarge it, Home turns it back"
aria-describedby="cortex-words"></canvas>
<div class="sides" data-shown="both" aria-hidden="true"><span>left</span><span>right</span></div></div>
<div class="below"><p class="hint">Point at the cortex to read values; click a region to choose it.</p>{SCALE}</div>
<div class="choices"><div role="group" aria-label="Hemisphere">{halves}</div>
<div role="group" aria-label="Seen from">{views}</div></div>
</section>
"""


def scalp_figure() -> str:
    """Where ``scalp.js`` draws."""
    return f"""
<section class="card" id="scalp" aria-labelledby="scalp-title">
<h2 id="scalp-title">Over time and over the scalp <span class="simulated">simulated</span></h2>
<p class="note">Predicted EEG: each line is a channel, the strong line the one that answers most, or the mean
of a chosen group. The head is seen from above, nose up, at the moment of the marker.</p>
<div class="courses"><svg class="curves" role="img" aria-labelledby="scalp-title" aria-describedby="scalp-words"></svg>
<div class="topography"><div class="head"><canvas aria-hidden="true"></canvas>
<svg class="head" viewBox="-1.2 -1.2 2.4 2.4" role="img" aria-label="Scalp at the chosen moment"></svg></div>
{SCALE}</div></div>
<label class="time"><span>Moment</span><input type="range" min="0" max="1" value="0"
aria-label="Moment after the image appears"></label>
<p class="moment hint"></p>
</section>
"""


def examples(offered: Sequence[Example], address: str) -> str:
    """Photographs to try, as buttons."""
    buttons = "".join(
        f'<li><button type="button" class="thumb" data-example="{escaped(one.name)}" aria-pressed="false">'
        f'<img src="{address}/{place}.jpg" width="88" height="88" alt="{escaped(one.title)}" '
        f'title="{escaped(one.licence)}"></button></li>'
        for place, one in enumerate(offered)
    )
    return f'<p class="label">or try one of these</p><ul class="tries">{buttons}</ul>' if buttons else ""


def foot(store: str, host_is_local: bool) -> str:
    """What happens to a visitor's photograph, and whose models these are; not where a store lies on the machine."""
    name = store if "://" in store else Path(store).resolve().name
    where = "this computer" if host_is_local else "the computer that runs this page"
    return (
        f"<footer><p>Photographs go to {where} only; nothing is sent elsewhere, and uploads are deleted after an hour "
        f"or two. Models of the store {escaped(name)}. Predictions, not measurements.</p></footer>"
    )


def _buttons(kind: str, names: dict[str, str], chosen: str) -> str:
    return "".join(
        f'<button type="button" data-{kind}="{value}" aria-pressed="{str(value == chosen).lower()}">{name}</button>'
        for value, name in names.items()
    )

"""The explorer's page, in Gradio: choosers and files on the left, what is predicted on the right."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from braincodec.app.failures import told
from braincodec.app.presence import Presence
from braincodec.app.sent import KEPT
from braincodec.app.views import shell
from braincodec.app.views.facts import status
from braincodec.app.views.shown import shown
from braincodec.app.visit import ALL_REGIONS, Visit, Visits
from braincodec.extras import import_optional

if TYPE_CHECKING:
    import gradio

    from braincodec.app.explorer import Explorer

TITLE = "braincodec explorer"
# requests of Gradio's own line that run at once; the explorer computes those of a model together
AT_ONCE = 64
MOST_IN_LINE = 200
# s: how often a page asks whether its gallery is encoded
ASKED_EVERY = 2.0
# visits that are remembered at once: each holds a photograph and what was predicted, some megabytes
MOST_VISITS = 300
# gives scripts a way to tell the server what was chosen in a figure
BRIDGE = "(window.braincodec = window.braincodec || {}).tell = (event, detail) => trigger(event, detail);"
PIECES = ("status", "seen", "headline", "payload", "slices", "bars", "nearest", "decoded", "about")
REFRESHED = ("headline", "bars", "nearest", "decoded")


def theme() -> Any:
    """Gradio's plainest theme with the fonts of the reader's own system: nothing is fetched."""
    gr = import_optional("gradio", "the explorer page")
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
    return gr.themes.Base(
        primary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.slate,
        font=fonts,
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    )


def build_page(
    explorer: Explorer, *, static: str = "braincodec", local: bool = True, presence: Presence | None = None
) -> gradio.Blocks:
    """The page as Gradio's Blocks; `braincodec.app.serve` serves it.

    Parameters
    ----------
    explorer : Explorer
    static : str
        Address below which the page's own files lie.
    local : bool
        Whether only this computer reaches the page.
    presence : Presence, optional
        Knows which visitors have left: nothing more is computed for them.

    Returns
    -------
    gradio.Blocks

    Raises
    ------
    MissingExtraError
        Without Gradio.
    """
    gr = import_optional("gradio", "the explorer page")
    visits = Visits(explorer)
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        places = _places(gr, visits, static, local)
        _wire(gr, page, places, visits, presence or Presence())
    page.state_session_capacity = MOST_VISITS
    page.queue(default_concurrency_limit=AT_ONCE, max_size=MOST_IN_LINE, api_open=False)
    return page


def _places(gr: Any, visits: Visits, static: str, local: bool) -> dict[str, Any]:
    """All components by name, in the order in which the keyboard reaches them."""
    places: dict[str, Any] = {"visit": gr.State(None, time_to_live=KEPT)}

    def html(name: str, value: str = "") -> Any:
        return gr.HTML(value, elem_id=f"w-{name}", js_on_load=None, apply_default_css=False)

    html("head", shell.HEAD)
    with gr.Row(elem_id="bc-main"):
        with gr.Column(elem_id="bc-side"):
            places["status"] = html("status", '<div id="bc-status"></div>')
            places["seen"] = html("seen")
            with gr.Group(elem_id="photo-upload"):
                places["photo"] = gr.UploadButton("Choose a photograph", variant="primary", type="filepath")
            html("examples", shell.examples(visits.photographs, f"{static}/examples"))
            places["model"] = gr.Dropdown(
                [(_named(choice), choice.id) for choice in visits.explorer.models], label="Model", interactive=True
            )
            places["subject"] = gr.Dropdown([], label="Subject", interactive=True)
            places["roi"] = gr.Dropdown([], label="Region", interactive=True)
        with gr.Column(elem_id="bc-show"):
            places["headline"] = html("headline")
            html("cortex", shell.cortex_figure())
            html("scalp", shell.scalp_figure())
            places["slices"] = html("slices")
            places["bars"] = html("bars")
            places["nearest"] = html("nearest")
            places["decoded"] = html("decoded")
            with gr.Group(elem_id="pattern-upload"):
                places["pattern"] = gr.UploadButton("Choose a pattern (.npy, .csv)", type="filepath", visible=True)
            places["about"] = html("about")
    html("foot", shell.foot(visits.explorer.store.address, local))
    places["payload"] = html("payload", '<div id="bc-payload" data-payload="{}"></div>')
    places["bridge"] = gr.HTML("", elem_id="w-bridge", js_on_load=BRIDGE, apply_default_css=False)
    places["timer"] = gr.Timer(ASKED_EVERY, active=False)
    return places


def _named(choice: Any) -> str:
    return f"{choice.title} — cannot be opened here" if choice.problem else str(choice.title)


def _wire(gr: Any, page: Any, places: dict[str, Any], visits: Visits, presence: Presence) -> None:
    """Every action of a visitor to the actions of `Visits`."""
    names = ("visit", *PIECES, "model", "subject", "roi", "timer")
    outputs = [places[name] for name in names]

    def all_of(visit: Visit) -> list[Any]:
        try:
            pieces = shown(visits, visit)
        except Exception as error:  # noqa: BLE001  a visitor never sees a traceback; `told` logs it
            said = {"status": status(str(told(error, "what is shown")), [])}
            return [said.get(name, gr.skip()) for name in names]
        model = visits.model_of(visit)
        chosen = {
            "visit": visit,
            "model": gr.update(value=visit.state.model),
            "subject": gr.update(choices=[str(one) for one in model.subjects], value=str(visit.state.subject)),
            "roi": gr.update(**_regions(visits, visit), value=visit.state.roi or ALL_REGIONS),
            "timer": gr.Timer(active=pieces.waiting),
        }
        return [chosen[name] if name in chosen else getattr(pieces, name) for name in names]

    def left(request: gr.Request) -> Callable[[], bool]:
        """What tells whether a visitor has left."""
        return functools.partial(presence.left, request.session_hash)

    def of(visit: Visit | None, request: gr.Request) -> Visit:
        return replace(visit or visits.fresh(), left=left(request))

    def on(event: Callable[..., Any], action: Callable[..., Visit], given: Any = None, *, field: str = "") -> None:
        def with_input(visit: Visit | None, value: Any, request: gr.Request) -> list[Any]:
            return all_of(action(of(visit, request), value))

        def with_detail(visit: Visit | None, detail: gr.EventData, request: gr.Request) -> list[Any]:
            return all_of(action(of(visit, request), (detail._data or {}).get(field)))

        event(
            _annotated(with_detail if field else with_input, gr),
            [places["visit"]] if field else [places["visit"], given],
            outputs,
            api_visibility="private",
            show_progress="hidden",
            trigger_mode="always_last",
        )

    def arrive(request: gr.Request) -> list[Any]:
        return all_of(visits.arrive(dict(request.query_params), left(request)))

    page.load(_annotated(arrive, gr), None, outputs, api_visibility="private", show_progress="hidden")
    on(places["photo"].upload, visits.upload, places["photo"])
    on(places["pattern"].upload, visits.upload_pattern, places["pattern"])
    on(places["model"].input, visits.choose_model, places["model"])
    on(places["subject"].input, visits.choose_subject, places["subject"])
    on(places["roi"].input, visits.choose_roi, places["roi"])
    on(places["bridge"].select, visits.choose_roi, field="roi")
    on(places["bridge"].click, visits.try_example, field="example")
    on(places["bridge"].submit, visits.try_pattern, field="pattern")
    on(places["bridge"].input, visits.too_large, field="megabytes")
    _refresh(gr, places, visits, of)


def _refresh(gr: Any, places: dict[str, Any], visits: Visits, of: Callable[[Visit | None, Any], Visit]) -> None:
    """While the gallery is encoded, the comparison is asked for again and again; what is drawn stays."""

    def again(visit: Visit | None, request: gr.Request) -> list[Any]:
        visit = visits.again(of(visit, request))
        pieces = shown(visits, visit)
        return [visit, *[getattr(pieces, name) for name in REFRESHED], gr.Timer(active=pieces.waiting)]

    outputs = [places[name] for name in ("visit", *REFRESHED, "timer")]
    places["timer"].tick(
        _annotated(again, gr), places["visit"], outputs, api_visibility="private", show_progress="hidden"
    )


def _regions(visits: Visits, visit: Visit) -> dict[str, Any]:
    """Label and entries of the list of regions, which of sensors are groups of channels."""
    sensors = visit.prediction is not None and visit.prediction.responses.dims == ("channel", "time")
    label, every = ("Channels", "All channels") if sensors else ("Region", "All regions")
    return {"label": label, "choices": [(every, ALL_REGIONS), *[(name, name) for name in visits.rois_of(visit)]]}


def _annotated(function: Callable[..., Any], gr: Any) -> Callable[..., Any]:
    """Gradio looks at annotations to know which parameter it fills; ours are text until Gradio is imported."""
    kinds = {"gr.EventData": gr.EventData, "gr.Request": gr.Request}
    function.__annotations__ = {
        name: kinds.get(kind, Any) if isinstance(kind, str) else kind
        for name, kind in function.__annotations__.items()
        if name != "return"
    }
    return function

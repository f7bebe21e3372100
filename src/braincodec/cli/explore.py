"""``braincodec app``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from braincodec.cli.options import STORE_VARIABLE, Anonymous, StoreAddress
from braincodec.cli.output import note

DEMO_STORE = Path("demo-output/store")


def explore(
    store: StoreAddress = None,
    gallery: Annotated[
        Path | None,
        typer.Option(
            "--gallery",
            help="Folder or file of images to compare with and to search; default: those of the store's generated "
            "responses, else simulated ones.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", help="Port to listen at.")] = 7860,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; the default serves this computer only.")
    ] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Show the page in a browser.")] = False,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, mps, or auto.")] = "auto",
    anonymous: Anonymous = False,
) -> None:
    """A page to explore models: a photograph in, maps, time courses and regions out. Nothing leaves this computer."""
    from braincodec.app.serve import check_port, launch
    from braincodec.extras import require_optional

    require_optional("gradio", "the explorer page")
    check_port(host, port)
    from braincodec.store import open_store

    address = store or _store_to_show()
    opened = open_store(address, **({"anon": True} if anonymous else {}))
    note(f"store: {address}")
    launch(opened, gallery=gallery, host=host, port=port, open_browser=open_browser, device=device, say=note)


def _store_to_show() -> str:
    """The demo's store where there is one, else one that is made once for trying."""
    if DEMO_STORE.is_dir():
        return str(DEMO_STORE)
    from braincodec.app.trial_store import trial_store

    note(f"no store given (--store, or {STORE_VARIABLE}): simulated subjects are shown")
    return str(trial_store(note))

"""Make the picture of the explorer page anew: python docs/explorer_picture.py [STORE].

Serves the page from this process, opens it in Chromium, and writes docs/images/explorer.jpg. Without a store, the one
that ``braincodec app`` makes for trying.
"""

from __future__ import annotations

import argparse
import io
import shutil
import socket
import threading
import time
from pathlib import Path

PICTURE = Path(__file__).parent / "images" / "explorer.jpg"
WIDTH, HEIGHT = 1600, 1000  # pixels
MOST_BYTES = 300_000
QUERY = "?model=fmri-simulated-gaussian_fwrf&example=astronaut"
SECONDS = 240  # until the comparison is complete


def main() -> None:
    """Serve, look, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", nargs="?", help="default: the store for trying")
    given = parser.parse_args().store
    import uvicorn

    from braincodec.app import Explorer
    from braincodec.app.serve import build_app, private_uploads
    from braincodec.app.trial_store import trial_store
    from braincodec.store import open_store

    store = open_store(given or str(trial_store()))
    with private_uploads(), Explorer(store) as explorer, socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
        trial.close()
        server = uvicorn.Server(uvicorn.Config(build_app(explorer), port=port, log_level="warning"))
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.1)
        save(photographed(f"http://127.0.0.1:{port}/{QUERY}"))
        server.should_exit = server.force_exit = True


def photographed(address: str) -> bytes:
    """The page as PNG, once the comparison and the nearest images are there."""
    from playwright.sync_api import sync_playwright

    browser = next(path for name in ("chromium", "google-chrome") if (path := shutil.which(name)))
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--enable-unsafe-swiftshader"])
        page = opened.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.set_default_timeout(1000 * SECONDS)
        page.goto(address)
        page.locator("#nearest img").first.wait_for()
        page.wait_for_timeout(2000)  # the cortex is drawn finely when it lies still
        content = page.screenshot()
        opened.close()
    return content


def save(content: bytes) -> None:
    """As JPEG, as good as the limit allows."""
    from PIL import Image

    picture = Image.open(io.BytesIO(content)).convert("RGB")
    for quality in range(92, 40, -4):
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=quality, optimize=True, progressive=True)
        if len(stream.getvalue()) < MOST_BYTES:
            break
    PICTURE.write_bytes(stream.getvalue())


if __name__ == "__main__":
    main()

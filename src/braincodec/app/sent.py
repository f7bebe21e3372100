"""What visitors send: the folder of a run that their files lie in, and the requests that name these files.

Gradio fetches whatever address a request gives as the place of a file, and reads whatever path of this computer it
gives. Here only a file that the page's own upload has put into the folder can be named.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VARIABLE = "GRADIO_TEMP_DIR"  # tells Gradio where to put files
# s: how often old files are looked for, and how old they get
CLEANED_EVERY, KEPT = 600, 3600
# the upload puts each file into a folder that is named by its content
OF_CONTENT = re.compile(r"[0-9a-f]{64}")
FILE_ROUTE = "/gradio_api/file="
log = logging.getLogger(__name__)


class RefusedError(ValueError):
    """A request that is not served; the message is one sentence."""


def checked_request(body: bytes, folder: Path) -> dict[str, Any]:
    """A request of the page, where every file in it is one that was uploaded; without the files' addresses.

    Parameters
    ----------
    body : bytes
    folder : Path
        That uploads lie in.

    Raises
    ------
    RefusedError

    Examples
    --------
    >>> checked_request(b'{"data": [null, "V1"]}', Path("/tmp/uploads"))
    {'data': [None, 'V1']}
    >>> checked_request(b'{"data": [{"path": "https://elsewhere.example/a.png"}]}', Path("/tmp/uploads"))
    Traceback (most recent call last):
    braincodec.app.sent.RefusedError: A request may name only files that were uploaded to this page.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError("The request is not in the form that this page sends.") from None
    if not isinstance(request, dict):
        raise RefusedError("The request is not in the form that this page sends.")
    waiting: list[Any] = [request]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            _check_file(here, folder)
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)
    return request


def _check_file(one: dict[str, Any], folder: Path) -> None:
    """Whether a piece of a request names a file other than an upload; its address is taken away."""
    path, address = one.get("path"), one.pop("url", None)
    if path is None and address is None:
        return
    known = isinstance(path, str) and _is_upload(path, folder)
    # browsers send the address at which the upload can be had, which nobody needs
    if not known or not (address is None or (isinstance(address, str) and address.endswith(f"{FILE_ROUTE}{path}"))):
        raise RefusedError("A request may name only files that were uploaded to this page.")


def _is_upload(path: str, folder: Path) -> bool:
    place = Path(path)
    if "\0" in path or place.parent.parent != folder or not OF_CONTENT.fullmatch(place.parent.name):
        return False
    return place.name not in ("", ".", "..") and not place.is_symlink()


@contextlib.contextmanager
def private_uploads(*, every: float = CLEANED_EVERY, kept: float = KEPT) -> Iterator[Path]:
    """A folder of this run for what visitors send; files are removed when they are old, the folder at the end.

    Parameters
    ----------
    every : float
        Seconds between looks for old files.
    kept : float
        Seconds that a file is kept.
    """
    before, ended = os.environ.get(VARIABLE), threading.Event()
    with tempfile.TemporaryDirectory(prefix="braincodec-app-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        os.environ[VARIABLE] = str(folder)
        cleaner = threading.Thread(target=_clean, args=(folder, every, kept, ended), name="uploads", daemon=True)
        cleaner.start()
        try:
            yield folder
        finally:
            ended.set()
            cleaner.join()
            os.environ.pop(VARIABLE)
            if before is not None:
                os.environ[VARIABLE] = before


def _clean(folder: Path, every: float, kept: float, ended: threading.Event) -> None:
    while not ended.wait(every):
        remove_old(folder, kept)


def remove_old(folder: Path, kept: float) -> None:
    """Remove files that have not been written to for `kept` seconds, and folders that are empty then."""
    oldest = time.time() - kept
    for place in sorted(folder.rglob("*"), reverse=True):  # what is within a folder before the folder
        try:
            if place.is_dir() and not place.is_symlink():
                # one that is new waits for its file; one that is not empty stays
                if place.stat().st_mtime < oldest and not any(place.iterdir()):
                    place.rmdir()
            elif place.lstat().st_mtime < oldest:
                place.unlink()
        except FileNotFoundError:
            continue
        except OSError:
            log.exception("an old upload could not be removed")

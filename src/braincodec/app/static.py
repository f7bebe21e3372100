"""The page's own files: scripts, style sheet, the cortex and the examples, from the installed package."""

from __future__ import annotations

import contextlib
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from braincodec.app.views.mesh_file import mesh_file
from braincodec.app.views.pictures import jpeg
from braincodec.errors import MissingExtraError

if TYPE_CHECKING:
    from braincodec.app.explorer import Explorer

FOLDER = "braincodec"
KINDS = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
MESH = "cortex.bin"
EXAMPLE_SIDE = 176
# s; the addresses carry a fingerprint of the content
LONG = 31_536_000


class StaticFiles:
    """Files by name, in memory, with their kinds.

    Parameters
    ----------
    explorer : Explorer
        Whose examples are offered.
    """

    def __init__(self, explorer: Explorer) -> None:
        self.files: dict[str, tuple[bytes, str]] = {}
        for entry in resources.files("braincodec.app").joinpath("assets").iterdir():
            kind = KINDS.get(entry.name.rpartition(".")[2])
            if kind:
                self.files[entry.name] = (entry.read_bytes(), f"{kind}; charset=utf-8")
        # without nilearn there is no cortex; models of sensors are shown all the same
        with contextlib.suppress(MissingExtraError):
            self.files[MESH] = (mesh_file(), "application/octet-stream")
        for place, one in enumerate(explorer.examples()):
            self.files[f"examples/{place}.jpg"] = (jpeg(one.pixels, EXAMPLE_SIDE), "image/jpeg")
        contents = b"".join(content for _, (content, _) in sorted(self.files.items()))
        self.version = hashlib.sha256(contents).hexdigest()[:12]

    @property
    def folder(self) -> str:
        """Address below which the files lie; changes with their content."""
        return f"{FOLDER}/{self.version}"

    def head(self) -> str:
        """What the page's head needs of them."""
        at = self.folder
        mesh = f'<link data-mesh rel="preload" as="fetch" crossorigin href="{at}/{MESH}">' if MESH in self.files else ""
        return (
            f'<link rel="stylesheet" href="{at}/explorer.css"><link rel="icon" href="{at}/icon.svg">{mesh}'
            f'<script type="module" src="{at}/explorer.js"></script>'
        )

    def find(self, path: str) -> tuple[bytes, str] | None:
        """Content and kind of the file at ``version/name``; None where there is none."""
        _, _, name = path.partition("/")
        return self.files.get(name)

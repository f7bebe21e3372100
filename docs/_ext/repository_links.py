"""Relative links that leave `docs/` point to files of the repository: on the site they become addresses.

On a code host they work as they are. A file that does not exist is a warning, and so an error of `make docs`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

REPOSITORY = "https://github.com/braincodec/braincodec/blob/main/"
# [text](../../file.py#part), but neither an address nor an anchor
LINK = re.compile(r"(?<=\]\()(?P<path>\.\./[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))")
logger = logging.getLogger(__name__)


def address_of(path: str, page: Path, docs: Path) -> str | None:
    """The address of a file outside `docs`; None for one inside it.

    Raises
    ------
    FileNotFoundError
        When there is no such file in the repository.
    """
    target = (page.parent / path).resolve()
    if target.is_relative_to(docs):
        return None
    if not target.exists() or not target.is_relative_to(docs.parent):
        raise FileNotFoundError(f"{path} is no file of the repository")
    return REPOSITORY + target.relative_to(docs.parent).as_posix()


def replace_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put addresses in place of links that leave the folder of pages."""
    page = Path(app.env.doc2path(docname))

    def address(link: re.Match[str]) -> str:
        try:
            found = address_of(link["path"], page, Path(app.srcdir).resolve())
        except FileNotFoundError as error:
            logger.warning("%s", error, location=docname, type="repository_links")
            found = None
        return (found or link["path"]) + (link["anchor"] or "")

    source[0] = LINK.sub(address, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Look at every page when it is read."""
    app.connect("source-read", replace_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

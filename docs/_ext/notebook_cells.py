"""Cells of tutorials are coloured as IPython's Python, also where they are not run: it has `!command` and `%magic`."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def name_language(app: Sphinx, doctree: nodes.document) -> None:
    """Until a kernel has said more, cells count as plain Python."""
    if "kernelspec" in app.env.metadata[app.env.current_document.docname]:
        for block in doctree.findall(nodes.literal_block):
            if block.get("language") == "python":
                block["language"] = "ipython3"


def setup(app: Sphinx) -> dict[str, Any]:
    """Look at every page that was read."""
    app.connect("doctree-read", name_language)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

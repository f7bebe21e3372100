"""The model card as HTML: Markdown in, nothing out that could run or load."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def card_html(markdown: str, below: int) -> str:
    """HTML of a model card: tags in it are shown as text, images become their words, front matter is left out.

    Parameters
    ----------
    markdown : str
    below : int
        Level of the heading that the card stands under.

    Returns
    -------
    str
        Safe to stand in a page as it is.

    Examples
    --------
    >>> print(card_html("# ridge <b>", below=2))
    <h3>ridge &lt;b&gt;</h3>
    <BLANKLINE>
    """
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")
    tokens = parser.parse(FRONT_MATTER.sub("", markdown.replace("\r\n", "\n")))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + below)}"
    html: str = parser.renderer.render(tokens, parser.options, {})
    return html.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")

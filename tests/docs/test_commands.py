"""Command lines on pages are lines that the program takes."""

from __future__ import annotations

import pytest

from ..documents import NAMED, all_pages, commands_of, known_commands, read_page

KNOWN = known_commands()
PAGES = [page for page in all_pages() if list(commands_of(page)) or NAMED.search(read_page(page))]


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_on_the_page_exist(page: str) -> None:
    for line, words in commands_of(page):
        if words[0] in ("--help", "--version"):
            continue
        name = " ".join(words[:2]) if " ".join(words[:2]) in KNOWN else words[0]
        assert name in KNOWN, line
        given = {word.partition("=")[0] for word in words if word.startswith("-") and word.strip("-")}
        assert given <= KNOWN[name], f"{line}: unknown {sorted(given - KNOWN[name])}"
    assert set(NAMED.findall(read_page(page))) <= set(KNOWN)

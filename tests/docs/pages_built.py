"""What the built site links to, read from its HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

# elements whose addresses a browser fetches by itself
FETCHED = dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed"), "src")
FETCHED_LINKS = {"stylesheet", "preload", "icon", "shortcut", "modulepreload", "preconnect", "dns-prefetch", "manifest"}


@dataclass
class Built(HTMLParser):
    """One built page."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    fetched: set[str] = field(default_factory=set)
    images_without_words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if tag in FETCHED and FETCHED[tag] in given:
            self.fetched.add(given[FETCHED[tag]])
        if tag == "link" and FETCHED_LINKS & set(given.get("rel", "").split()):
            self.fetched.add(given.get("href", ""))
        if tag == "img" and "alt" not in given:
            self.images_without_words.append(given.get("src", ""))


def is_external(address: str) -> bool:
    """Whether an address is on another host."""
    return bool(urlsplit(address).scheme) or address.startswith("//")


def target_of(page: str, link: str) -> tuple[str, str]:
    """The file that a link of a page leads to, by its path in the site, and the anchor in it."""
    parts = urlsplit(urljoin(f"/{page}", link))
    return unquote(parts.path).lstrip("/"), unquote(parts.fragment)

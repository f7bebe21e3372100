"""Bytes from an address into a file: begun again where an earlier run ended, never trusted before they are whole."""

from __future__ import annotations

import contextlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from braincodec.atomic import remove, sync, write_error, write_json
from braincodec.errors import BraincodecError, DamagedFileError, InputValueError, MissingFileError, UnreachableError

BLOCK = 2**20  # bytes
PATIENCE = (10, 60)  # seconds until connected, and between bytes
ATTEMPTS = 4  # without any byte in between
PAUSES = (0.5, 2.0, 5.0)  # seconds between attempts
OK, PARTIAL, BAD_RANGE = 200, 206, 416
ABSENT, REFUSED, TRANSIENT = (404, 410), (401, 403), (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Facts:
    """What an address says of its file.

    Attributes
    ----------
    address : str
    size : int or None
    version : str
        Changes with the content; empty where nothing is said.
    """

    address: str
    size: int | None
    version: str


class Address(ABC):
    """A file elsewhere."""

    def __init__(self, address: str) -> None:
        self.address = address

    @abstractmethod
    def facts(self) -> Facts:
        """Size and version, without the content."""

    @abstractmethod
    @contextlib.contextmanager
    def blocks(self, start: int, version: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The content from `start`, or from where the address begins: that place, and blocks of bytes."""


class HttpFile(Address):
    """A file at an http or https address."""

    def facts(self) -> Facts:
        """By HEAD, or by asking for one byte where HEAD is refused (as addresses signed for GET do)."""
        for method, asked in (("HEAD", {}), ("GET", {"Range": "bytes=0-0"})):
            with self._response(method, asked) as response:
                if response.status_code not in (OK, PARTIAL):
                    if method == "GET":
                        self._refuse(response.status_code)
                    continue
                self._refuse_page(response)
                total = response.headers.get("Content-Range", "").rpartition("/")[2]
                length = total if response.status_code == PARTIAL else response.headers.get("Content-Length", "")
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    length = ""
                return Facts(self.address, int(length) if length.isdigit() else None, _version(response.headers))
        raise AssertionError  # one of the two returns or raises

    @contextlib.contextmanager
    def blocks(self, start: int, version: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """By a range where the server knows ranges, else from the beginning."""
        asked = {"Range": f"bytes={start}-"} if start else {}
        if start and version:
            asked["If-Range"] = version
        with self._response("GET", asked) as response:
            if response.status_code == BAD_RANGE:  # the file is not as long as what is here
                raise _ShorterError
            if response.status_code not in (OK, PARTIAL):
                self._refuse(response.status_code)
            self._refuse_page(response)
            begins = 0
            if response.status_code == PARTIAL:
                first = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
                if not first.isdigit() or int(first) > start:
                    raise UnreachableError(f"{self.address} sends another range than was asked for")
                begins = int(first)
            yield begins, response.iter_content(BLOCK)

    @contextlib.contextmanager
    def _response(self, method: str, headers: dict[str, str]) -> Iterator[Any]:
        import requests  # a dependency of pooch

        headers = {"Accept-Encoding": "identity", **headers}  # ranges are of what is stored, not of what is packed
        try:
            with requests.request(
                method, self.address, headers=headers, stream=True, allow_redirects=True, timeout=PATIENCE
            ) as response:
                yield response
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise InputValueError(f"{self.address} is no address: {error}") from None

    def _refuse(self, status: int) -> None:
        if status in ABSENT:
            raise MissingFileError(self.address, "file", f"the server answers {status}")
        if status in REFUSED:
            raise UnreachableError(f"{self.address} refuses (it answers {status}): an agreement or login may be needed")
        if status in TRANSIENT:
            raise OSError(f"the server answers {status}")
        raise UnreachableError(f"{self.address} cannot be fetched: the server answers {status}")

    def _refuse_page(self, response: Any) -> None:
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind == "text/html" and not self.address.endswith((".html", ".htm")):
            raise UnreachableError(f"{self.address} answers with a web page instead of a file: a login may be needed")


class FsspecFile(Address):
    """A file at an address that fsspec opens."""

    def __init__(self, address: str) -> None:
        import fsspec

        super().__init__(address)
        try:
            self._files, self._path = fsspec.url_to_fs(address)
        except (ImportError, ValueError) as error:  # fsspec says what to install
            raise InputValueError(f"cannot read {address}: {error}") from error

    def facts(self) -> Facts:
        """What the file system lists."""
        from braincodec.remote import VERSION_KEYS

        self._files.invalidate_cache()
        try:
            entry = self._files.info(self._path)
        except FileNotFoundError:
            raise MissingFileError(self.address) from None
        version = next((str(entry[key]) for key in VERSION_KEYS if entry.get(key)), "")
        return Facts(self.address, entry.get("size"), version)

    @contextlib.contextmanager
    def blocks(self, start: int, version: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """From `start`, where the file is still the same version."""
        begins = start if self.facts().version == version else 0
        with self._files.open(self._path, "rb") as file:
            file.seek(begins)
            yield begins, iter(lambda: file.read(BLOCK), b"")


class _ShorterError(Exception):
    """The file is not as long as the part that is here."""


def open_address(address: str) -> Address:
    """What reads an address, by its scheme."""
    return HttpFile(address) if address.startswith(("http://", "https://")) else FsspecFile(address)


def read_facts(address: str) -> Facts:
    """Size and version of the file at an address.

    Raises
    ------
    MissingFileError, UnreachableError
    """
    return _patiently(open_address(address).facts, address, "")


def part_here(part: Path, facts: Facts, *, checked: bool) -> int:
    """Bytes of an unfinished file that an earlier run left and that still fit; 0 where there are none.

    Parameters
    ----------
    part : Path
    facts : Facts
    checked : bool
        Whether a checksum is known. Without one, and without a version at the address, nobody could tell that the rest
        belongs to another version.
    """
    if not (facts.version or checked):
        return 0
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(_note(part).read_text())
        size = part.stat().st_size
        if known == asdict(facts) and (facts.size is None or size <= facts.size):
            return size
    return 0


def transfer(
    facts: Facts, part: Path, advance: Callable[[int], None] = lambda _: None, *, checked: bool = False
) -> None:
    """Bring a file here, going on with what an earlier run left in `part`.

    Parameters
    ----------
    facts : Facts
        From `read_facts`.
    part : Path
        Where bytes are gathered; a note beside it says of which version they are.
    advance : function
        Called with numbers of bytes; a negative one where a server begins again.
    checked : bool
        As in `part_here`.

    Raises
    ------
    UnreachableError
        When the address stops answering; what came until then stays, and the next run goes on.
    MissingFileError, DamagedFileError, OutputError
    """
    if not part_here(part, facts, checked=checked):
        remove(part)
        try:
            part.touch()
            write_json(_note(part), asdict(facts))
        except OSError as error:
            raise write_error(part, error) from error
    source = open_address(facts.address)
    hint = f"; what came so far is kept in {part.parent}, fetch again to go on"
    _patiently(lambda: _append(source, facts, part, advance), facts.address, hint, progress=part)
    sync(part)


def discard(part: Path) -> None:
    """Remove an unfinished file and its note."""
    remove(part)
    remove(_note(part))


def _append(source: Address, facts: Facts, part: Path, advance: Callable[[int], None]) -> None:
    have = part.stat().st_size
    if have and have == facts.size:
        return
    with _shorter_means_again(part, advance), source.blocks(have, facts.version) as (begins, blocks):
        try:
            file = part.open("r+b")
        except OSError as error:
            raise write_error(part, error) from error
        with file:
            file.truncate(begins)
            file.seek(begins)
            advance(begins - have)
            for block in blocks:
                try:
                    file.write(block)
                except OSError as error:
                    raise write_error(part, error) from error
                advance(len(block))
    size = part.stat().st_size
    if facts.size is not None and size > facts.size:
        discard(part)
        raise DamagedFileError(
            f"{facts.address} sent {size:,} bytes instead of {facts.size:,}; they were removed, fetch it again"
        )
    if facts.size is not None and size < facts.size:
        raise OSError(f"the connection ended after {size:,} of {facts.size:,} bytes")


@contextlib.contextmanager
def _shorter_means_again(part: Path, advance: Callable[[int], None]) -> Iterator[None]:
    try:
        yield
    except _ShorterError:
        advance(-part.stat().st_size)
        part.write_bytes(b"")
        raise OSError("the file at the address is shorter than what was fetched of it") from None


def _patiently(work: Callable[[], Any], address: str, hint: str, progress: Path | None = None) -> Any:
    """Do `work`, again after a pause where the network fails; attempts are counted anew when bytes came."""
    attempt, before = 0, -1
    while True:
        try:
            return work()
        except BraincodecError:
            raise
        except Exception as error:  # requests and every file system bring kinds of their own
            if not isinstance(error, OSError):
                raise UnreachableError(f"{address} cannot be read: {error or type(error).__name__}") from error
            now = progress.stat().st_size if progress is not None and progress.exists() else 0
            attempt = 0 if now > before >= 0 else attempt + 1
            before = now
            if attempt >= ATTEMPTS:
                raise UnreachableError(f"{address} does not answer: {error}{hint}") from error
            time.sleep(PAUSES[min(attempt, len(PAUSES)) - 1] if attempt else 0.0)


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _version(headers: Any) -> str:
    tag = headers.get("ETag", "")
    return str(headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag)

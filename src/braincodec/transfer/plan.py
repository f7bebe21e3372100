"""What is copied from where to where, and how much of it is there already."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from braincodec.progress import Advance, progress_bar

KILOBYTE = 1000


@dataclass(frozen=True)
class TransferFile:
    """One file.

    Attributes
    ----------
    name : str
        Below both places.
    size : int or None
        Bytes; None where the address does not say.
    there : bool
        Whether the same file lay at the target before.
    """

    name: str
    size: int | None
    there: bool = False


@dataclass(frozen=True)
class Transfer:
    """What was copied, or would be.

    Attributes
    ----------
    source, target : str
    files : tuple of TransferFile

    Examples
    --------
    >>> print(Transfer("store", "s3://bucket", (TransferFile("a", 2_500_000), TransferFile("b", 10, there=True))))
    store to s3://bucket: 2 files, 2.5 MB; of these 1 (0.0 MB) is there already, 2.5 MB to copy
    """

    source: str
    target: str
    files: tuple[TransferFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files, as far as they are known."""
        return sum(file.size or 0 for file in self.files)

    @property
    def missing(self) -> tuple[TransferFile, ...]:
        """The files that are still to be copied."""
        return tuple(file for file in self.files if not file.there)

    @property
    def missing_size(self) -> int:
        """Their bytes, as far as they are known."""
        return sum(file.size or 0 for file in self.missing)

    def __str__(self) -> str:
        there = len(self.files) - len(self.missing)
        have = ""
        if there:
            verb = "is" if there == 1 else "are"
            have = f"; of these {there} ({in_words(self.size - self.missing_size)}) {verb} there already, "
            have += f"{in_words(self.missing_size)} to copy" if self.missing else "nothing to copy"
        count = f"{len(self.files)} file{'s' if len(self.files) != 1 else ''}"
        unknown = sum(file.size is None for file in self.missing)
        more = f" and {unknown} of unknown size" if unknown else ""
        return f"{self.source} to {self.target}: {count}, {in_words(self.size)}{more}{have}"


def in_words(count: int) -> str:
    """Bytes in words.

    Examples
    --------
    >>> in_words(3_700_000_000), in_words(12_345_678)
    ('3.70 GB', '12.3 MB')
    """
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


@contextlib.contextmanager
def shown(transfer: Transfer, verb: str, show: bool | None) -> Iterator[Advance]:
    """Say on stderr how much there is to copy, and show a bar in kilobytes while the block runs."""
    if sys.stderr.isatty() if show is None else show:
        sys.stderr.write(f"{transfer}\n")
    done = 0
    with progress_bar(f"{verb}, kB", -(-transfer.missing_size // KILOBYTE), show=show) as bar:

        def advance(count: int) -> None:
            nonlocal done
            before, done = done // KILOBYTE, done + count
            bar(done // KILOBYTE - before)

        yield advance

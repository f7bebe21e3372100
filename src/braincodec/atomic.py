"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from braincodec.errors import OutputError


@contextlib.contextmanager
def atomic_path(target: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary name beside `target`; rename to `target` when the block ends well.

    Works for files and folders. When the block raises, whatever was written is removed
    and `target` is as it was. An `OSError` inside becomes an `OutputError` that names `target`.

    Parameters
    ----------
    target : str or Path
    overwrite : bool
        Replace an existing target; otherwise that is an `OutputError`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> (folder / "a.txt").read_text()
    'whole'
    """
    target = Path(target)
    refuse_existing(target, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(target, error) from error
    # the suffix stays, because some writers choose their format by it
    temporary = target.with_name(f".{uuid.uuid4().hex[:12]}-{target.name}")
    try:
        yield temporary
        replace(temporary, target)
    except OutputError:
        raise
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        remove(temporary)


def refuse_existing(target: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` when `target` exists and must not be replaced."""
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists; choose another name or ask to overwrite it (--overwrite, overwrite=True)")


def replace(source: Path, target: Path) -> None:
    """Rename `source` to `target`, replacing what was there (folders too)."""
    if target.is_dir() and not target.is_symlink():
        aside = target.with_name(f".{uuid.uuid4().hex[:12]}-{target.name}")
        target.replace(aside)
        try:
            source.replace(target)
        except OSError:
            aside.replace(target)
            raise
        remove(aside)
    else:
        source.replace(target)


def remove(path: Path) -> None:
    """Remove a file or folder; silently nothing when it is absent."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_error(target: Path, error: OSError) -> OutputError:
    """An `OutputError` that names the file, the reason and the free space on its disk."""
    existing = next((folder for folder in (target, *target.parents) if folder.exists()), Path())
    free = shutil.disk_usage(existing).free
    return OutputError(f"cannot write {target}: {error.strerror or error} ({free / 1e6:,.1f} MB free on that disk)")

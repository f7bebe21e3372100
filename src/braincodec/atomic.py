"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from braincodec.errors import BraincodecError, OutputError

# what a system says that has no room left; libraries that write by themselves give no number
WANT_OF_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def atomic_path(target: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary name beside `target`; rename to `target` when the block ends well.

    Works for files and folders. When the block raises, whatever was written is removed
    and `target` is as it was; folders made for it go too. An `OSError` inside becomes an `OutputError` that names
    `target`; errors of braincodec's own pass as they are.

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
    new_folders = [folder for folder in target.parents if not folder.exists()]  # innermost first
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(target, error) from error
    # the suffix stays, because some writers choose their format by it
    temporary = target.with_name(f".{uuid.uuid4().hex[:12]}-{target.name}")
    try:
        yield temporary
        refuse_existing(target, overwrite=overwrite)  # somebody else may have been quicker
        replace(temporary, target)
        new_folders = []
    except BraincodecError:
        raise
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        remove(temporary)
        with contextlib.suppress(OSError):  # not empty: others use it
            for folder in new_folders:
                folder.rmdir()


def refuse_existing(target: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` when `target` exists and must not be replaced."""
    if os.path.lexists(target) and not overwrite:
        raise OutputError(f"{target} exists; choose another name or ask to overwrite it (--overwrite, overwrite=True)")


def refuse_other_folder(target: Path, mark: str, what: str) -> None:
    """Raise `OutputError` where `target` is no earlier one of its kind, so that overwriting would lose other files.

    Parameters
    ----------
    target : Path
        Need not exist; may be empty.
    mark : str
        File that every folder of the kind has.
    what : str
        Name of the kind.
    """
    if target.is_dir() and not (target / mark).is_file() and any(target.iterdir()):
        raise OutputError(
            f"{target} is no earlier {what} (there is no {mark} in it), so it is not overwritten; choose another name, "
            "or remove it yourself"
        )


def replace(source: Path, target: Path) -> None:
    """Rename `source` to `target`, replacing what was there: file, folder or link."""
    folder_in_the_way = target.is_dir() and not target.is_symlink()
    if folder_in_the_way or (source.is_dir() and os.path.lexists(target)):  # neither is replaced in one step
        aside = target.with_name(f".{uuid.uuid4().hex[:12]}-{target.name}")
        target.replace(aside)
        try:
            source.replace(target)
        except BaseException:
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
    """An `OutputError` that names the file and the reason, and where that may be want of room, how much there is."""
    words = f"cannot write {target}: {error.strerror or error}"
    if error.errno is not None and error.errno not in WANT_OF_ROOM:
        return OutputError(words)
    return OutputError(f"{words} ({shutil.disk_usage(nearest_existing(target)).free / 1e6:,.1f} MB free on that disk)")


def nearest_existing(path: Path) -> Path:
    """The path itself or the nearest of those above it that is there."""
    return next((one for one in (path, *path.parents) if one.exists()), Path())


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file in one step, once the new content is on the disk."""
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def sync(path: Path) -> None:
    """Wait until a file is on the disk; silently nothing when it is absent."""
    if path.exists():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def exclusive_lock(path: Path) -> IO[str]:
    """Take a lock file for this process; the lock ends when the file is closed, or the process.

    Raises
    ------
    OutputError
        When another process has it.
    """
    file = path.open("w")
    with contextlib.suppress(ImportError):  # no advisory locks on this system
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise OutputError(f"{path.parent} is being written by another process") from None
        except OSError:  # a file system without locks
            pass
    return file

"""How much memory is left under the limits of machine, container and job, and how to stay within it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

# a temporary array of this size costs little memory, and work on it is long beside what starting it takes
TILE_BYTES = 32 * 2**20

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
# file names of the two versions of Linux control groups: limit, bytes in use, file cache that can be dropped
VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
VERSION_2 = ("memory.max", "memory.current", "inactive_file")


def free_main_memory() -> int:
    """Bytes that this process can still allocate, limits of containers and jobs included."""
    import psutil

    return max(0, min([int(psutil.virtual_memory().available), *group_rooms()]))


def group_rooms(root: Path = CONTROL_GROUPS, own: Path = OWN_GROUPS) -> list[int]:
    """Bytes left under each memory limit that holds for this process: its own control group's and those around it."""
    rooms = []
    for folder, names in _groups(root, own):
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
            limit, used = (int((folder / name).read_text()) for name in names[:2])
            rooms.append(limit - used + _droppable(folder, names[2]))
    return rooms


def _groups(root: Path, own: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    try:
        lines = own.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, names = root, VERSION_2
        elif "memory" in controllers.split(","):
            top, names = root / "memory", VERSION_1
        else:
            continue
        # inside a container the path may be the host's: its own limit then lies at the top
        folder = top / path.strip("/")
        for place in (folder, *folder.parents):
            yield place, names
            if place == top:
                break


def _droppable(folder: Path, name: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        fields = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int(fields.get(name, 0))
    return 0


def tiles(count: int, bytes_each: int, tile_bytes: int = TILE_BYTES) -> Iterator[slice]:
    """Cut `count` items (units, rows) into slices, so that a temporary array over one slice stays small.

    Parameters
    ----------
    count : int
    bytes_each : int
        What one item takes in the largest temporary array.
    tile_bytes : int
        What a tile may take; one item always fits.

    Examples
    --------
    >>> list(tiles(5, bytes_each=8, tile_bytes=16))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, tile_bytes // max(1, bytes_each))
    for begin in range(0, count, step):
        yield slice(begin, min(count, begin + step))

"""Tables beside decoded images: which file is which, and which images of a gallery are nearest."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from braincodec.atomic import atomic_path

if TYPE_CHECKING:
    import xarray as xr


def write_table(path: Path, names: Sequence[str], files: Sequence[Sequence[str]], folder: str) -> Path:
    """Write which file of `folder` shows which sample of which stimulus."""
    rows = [
        (f"{folder}/{file}", name, sample)
        for name, own in zip(names, files, strict=True)
        for sample, file in enumerate(own, 1)
    ]
    return _write_csv(path, ("file", "stimulus", "sample"), rows)


def write_hits(path: Path, hits: xr.Dataset) -> Path:
    """Write what ``retrieve`` found: a row for each stimulus and rank.

    Examples
    --------
    >>> import tempfile, xarray
    >>> hits = xarray.Dataset({"id": (("stimulus", "rank"), [["cat"]]), "similarity": (("stimulus", "rank"), [[0.5]])},
    ...                       {"stimulus": ["a"]})
    >>> write_hits(Path(tempfile.mkdtemp()) / "hits.csv", hits).read_text().split()
    ['stimulus,rank,id,similarity', 'a,1,cat,0.5']
    """
    rows = [
        (stimulus, rank, str(item), f"{float(similarity):.6g}")
        for stimulus, items, values in zip(
            hits["stimulus"].values, hits["id"].values, hits["similarity"].values, strict=True
        )
        for rank, (item, similarity) in enumerate(zip(items, values, strict=True), 1)
    ]
    return _write_csv(path, ("stimulus", "rank", "id", "similarity"), rows)


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with atomic_path(path, overwrite=True) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path

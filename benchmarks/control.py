"""Searching images by generated responses: seconds and memory, beside the plain form of relational neural control.

``python benchmarks/control.py [--images 73000] [--units 1350] [--pool 3000] [--folder DIR]``; each line is one process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from printing import print_rows

ROIS = ("V1", "V2")
CHOSEN, BATCH, BATCHES = 25, 50, 200
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75)


def plain_univariate(first: Any, second: Any, count: int, baseline: tuple[float, float]) -> NDArray[np.intp]:
    """Images that drive the first region and not the second: whole arrays are read, averaged, ranked."""
    a, b = np.nanmean(first[:], 1), np.nanmean(second[:], 1)
    order = np.argsort(a - b)[::-1]
    allowed = (a[order] >= baseline[0]) & (b[order] <= baseline[1])
    return order[allowed][:count]


def plain_generation(
    batches: NDArray[np.intp], first: NDArray[np.floating], second: NDArray[np.floating], rng: np.random.Generator
) -> tuple[NDArray[np.intp], float]:
    """One generation of the genetic search to align two matrices, batch by batch."""
    images, size = len(first), batches.shape[1]
    mutated = []
    for batch in batches:
        others = np.flatnonzero(~np.isin(np.arange(images), batch))
        for share in SHARES:
            amount = max(1, round(share * size))
            copy = batch.copy()
            copy[rng.choice(size, amount, replace=False)] = rng.choice(others, amount, replace=False)
            mutated.append(copy)
    grown = np.concatenate([batches, mutated])
    newcomers = np.array([rng.choice(images, size, replace=False) for _ in grown])
    grown = np.concatenate([grown, newcomers])
    below = np.tril_indices(size, -1)
    scores = np.array([
        np.corrcoef(first[batch][:, batch][below], second[batch][:, batch][below])[0, 1] for batch in grown
    ])  # fmt: skip
    best = np.argsort(scores)[::-1][: len(batches)]
    return grown[best], float(scores[best[0]])


def write_responses(folder: Path, images: int, units: int) -> None:
    """Responses of two regions as NED keeps them: an HDF5 file each."""
    import h5py

    rng = np.random.default_rng(0)
    place = folder / "synthetic_neural_responses/modality-fmri/train_dataset-nsd/model-fwrf/imageset-nsd"
    place.mkdir(parents=True)
    for roi in ROIS:
        with h5py.File(place / f"synthetic_neural_responses_sub-01_roi-{roi}.h5", "w") as file:
            data = file.create_dataset("synthetic_neural_responses", (images, units), "f4")
            for start in range(0, images, 5000):
                block = min(5000, images - start)
                shared = rng.standard_normal((block, 1), np.float32)
                data[start : start + block] = shared + rng.standard_normal((block, units), np.float32)


def search_plain(folder: Path, scale: str) -> None:
    """The plain form reads whole regions."""
    import h5py

    files = [h5py.File(path)["synthetic_neural_responses"] for path in sorted(folder.rglob("*.h5"))]
    plain_univariate(files[0], files[1], CHOSEN, (0.0, 0.0))


def search_ours(folder: Path, scale: str) -> None:
    """Ours, with baseline, interval and test."""
    import braincodec as bc

    bc.control.search(bc.open_store(folder), drive=ROIS[0], suppress=ROIS[1], images=CHOSEN, scale=scale)  # type: ignore[arg-type]


SEARCHES: dict[str, Callable[[Path, str], None]] = {"plain": search_plain, "braincodec": search_ours}


def measured(form: str, folder: Path, scale: str) -> dict[str, float]:
    """Seconds, and memory above that of imports, in a process of its own."""
    command = [sys.executable, __file__, "--form", form, "--folder", str(folder), "--scale", scale]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(found.stdout))


def run_form(form: str, folder: Path, scale: str) -> None:
    """What `measured` starts; what is imported on the way is imported before."""
    with tempfile.TemporaryDirectory() as small:
        write_responses(Path(small), 200, 5)
        SEARCHES[form](Path(small), scale)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, processor = time.perf_counter(), time.process_time()
    SEARCHES[form](folder, scale)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    print(
        json.dumps(
            {
                "seconds": seconds,
                "processor seconds": processor,
                "MB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3,
            }
        )
    )


def compare_univariate(images: int, units: int) -> None:
    """Seconds and peak memory of searching one subject's two regions."""
    with tempfile.TemporaryDirectory() as folder:
        write_responses(Path(folder), images, units)
        rows = []
        for form, scale, what in (
            ("plain", "raw", "choice alone"),
            ("braincodec", "raw", "choice, baseline, interval, test"),
            ("braincodec", "zscored", "the same, units and regions in standard deviations"),
        ):
            found = measured(form, Path(folder), scale)
            rows.append({"univariate": form, "gives": what, "images": images, "units a region": units} | found)
        print_rows(rows)


def compare_multivariate(images: int, generations: int) -> None:
    """Generations a second, and how alike the regions are after as many seconds."""
    from braincodec.control import evolve, paired_matrices, similarity_matrix

    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((images, 40)).astype(np.float32)
    matrices = [similarity_matrix(patterns @ rng.standard_normal((40, 200)).astype(np.float32)) for _ in ROIS]
    batches = np.array([rng.choice(images, BATCH, replace=False) for _ in range(BATCHES)])
    start = time.perf_counter()
    for _ in range(2):
        batches, _ = plain_generation(batches, matrices[0], matrices[1], rng)
    seconds = (time.perf_counter() - start) / 2
    rows = [{"multivariate": "plain", "scored a generation": 12 * BATCHES, "generations a second": 1 / seconds}]
    pair = paired_matrices(*matrices)
    for newcomers, scored in ((6 * BATCHES, 11 * BATCHES), (200, 5 * BATCHES + 200)):
        start = time.perf_counter()
        evolve(pair, BATCH, generations=generations, batches=BATCHES, newcomers=newcomers)
        took = (time.perf_counter() - start) / generations
        name = "braincodec" + (", as many newcomers" if newcomers > 200 else "")
        rows.append({"multivariate": name, "scored a generation": scored, "generations a second": 1 / took})
    print_rows(rows)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=73_000)
    parser.add_argument("--units", type=int, default=1_350)
    parser.add_argument("--pool", type=int, default=3_000, help="images of the multivariate search")
    parser.add_argument("--generations", type=int, default=40)
    parser.add_argument("--form", choices=list(SEARCHES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--scale", default="raw", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.form:
        run_form(given.form, given.folder, given.scale)
        return
    compare_univariate(given.images, given.units)
    compare_multivariate(given.pool, given.generations)


if __name__ == "__main__":
    main()

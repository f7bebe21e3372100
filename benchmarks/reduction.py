"""Speed and memory of standardise + PCA: ours beside scikit-learn's, on simulated features at full width, in one run.

python benchmarks/reduction.py            5, 10 and 20 % of 16,540 images at 460,800 features (about half an hour)
python benchmarks/reduction.py --quick    narrower features, for a look
python benchmarks/reduction.py --full     ours on all 16,540 images (15 GB on disk)

Rows are images; every layer's features are read from a cache on disk. Memory is the peak of the process above what it
held after importing torch and multiplying two matrices. scikit-learn's PCA holds all features, as the published code
does; its IncrementalPCA reads batches of rows. Shares of variance are those that each method itself reports.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from braincodec.device import fast_matmul, keep_freed_memory
from braincodec.features import FeatureCache, FeatureConfig, fit_reduction
from braincodec.features.cache.growing import GrowingCache
from braincodec.features.cache.identity import FORMAT, VERSION
from printing import print_rows

THREADS = 2
ALL_ROWS = 16_540  # training images of THINGS-EEG2
LAYERS = 12
RANK = 300
NOISE = 0.7
BATCH = 128
MOST_GIGABYTES = 3.0
MOST_DIFFERENCE = 0.005
EXACT_ROWS, EXACT_COLUMNS = 3000, 40_000


@dataclass(frozen=True)
class Case:
    """One fit in a process of its own."""

    method: str
    rows: int
    columns: int
    components: int


def write_features(folder: Path, rows: int, columns: int) -> Path:
    """A cache of `LAYERS` layers: a spectrum that falls as 1 / rank, noise, and means and sizes of their own."""
    path = folder / f"{rows}-{columns}.zarr"
    layers = tuple(f"layer {number}" for number in range(LAYERS))
    width = columns // LAYERS
    config = FeatureConfig(backbone="simulated:features", layers=layers).model_dump(mode="json")
    about = {"format": FORMAT, "version": VERSION, "features": config, "dtype": "float16"}
    generator = torch.Generator().manual_seed(0)
    loadings = torch.randn(RANK, LAYERS * width, generator=generator)
    loadings /= torch.arange(1, RANK + 1).sqrt()[:, None] * sum(1 / rank for rank in range(1, RANK + 1)) ** 0.5
    mean, size = torch.randn(2, LAYERS * width, generator=generator)
    with GrowingCache(path, about, dict.fromkeys(layers, (width,)), [str(row) for row in range(rows)]) as cache:
        for begin in range(0, rows, BATCH):
            count = min(BATCH, rows - begin)
            values = torch.empty(count, LAYERS * width).normal_(generator=generator).mul_(NOISE)
            values += torch.randn(count, RANK, generator=generator) @ loadings
            block = (values * size + mean).half().numpy()
            parts = {layer: block[:, n * width : (n + 1) * width].copy() for n, layer in enumerate(layers)}
            cache.append(parts, begin + count)
        cache.finish()
    return path


def worker(path: str, method: str, components: int) -> None:
    """Fit; print time, peak memory and explained variance."""
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    with fast_matmul():
        torch.randn(512, 512) @ torch.randn(512, 512)
    from sklearn.decomposition import PCA, IncrementalPCA
    from sklearn.preprocessing import StandardScaler

    cache = FeatureCache(path)
    rows = len(cache.ids)
    before = resident_megabytes("VmRSS")
    begin = time.perf_counter()
    passes: object = ""
    if method.startswith("ours"):
        kind = method.partition(" ")[2] or "auto"
        target = Path(path).with_suffix(".safetensors") if components > 250 else None
        fitted = fit_reduction(cache, components, method=kind, path=target, overwrite=True)
        share, passes = fitted.explained_variance_ratio.sum(), f"{fitted.about['passes']} ({fitted.about['method']})"
    elif method.startswith("PCA"):
        x = np.concatenate([cache.arrays[layer][:].astype(np.float32) for layer in cache.layers], 1)
        solver = "full" if method == "PCA exact" else "randomized"
        pca = PCA(components, svd_solver=solver, random_state=0, copy=False)
        share = pca.fit(StandardScaler(copy=False).fit_transform(x)).explained_variance_ratio_.sum()
    else:
        scaler, incremental = StandardScaler(), IncrementalPCA(components)
        for part in row_batches(cache, rows, components):
            scaler.partial_fit(part)
        for part in row_batches(cache, rows, components):
            incremental.partial_fit(scaler.transform(part))
        share = incremental.explained_variance_ratio_.sum()
    took = time.perf_counter() - begin
    peak = resident_megabytes("VmHWM") - before
    print(json.dumps({"seconds": took, "peak MB": peak, "explained": float(share), "passes": passes}))


def row_batches(cache: FeatureCache, rows: int, components: int) -> Iterator[np.ndarray]:
    """All layers of some rows; IncrementalPCA takes no fewer rows than components at a time."""
    parts = max(rows // max(components, 200), 1)
    for part in np.array_split(np.arange(rows), parts):
        place = slice(int(part[0]), int(part[-1]) + 1)
        yield np.concatenate([cache.arrays[layer][place].astype(np.float32) for layer in cache.layers], 1)


def resident_megabytes(field: str) -> float:
    """``VmRSS``, memory held now, or ``VmHWM``, the most held so far."""
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields[field].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure(path: Path, case: Case) -> dict[str, object]:
    """Run one case in a process of its own."""
    command = [sys.executable, __file__, "--worker", json.dumps([str(path), case.method, case.components])]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=Path(__file__).parent)
    if done.returncode:
        reason = "out of memory" if done.returncode in (-9, 137) or "MemoryError" in done.stderr else done.stderr[-400:]
        return {"method": case.method, "rows": f"{case.rows:,}", "components": case.components, "failed": reason}
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "method": case.method,
        "rows": f"{case.rows:,} ({case.rows / ALL_ROWS:.0%})",
        "features": f"{case.columns:,}",
        "components": case.components,
        "passes": found["passes"],
        "seconds": found["seconds"],
        "peak GB": found["peak MB"] / 1024,
        "explained variance": f"{found['explained']:.5f}",
    }


def exactness(folder: Path, quick: bool) -> None:
    """Ours beside the exact decomposition where that runs."""
    rows, columns = (1000, 6000) if quick else (EXACT_ROWS, EXACT_COLUMNS)
    components = 100 if quick else 250
    path = write_features(folder, rows, columns)
    methods = ("PCA exact", "PCA", "IncrementalPCA", "ours gram", "ours krylov")
    table = [measure(path, Case(method, rows, columns, components)) for method in methods]
    exact = float(str(table[0]["explained variance"]))
    for row in table:
        difference = float(str(row["explained variance"])) / exact - 1
        row["difference"] = f"{difference:+.2%}"
        row["met"] = "" if "ours" not in str(row["method"]) else "yes" if abs(difference) <= MOST_DIFFERENCE else "NO"
    print(f"\nAgainst the exact decomposition, {rows:,} x {columns:,} (target: {MOST_DIFFERENCE:.1%})")
    print_rows(table)
    shutil.rmtree(path)


def scaling(folder: Path, quick: bool) -> None:
    """Time and memory at full width, for growing numbers of images."""
    columns = 46_080 if quick else 460_800
    components = 100 if quick else 250
    print(f"\nAt full width (target for ours: at most {MOST_GIGABYTES:.0f} GB)", flush=True)
    header = True
    everyone = ("PCA", "IncrementalPCA", "ours", "ours krylov")
    # the others need hours, or more memory than most machines have, for more rows
    for share, methods in ((0.05, everyone), (0.1, ("PCA", *everyone[2:])), (0.2, everyone[2:])):
        rows = round(share * ALL_ROWS)
        path = write_features(folder, rows, columns)
        for method in methods:
            print_rows([with_target(measure(path, Case(method, rows, columns, components)))], header)
            header = False
        shutil.rmtree(path)


def full(folder: Path) -> None:
    """Ours at full width and height: 250 components in memory, 1,000 written to disk."""
    path = write_features(folder, ALL_ROWS, 460_800)
    print(f"\nAll {ALL_ROWS:,} images (target: at most {MOST_GIGABYTES:.0f} GB)", flush=True)
    for components in (250, 1000):
        row = with_target(measure(path, Case("ours", ALL_ROWS, 460_800, components)))
        print_rows([row], header=components == 250)
    shutil.rmtree(path)


def with_target(row: dict[str, object]) -> dict[str, object]:
    """Whether the memory is within the target."""
    ours = str(row["method"]).startswith("ours") and "peak GB" in row
    return row | {"met": "" if not ours else "yes" if float(str(row["peak GB"])) <= MOST_GIGABYTES else "NO"}


def product_rate() -> float:
    """GFLOP/s of a 4096 x 4096 product, the quickest that is float32-grade."""
    a, b = torch.randn(2, 4096, 4096)
    with fast_matmul():
        a @ b
        begin = time.perf_counter()
        a @ b
        return 2 * 4096**3 / (time.perf_counter() - begin) / 1e9


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="narrower features")
    parser.add_argument("--full", action="store_true", help="ours on all images")
    parser.add_argument("--only", choices=["exactness", "scaling", "full"], help="one table")
    parser.add_argument("--folder", type=Path, help="where the simulated features go")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(*json.loads(options.worker))
        return
    torch.set_num_threads(THREADS)
    print(f"matrix product 4096: {product_rate():.0f} GFLOP/s fp32")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.only in (None, "exactness"):
            exactness(Path(folder), options.quick)
        if options.only in (None, "scaling"):
            scaling(Path(folder), options.quick)
        if options.full or options.only == "full":
            full(Path(folder))


if __name__ == "__main__":
    main()

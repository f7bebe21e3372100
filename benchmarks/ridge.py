"""Speed and memory of ridge regression: ours beside himalaya, in one run, with the machine's own limit.

python benchmarks/ridge.py            all tables (about ten minutes on two cores)
python benchmarks/ridge.py --quick    smaller problems, for a look; the targets are those of the full sizes

himalaya is timed on two fractions of the units and extended along the line through both.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from braincodec.device import fast_matmul, keep_freed_memory
from braincodec.readouts import banded_ridge_cv, make_folds, ridge_cv
from printing import print_rows

THREADS = 2
FOLDS = 5
# of 9,000 x 1,000 features to 10,000 units
MOST_SECONDS, LEAST_SHARE = 14, 0.42
LEAST_BANDED_RATIO = 5
WHOLE_CORTEX = 327_684


@dataclass(frozen=True)
class Sizes:
    """How large the problems are, and of how many units himalaya is timed."""

    stimuli: int = 9000
    features: int = 1000
    units: int = 10_000
    alphas: int = 20
    timed_units: tuple[int, int] = (200, 1000)
    runs: int = 5
    banded_stimuli: int = 3000
    banded_features: int = 300
    banded_units: int = 5000
    draws: int = 100
    timed_draws: int = 3
    wide: tuple[int, int, int] = (2000, 20_000, 10_000)

    @property
    def teraflop(self) -> float:
        """Arithmetic of the ridge problem."""
        moments = 2 * self.stimuli * self.features * self.units
        squares = 2 * self.features**2 * self.units
        scatter = 2 * self.stimuli * self.features**2
        return (scatter + moments + FOLDS * (2 + self.alphas) * squares + 2 * squares) / 1e12


QUICK = Sizes(
    stimuli=3000, features=300, units=3000, timed_units=(100, 400), runs=3, banded_stimuli=900, banded_features=80,
    banded_units=1000, draws=20, wide=(500, 3000, 2000),
)  # fmt: skip


def signal(stimuli: int, features: int, units: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features with a falling spectrum, and units of unit variance with more or less signal in them."""
    random = torch.Generator().manual_seed(seed)
    matrix = torch.randn(stimuli, features, generator=random) * torch.arange(1, features + 1.0) ** -0.5
    responses = matrix @ torch.randn(features, units, generator=random)
    responses /= responses.std(0)
    responses *= torch.rand(units, generator=random)
    responses += torch.randn(stimuli, units, generator=random)
    responses /= responses.std(0)
    return matrix.numpy(), responses.numpy()


def matrix_rate() -> float:
    """GFLOP/s of a 4096 x 4096 product, the quickest fp32-grade one."""
    a, b = torch.randn(2, 4096, 4096)
    with fast_matmul():
        return 2 * 4096**3 / seconds(lambda: a @ b) / 1e9


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def ridge(sizes: Sizes) -> list[dict[str, object]]:
    """Cross-validated ridge with a strength for each unit."""
    features, responses = signal(sizes.stimuli, sizes.features, sizes.units)
    alphas = np.logspace(-1, 5, sizes.alphas)
    folds = [(fold.train, fold.validation) for fold in make_folds(sizes.stimuli, FOLDS)]

    def ours() -> Any:
        return ridge_cv(features, responses, alphas, folds=folds, fit_intercept=False, device="cpu", progress=False)

    fit = ours()  # warm-up, and for the differences
    times, rates = [], [matrix_rate()]
    for _ in range(sizes.runs):
        times.append(seconds(ours))
        rates.append(matrix_rate())
    took, rate = statistics.median(times), statistics.median(rates)
    floor = sizes.teraflop * 1e3 / rate
    theirs, model = himalaya_ridge(features, responses, alphas, folds, sizes)
    few = slice(0, sizes.timed_units[1])
    best = np.sort(fit.scores[:, few], axis=0)
    clear = best[-1] - best[-2] > 1e-5
    same = np.isclose(model.best_alphas_.numpy(), fit.alpha[few], rtol=1e-4)
    difference = np.abs(model.coef_.numpy() - fit.weights[:, few])[:, same].max() / np.abs(fit.weights[:, few]).max()
    row = {
        "problem": f"{sizes.stimuli:,} x {sizes.features:,} to {sizes.units:,}, {sizes.alphas} alphas",
        "himalaya s (extended)": theirs,
        "ours s": took,
        "times faster": theirs / took,
        "product GFLOP/s": rate,
        "floor s": floor,
        "share of rate": floor / took,
        "met": "yes" if took <= MOST_SECONDS or floor / took >= LEAST_SHARE else "NO",
        "alpha differs": f"{int((~same[clear]).sum())} of {int(clear.sum())}",
        "largest difference of weights / largest": difference,
    }
    print_rows([row])
    return [row]


def himalaya_ridge(
    features: np.ndarray, responses: np.ndarray, alphas: np.ndarray, folds: list[Any], sizes: Sizes
) -> tuple[float, Any]:
    """Seconds for all units, from two fractions of them; and the model of the larger."""
    from himalaya.ridge import RidgeCV

    times = []
    for units in sizes.timed_units:
        model = RidgeCV(alphas=alphas.astype(np.float32), cv=folds, solver_params={"warn": False})
        times.append(seconds(lambda model=model, units=units: model.fit(features, responses[:, :units])))
    return extended(sizes.timed_units, times, sizes.units), model


def extended(sizes: tuple[int, int], times: list[float], wanted: int) -> float:
    """The line through two times, at another size; level where a busy machine made the smaller one the slower."""
    slope = max(0.0, (times[1] - times[0]) / (sizes[1] - sizes[0]))
    return times[0] + slope * (wanted - sizes[0])


def banded(sizes: Sizes) -> list[dict[str, object]]:
    """Random search over three feature spaces, at the same draws."""
    from himalaya.ridge import GroupRidgeCV

    spaces = [signal(sizes.banded_stimuli, sizes.banded_features, sizes.banded_units, seed) for seed in range(3)]
    responses = sum(one[1] * share for one, share in zip(spaces, (0.5, 0.3, 0.2), strict=True))
    named = {f"space {number}": one[0] for number, one in enumerate(spaces)}
    rows = []
    for alphas in (np.ones(1), np.logspace(-1, 4, 10)):

        def ours(alphas: np.ndarray = alphas) -> Any:
            return banded_ridge_cv(
                named, responses, alphas, draws=sizes.draws, shuffle=False, fit_intercept=False, device="cpu"
            )

        took = seconds(ours)
        fit = ours()
        model, times = None, []
        for count in (1, sizes.timed_draws):
            draws = fit.draws[:count].astype(np.float32)
            params = {"n_iter": draws, "alphas": alphas.astype(np.float32), "progress_bar": False, "warn": False}
            model = GroupRidgeCV(groups="input", solver_params=params)
            times.append(seconds(lambda model=model: model.fit(list(named.values()), responses)))
        assert model is not None
        theirs = extended((1, sizes.timed_draws), times, sizes.draws)
        shown = f"3 x {sizes.banded_features}, {sizes.banded_stimuli:,} stimuli, {sizes.banded_units:,} units"
        rows.append(
            {
                "problem": f"{shown}, {sizes.draws} draws, {len(alphas)} alphas",
                f"himalaya s ({sizes.timed_draws} draws, extended)": theirs,
                "ours s": took,
                "times faster": theirs / took,
                "met": "yes" if theirs / took >= LEAST_BANDED_RATIO else "NO",
                "largest difference of scores": np.abs(
                    model.cv_scores_.numpy() - fit.scores[: sizes.timed_draws]
                ).max(),
            }
        )
        print_rows(rows[-1:], header=len(rows) == 1)
    return rows


def kernel(sizes: Sizes) -> list[dict[str, object]]:
    """More features than stimuli."""
    from himalaya.kernel_ridge import KernelRidgeCV

    stimuli, count, units = sizes.wide
    features, responses = signal(stimuli, count, units)
    alphas = np.logspace(-1, 5, sizes.alphas)
    folds = [(fold.train, fold.validation) for fold in make_folds(stimuli, FOLDS)]
    took = seconds(
        lambda: ridge_cv(features, responses, alphas, folds=folds, fit_intercept=False, device="cpu", progress=False)
    )
    times = []
    for few in sizes.timed_units:
        model = KernelRidgeCV(alphas=alphas.astype(np.float32), kernel="linear", cv=folds)
        times.append(seconds(lambda model=model, few=few: model.fit(features, responses[:, :few])))
    theirs = extended(sizes.timed_units, times, units)
    row = {
        "problem": f"{stimuli:,} x {count:,} to {units:,}, {sizes.alphas} alphas, by kernel",
        "himalaya s (without weights, extended)": theirs,
        "ours s": took,
        "times faster": theirs / took,
    }
    print_rows([row])
    return [row]


def memory(sizes: Sizes) -> list[dict[str, object]]:
    """Peak memory of whole processes that write weights of more and more units to disk."""
    rows = []
    counts = (10_000, 40_000) if sizes is QUICK else (10_000, 80_000, WHOLE_CORTEX)
    for count in counts:
        command = [sys.executable, __file__, "--worker", str(count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print_rows(rows[-1:], header=len(rows) == 1)
    return rows


def worker(units: int) -> None:
    """Fit units that a function makes, into a file; print time and memory beyond what was there before."""
    import tempfile

    torch.set_num_threads(THREADS)
    stimuli, features = 2000, 200
    matrix, some = signal(stimuli, features, 1000)
    random = np.random.default_rng(0)

    def read(cut: slice) -> np.ndarray:
        return some[:, random.integers(0, 1000, cut.stop - cut.start)]

    ridge_cv(matrix, some[:, :64], device="cpu", progress=False)  # what the libraries themselves take
    before = peak_megabytes()
    with tempfile.TemporaryDirectory() as folder:
        sink = FileSink(Path(folder) / "weights.npy", (features, units))
        begin = time.perf_counter()
        ridge_cv(matrix, read, units=units, weights_out=sink, device="cpu", progress=False)
        took = time.perf_counter() - begin
    row = {"units": units, "seconds": took, "MB before": before, "MB more at the peak": peak_megabytes() - before}
    print(json.dumps(row))


class FileSink:
    """An array in a file that is mapped only while a tile is written, so that its pages do not count as memory."""

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.path, self.shape = path, shape
        np.lib.format.open_memmap(path, "w+", np.float32, shape)

    def __setitem__(self, key: Any, value: np.ndarray) -> None:
        np.load(self.path, mmap_mode="r+")[key] = value


def peak_megabytes() -> float:
    """Largest resident memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Print all tables."""
    tables = {"ridge": ridge, "banded": banded, "kernel": kernel, "memory": memory}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller problems and fewer runs")
    parser.add_argument("--only", choices=list(tables), help="one table")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.worker:
        worker(options.worker)
        return
    from himalaya.backend import set_backend

    set_backend("torch")
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    for name, table in tables.items():
        if options.only in (None, name):
            table(QUICK if options.quick else Sizes())


if __name__ == "__main__":
    main()

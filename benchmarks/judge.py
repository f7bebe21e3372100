"""Speed and memory of scoring: ours beside the usual way, in one run, with the machine's own limits.

python benchmarks/judge.py            all cases (about five minutes on two cores)
python benchmarks/judge.py --quick    smaller arrays, for a look; the targets are those of the full sizes
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import reference_judging as usual
from braincodec.device import fast_matmul
from braincodec.evaluation.decoding import n_way_top_k, two_way_identification
from braincodec.evaluation.encoding import UnitCorrelation, weighted_correlation
from braincodec.evaluation.statistics import bootstrap_weights

BATCH = 500  # stimuli in memory at a time, used again and again
LEAST_GB_A_SECOND, MOST_MB = 5, 1000
READ_GB_A_SECOND = 46  # of the machine for which the target was set: on a slower or busier one the share counts
MOST_SECONDS_N_WAY, MOST_SECONDS_BOOTSTRAP = 0.1, 10
LEAST_SHARE_OF_PRODUCT = 0.5
N, K, TRIALS = 50, 1, 1000


@dataclass(frozen=True)
class Sizes:
    """How large the arrays are, and of how much the usual way is timed."""

    units: int = 327_684
    stimuli: int = 10_000
    images: int = 1000
    classes: int = 1000
    features: int = 100_000
    bootstrap_units: int = 10_000
    bootstrap_stimuli: int = 300
    draws: int = 1000
    runs: int = 5
    usual_batches: int = 1
    usual_images: int = 10
    usual_pairs_of: int = 1
    usual_draws: int = 10


QUICK = Sizes(units=32_768, stimuli=5000, features=20_000, bootstrap_units=2000, runs=3)


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def interleaved(cases: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Median seconds of each case; one of each in turn, after a round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(runs + 1):
        for name, case in cases.items():
            took = seconds(case)
            if number:
                times[name].append(took)
    return {name: statistics.median(values) for name, values in times.items()}


def pair(stimuli: int, units: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that share something with responses, float32, made without another copy."""
    random = np.random.default_rng(seed)
    prediction, response = (np.empty((stimuli, units), np.float32) for _ in range(2))
    for row in range(stimuli):
        random.standard_normal(dtype=np.float32, out=response[row])
        random.standard_normal(dtype=np.float32, out=prediction[row])
        prediction[row] += 0.5 * response[row]
    return prediction, response


def read_rate(values: np.ndarray) -> Callable[[], object]:
    """Reads an array once, by all cores."""
    tensor = torch.from_numpy(values)
    return lambda: tensor.sum()


def stream(prediction: np.ndarray, response: np.ndarray, stimuli: int) -> np.ndarray:
    """Ours: one batch after the other."""
    metric = UnitCorrelation()
    for _ in range(max(1, stimuli // len(prediction))):
        metric.update(prediction, response)
    return metric.compute()


def correlation(sizes: Sizes) -> dict[str, object]:
    """Per-unit correlation in a stream."""
    prediction, response = pair(BATCH, sizes.units)
    batches = max(1, sizes.stimuli // BATCH)
    gigabytes = 2 * prediction.nbytes / 1e9
    times = interleaved(
        {
            "usual": lambda: usual.unit_correlation([(prediction, response)] * sizes.usual_batches),
            "ours": lambda: stream(prediction, response, sizes.stimuli),
            "read": read_rate(prediction),
        },
        sizes.runs,
    )
    some = slice(0, 2000)
    exact = usual.unit_correlation([(prediction[:, some], response[:, some])])
    rates = {
        "usual": sizes.usual_batches * gigabytes / times["usual"],
        "ours": batches * gigabytes / times["ours"],
        "read": gigabytes / 2 / times["read"],
    }
    memory = {form: peak_above_input(form, sizes.units) for form in ("usual", "ours")}
    return {
        "case": f"correlation of {sizes.stimuli:,} stimuli x {sizes.units:,} units, {BATCH} at a time",
        "usual s": gigabytes * batches / rates["usual"],
        "usual timed on": f"{sizes.usual_batches} of {batches} batches",
        "ours s": times["ours"],
        "of the machine's limit": f"{rates['ours']:.1f} of {rates['read']:.0f} GB/s read (usual {rates['usual']:.2f})",
        "peak MB above input": f"{memory['ours']:.0f} (usual {memory['usual']:,.0f})",
        "target": f"{LEAST_GB_A_SECOND} GB/s where memory reads at {READ_GB_A_SECOND}, {MOST_MB} MB",
        "met": rates["ours"] >= LEAST_GB_A_SECOND * min(1, rates["read"] / READ_GB_A_SECOND)
        and memory["ours"] < MOST_MB,
        "largest difference": np.abs(stream(prediction[:, some], response[:, some], BATCH) - exact).max(),
    }


def n_way(sizes: Sizes) -> dict[str, object]:
    """Exact n-way top-k beside random trials."""
    random = np.random.default_rng(0)
    classes = random.integers(0, sizes.classes, sizes.images)
    logits = random.standard_normal((sizes.images, sizes.classes), np.float32)
    logits[np.arange(sizes.images), classes] += 2
    some = slice(0, sizes.usual_images)
    times = interleaved(
        {
            "usual": lambda: usual.n_way_top_k(logits[some], classes[some], N, K, TRIALS),
            "ours": lambda: n_way_top_k(logits, classes, N, K),
        },
        sizes.runs,
    )
    trials = usual.n_way_top_k(logits[some], classes[some], N, K, TRIALS)
    return {
        "case": f"{N}-way top-{K} of {sizes.images:,} images, {sizes.classes:,} classes",
        "usual s": times["usual"] * sizes.images / sizes.usual_images,
        "usual timed on": f"{sizes.usual_images} of {sizes.images:,} images, {TRIALS:,} trials each",
        "ours s": times["ours"],
        "of the machine's limit": "",
        "peak MB above input": "",
        "target": f"{MOST_SECONDS_N_WAY} s",
        "met": times["ours"] < MOST_SECONDS_N_WAY,
        "largest difference": np.abs(n_way_top_k(logits[some], classes[some], N, K) - trials).max(),
    }


def two_way(sizes: Sizes) -> dict[str, object]:
    """Two-way identification by one matrix product beside `numpy.corrcoef` and a loop over pairs."""
    prediction, truth = pair(sizes.images, sizes.features)
    times = interleaved(
        {
            "usual": lambda: usual.two_way_by_corrcoef(prediction, truth),
            "pairs": lambda: usual.two_way_by_pairs(prediction, truth, sizes.usual_pairs_of),
            "ours": lambda: two_way_identification(prediction, truth),
            "product": _product(prediction, truth),
        },
        max(2, sizes.runs - 2),
    )
    share = times["product"] / times["ours"]
    by_pairs = times["pairs"] * sizes.images / sizes.usual_pairs_of
    rate = 2 * sizes.images**2 * sizes.features / times["product"] / 1e9
    difference = np.abs(two_way_identification(prediction, truth) - usual.two_way_by_corrcoef(prediction, truth)).max()
    return {
        "case": f"two-way identification of {sizes.images:,} images by {sizes.features:,} features",
        "usual s": times["usual"],
        "usual timed on": f"numpy.corrcoef, all; pair by pair {by_pairs:,.0f} s, "
        f"from {sizes.usual_pairs_of} of {sizes.images:,} images",
        "ours s": times["ours"],
        "of the machine's limit": f"{share:.0%} of the bare product's speed ({rate:.0f} GFLOP/s)",
        "peak MB above input": "",
        "target": f"{LEAST_SHARE_OF_PRODUCT:.0%}",
        "met": share >= LEAST_SHARE_OF_PRODUCT,
        "largest difference": difference,
    }


def _product(prediction: np.ndarray, truth: np.ndarray) -> Callable[[], object]:
    """What identification cannot do without: the product of all features, nothing else."""
    a, b = torch.from_numpy(prediction), torch.from_numpy(truth)

    def run() -> torch.Tensor:
        with fast_matmul():
            return a @ b.T

    return run


def bootstrap(sizes: Sizes) -> dict[str, object]:
    """Bootstrap samples of per-unit correlations by weights beside copies."""
    prediction, response = pair(sizes.bootstrap_stimuli, sizes.bootstrap_units)
    weights = bootstrap_weights(sizes.bootstrap_stimuli, sizes.draws, seed=0)
    few = weights[: sizes.usual_draws]
    times = interleaved(
        {
            "usual": lambda: usual.resampled_correlation(prediction, response, few),
            "ours": lambda: weighted_correlation(prediction, response, weights),
        },
        sizes.runs,
    )
    differences = weighted_correlation(prediction, response, few) - usual.resampled_correlation(
        prediction, response, few
    )
    gigaflops = 2 * 5 * sizes.draws * sizes.bootstrap_stimuli * sizes.bootstrap_units / times["ours"] / 1e9
    return {
        "case": f"{sizes.draws:,} bootstrap samples of {sizes.bootstrap_stimuli} stimuli x "
        f"{sizes.bootstrap_units:,} units",
        "usual s": times["usual"] * sizes.draws / sizes.usual_draws,
        "usual timed on": f"{sizes.usual_draws} of {sizes.draws:,} samples",
        "ours s": times["ours"],
        "of the machine's limit": f"{gigaflops:.0f} of {double_product_rate():.0f} GFLOP/s in float64",
        "peak MB above input": "",
        "target": f"{MOST_SECONDS_BOOTSTRAP} s",
        "met": times["ours"] < MOST_SECONDS_BOOTSTRAP,
        "largest difference": np.abs(differences).max(),
    }


def double_product_rate(side: int = 2048) -> float:
    """GFLOP/s of a float64 matrix product."""
    a = np.random.default_rng(0).standard_normal((side, side))
    return 2 * side**3 / statistics.median(seconds(lambda: a @ a) for _ in range(4)) / 1e9


def peak_above_input(form: str, units: int) -> float:
    """Peak memory of a process of its own beyond the batch that it is given, in MB."""
    command = [sys.executable, __file__, "--worker", json.dumps([form, units])]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
    return float(done.stdout.splitlines()[-1])


def worker(form: str, units: int) -> None:
    """Score two batches; print by how much memory grew beyond them."""
    prediction, response = pair(BATCH, units)
    stream(prediction[:, :1], response[:, :1], 1)  # what is imported late
    before = peak_megabytes()
    if form == "ours":
        stream(prediction, response, 2 * BATCH)
    else:
        usual.unit_correlation([(prediction, response)] * 2)
    print(peak_megabytes() - before)


def peak_megabytes() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    status = Path("/proc/self/status")
    if status.exists():  # getrusage also counts what the parent held when it started this process
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        peak = int(fields["VmHWM"].split()[0]) / 1024
    return peak * 2**20 / 1e6


def print_row(row: dict[str, object], header: bool) -> None:
    """A row of a Markdown table."""
    if header:
        print("| " + " | ".join(row) + " |\n|" + " --- |" * len(row))
    print("| " + " | ".join(_text(value) for value in row.values()) + " |", flush=True)


def _text(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "NO"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1e}" if 0 < abs(value) < 0.001 else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


CASES = {"correlation": correlation, "n_way": n_way, "two_way": two_way, "bootstrap": bootstrap}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller arrays and fewer runs")
    parser.add_argument("--only", choices=list(CASES), help="one case")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(*json.loads(options.worker))
        return
    header = True
    for name, case in CASES.items():
        if options.only in (None, name):
            print_row(case(QUICK if options.quick else Sizes()), header)
            header = False


if __name__ == "__main__":
    main()

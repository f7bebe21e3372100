"""Speed and memory of encoding: ours beside the plain published form, in one run, with the machine's own limit.

python benchmarks/encode.py            all tables (about ten minutes on two cores)
python benchmarks/encode.py --quick    fewer images and runs
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import models
import reference
from braincodec.device import fast_matmul, keep_freed_memory
from braincodec.models import JointEncoder
from braincodec.stimuli import StimulusSet
from printing import print_rows

THREADS = 2
GFLOP_AN_IMAGE = {"fwrf 1,350": 2.46, "fwrf 7,600": 7.30, "eeg fp32": 9.05, "eeg bf16": 9.05}
TARGET = {"fwrf 1,350": (85, 0.50), "fwrf 7,600": (28, 0.49), "eeg fp32": (32, 0.68), "eeg bf16": (70, 0.80)}
VOXELS = {"fwrf 1,350": 1350, "fwrf 7,600": 7600}


def machine(runs: int) -> dict[str, float]:
    """GFLOP/s of 4096 x 4096 matrix products: the quickest fp32-grade one, and bf16."""
    a, b = torch.randn(2, 4096, 4096)
    half = (a.bfloat16(), b.bfloat16())
    rates: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for _ in range(runs):
        with fast_matmul():
            rates["fp32"].append(2 * 4096**3 / seconds(lambda: a @ b) / 1e9)
        rates["bf16"].append(2 * 4096**3 / seconds(lambda: half[0] @ half[1]) / 1e9)
    return {name: statistics.median(values) for name, values in rates.items()}


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def speed(quick: bool) -> list[dict[str, object]]:
    """Images/s of every case, reference and ours interleaved."""
    runs = 3 if quick else 5
    rates = machine(3)
    rows = []
    for name in TARGET:
        count = 32 if quick or "7,600" in name else 100
        cases = eeg_cases(count, name) if "eeg" in name else fwrf_cases(count, VOXELS[name])
        times: dict[str, list[float]] = {key: [] for key in cases}
        answers = {key: case() for key, case in cases.items()}  # warm-up, and for the differences
        for _ in range(runs):
            for key, case in cases.items():
                times[key].append(seconds(case))
        ours = count / statistics.median(times["ours"])
        rate = rates["bf16" if "bf16" in name else "fp32"]
        floor = rate / GFLOP_AN_IMAGE[name]
        error = np.abs(answers["ours"] - answers["reference"]).max() / answers["reference"].std()
        rows.append(
            {
                "case": name,
                "reference images/s": count / statistics.median(times["reference"]),
                "ours images/s": ours,
                "target": TARGET[name][0],
                "floor here": floor,
                "share of floor": ours / floor,
                "target share": TARGET[name][1],
                "met": "yes" if ours >= TARGET[name][0] or ours / floor >= TARGET[name][1] else "NO",
                "max difference / std": error,
            }
        )
        print_rows(rows[-1:], header=len(rows) == 1)
    print(f"\nmatrix product 4096: {rates['fp32']:.0f} GFLOP/s fp32, {rates['bf16']:.0f} GFLOP/s bf16\n")
    return rows


def fwrf_cases(count: int, voxels: int) -> dict[str, Callable[[], np.ndarray]]:
    """Reference and ours on the same images."""
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 227, 227), np.uint8)
    weights, encoder = models.fwrf_weights(voxels), models.fwrf(voxels)
    return {
        "reference": lambda: reference.fwrf(weights, images),
        "ours": lambda: encoder.encode(images, progress=False).values,
    }


def eeg_cases(count: int, name: str) -> dict[str, Callable[[], np.ndarray]]:
    """Reference and ours on the same images."""
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 224, 224), np.uint8)
    parts = models.eeg_parts()
    encoder = models.eeg(parts)
    dtype = "bfloat16" if "bf16" in name else "float32"
    network = encoder.extractor.backbone.module
    shape = (count, *encoder.response_shape)

    def plain() -> np.ndarray:
        network.float()
        encoder._prepared = None  # the same network serves both, in its own precision
        ready = encoder.preprocessing(np.moveaxis(images, 1, -1)).numpy()
        return reference.eeg(network, *parts, ready).reshape(shape)

    def ours() -> np.ndarray:
        return encoder.encode(images, dtype=dtype, progress=False).values

    return {"reference": plain, "ours": ours}


def memory(quick: bool) -> list[dict[str, object]]:
    """Peak memory of whole processes that stream images from disk to a store."""
    rows = []
    counts = (100, 1000) if quick else (100, 1000, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            write_images(images_path(folder, count), count)
        for voxels in (1350, 7600):
            for count in counts if voxels == 1350 else counts[:2]:
                rows.append(measure_in_process(folder, "fwrf", count, voxels))
                print_rows(rows[-1:], header=len(rows) == 1)
        models.eeg(models.eeg_parts()).save(Path(folder) / "eeg")
        for count in counts[:2]:
            rows.append(measure_in_process(folder, "eeg", count, 0))
            print_rows(rows[-1:], header=False)
    return rows


def measure_in_process(folder: str, kind: str, count: int, voxels: int) -> dict[str, object]:
    """Run one streaming job in a process of its own."""
    command = [sys.executable, __file__, "--worker", json.dumps([folder, kind, count, voxels])]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
    return json.loads(done.stdout.splitlines()[-1])


def worker(folder: str, kind: str, count: int, voxels: int) -> None:
    """Stream `count` images from a file into a Zarr store; print time and peak memory."""
    torch.set_num_threads(THREADS)
    path = images_path(folder, count)
    if kind == "eeg":
        from braincodec.models import Encoder

        encoder = Encoder.load(Path(folder) / "eeg")
    else:
        encoder = models.fwrf(voxels)
    begin = time.perf_counter()
    encoder.encode_to(Path(folder) / "out.zarr", path, overwrite=True, progress=False)
    took = time.perf_counter() - begin
    case = kind if kind == "eeg" else f"{kind} {voxels:,}"
    print(json.dumps({"case": case, "images": count, "images/s": count / took, "peak MB": peak_megabytes()}))


def images_path(folder: str, count: int) -> Path:
    """Where `write_images` puts them."""
    return Path(folder) / f"images-{count}.npy"


def write_images(path: Path, count: int) -> None:
    """Random images (count, 227, 227, 3)."""
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 227, 227, 3))
    random = np.random.default_rng(0)
    for begin in range(0, count, 100):
        images[begin : begin + 100] = random.integers(0, 256, images[begin : begin + 100].shape, np.uint8)


def peak_megabytes() -> float:
    """Largest resident memory of this process, mapped files included.

    Read from /proc where there is one: getrusage also counts what the parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def sharing(quick: bool) -> list[dict[str, object]]:
    """JPEG files: decoding overlaps computing, and several models decode and resize once."""
    from PIL import Image

    count = 64 if quick else 256
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        for number in range(count):
            coarse = random.integers(0, 256, (20, 20, 3), np.uint8)
            Image.fromarray(coarse).resize((500, 500)).save(Path(folder) / f"{number:04d}.jpg")
        stimuli = StimulusSet.open(folder)
        members = [models.fwrf(500, seed) for seed in range(3)]

        def decode() -> None:
            preprocess = members[0].preprocessing
            for _ in stimuli.batches(16, transform=preprocess):
                pass

        ready = _resized(stimuli)
        for name, run in {
            "decode and resize only": decode,
            "one model (500 voxels), images in memory": lambda: members[0].encode(ready),
            "one model, JPEG files": lambda: members[0].encode(stimuli),
            "three models, JPEG files, one by one": lambda: [member.encode(stimuli) for member in members],
            "three models, JPEG files, together": lambda: JointEncoder(members).encode(stimuli),
        }.items():
            took = statistics.median(seconds(run) for _ in range(3))
            rows.append({"case": name, "seconds": took, "images/s": count / took})
    print_rows(rows)
    return rows


def _resized(stimuli: StimulusSet) -> np.ndarray:
    from braincodec.features.preprocessing import Preprocessing

    shrink = Preprocessing(square_crop=True, resize=(227, 227), divisor=1.0)
    return np.concatenate([b.images.numpy().astype(np.uint8) for b in stimuli.batches(32, transform=shrink)])


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer images and runs")
    parser.add_argument("--only", choices=["speed", "memory", "sharing"], help="one table")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(*json.loads(options.worker))
        return
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    for name, table in {"speed": speed, "memory": memory, "sharing": sharing}.items():
        if options.only in (None, name):
            table(options.quick)


if __name__ == "__main__":
    main()

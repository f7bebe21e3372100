"""Generating responses on workers: what engine and store cost beside a bare loop, how it scales, how flat memory is.

python benchmarks/synthesize.py                     all tables (long: EEG loads eight models of 460 MB a run)
python benchmarks/synthesize.py --quick             fewer images and runs
python benchmarks/synthesize.py --only overhead     one table

Rates are marginal: two runs of different length are timed, and the difference counts, so that what happens once
(starting workers, loading models) is in neither side; it has a column of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import torch

import models
from braincodec.models import Encoder
from printing import print_rows

VOXELS = 1350
LIMITS = {"overhead": 1.10, "eeg": 1.30, "workers": 1.70}
SUBJECTS = 8
BLOCKS = 8  # written to time the store


class Job:
    """A store of models and a stimulus set, on which runs are timed in processes of their own."""

    def __init__(self, folder: Path, store: str, model: str, images: Path) -> None:
        self.folder, self.store, self.model, self.images = folder, store, model, images

    def run(
        self, count: int, *, subjects: int = 1, workers: int = 1, threads: int = 2, block: int | None = None
    ) -> dict[str, float]:
        """Generate responses to the first `count` images; seconds, and the largest worker's memory in MB."""
        output = self.folder / "generated"
        shutil.rmtree(output, ignore_errors=True)
        settings = {
            "store": str(self.folder / self.store),
            "models": self.model,
            "subjects": list(range(1, subjects + 1)),
            "output": str(output),
            "workers": workers,
            "threads": threads,
            "block": block,
        }
        return in_process("synthesize", str(self.images), count, settings)

    def bare(self, count: int, *, threads: int = 2) -> dict[str, float]:
        """The loop that encodes batch after batch and keeps nothing."""
        place = self.folder / self.store / self.model / "subject-01"
        return in_process("bare", str(self.images), count, {"artefact": str(place), "threads": threads})


def in_process(kind: str, images: str, count: int, settings: dict[str, object]) -> dict[str, float]:
    """Run one job in a process of its own."""
    command = [sys.executable, __file__, "--job", json.dumps([kind, images, count, settings])]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def job(kind: str, images: str, count: int, settings: dict[str, object]) -> None:
    """What `in_process` starts: prints seconds and memory."""
    from braincodec.stimuli import StimulusSet

    stimuli = StimulusSet.open(images)[:count]
    if kind == "bare":
        from braincodec.models.run import encode_batches

        torch.set_num_threads(int(str(settings["threads"])))
        encoder = Encoder.load(str(settings["artefact"]))
        begin = time.perf_counter()
        for _ in encode_batches(encoder, stimuli):
            pass
        print(json.dumps({"seconds": time.perf_counter() - begin}))
        return
    import braincodec as bc

    begin = time.perf_counter()
    with worker_memory() as peak:
        bc.synthesize(stimuli=stimuli, name="benchmark", progress=False, **settings)  # type: ignore[arg-type]
    print(json.dumps({"seconds": time.perf_counter() - begin, "peak MB": max(peak.values(), default=0.0)}))


@contextlib.contextmanager
def worker_memory() -> Iterator[dict[int, float]]:
    """Largest memory in MB of each process below this one, without mapped files; looked at five times a second."""
    peak: dict[int, float] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    held = child.memory_info()
                    own = held.rss - getattr(held, "shared", 0)
                    peak[child.pid] = max(peak.get(child.pid, 0.0), own / 2**20)

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield peak
    finally:
        over.set()
        watching.join()


def marginal(run: Callable[[int], dict[str, float]], counts: tuple[int, int], times: dict[int, list[float]]) -> None:
    """Time one short and one long run."""
    for count in counts:
        times.setdefault(count, []).append(run(count)["seconds"])


def rate(times: dict[int, list[float]]) -> tuple[float, float]:
    """Images a second between the short and the long run (medians), and the seconds of what happens once."""
    (short, few), (long, many) = sorted((count, statistics.median(values)) for count, values in times.items())
    images_a_second = (long - short) / (many - few)
    return images_a_second, few - short / images_a_second


def compare(
    cases: dict[str, Callable[[int], dict[str, float]]], counts: tuple[int, int], runs: int
) -> dict[str, tuple[float, float]]:
    """Rate and constant part of every case, runs interleaved."""
    times: dict[str, dict[int, list[float]]] = {name: {} for name in cases}
    for _ in range(runs):
        for name, run in cases.items():
            marginal(run, counts, times[name])
    return {name: rate(values) for name, values in times.items()}


def overhead(folder: Path, quick: bool) -> None:
    """A region of 1,350 voxels through the published network: bare loop and one worker, two threads each."""
    counts = (512, 1536) if quick else (1024, 4096)
    work = Job(folder, "fmri", "fmri-benchmark-fwrf", write_images(folder, counts[1], 227))
    models.fwrf(VOXELS).save(folder / "fmri" / "fmri-benchmark-fwrf" / "subject-01", overwrite=True)
    # blocks as large as those of a large study, which a plan for so few images would not have
    cases = {"bare loop": work.bare, "one worker, store": lambda count: work.run(count, block=counts[0] // 2)}
    found = compare(cases, counts, 3 if quick else 5)
    report(found, "bare loop", LIMITS["overhead"], slower=True)


def workers(folder: Path, quick: bool) -> None:
    """One and two workers of one thread."""
    counts = (256, 768) if quick else (512, 2560)
    work = Job(folder, "fmri", "fmri-benchmark-fwrf", write_images(folder, counts[1], 227))
    models.fwrf(VOXELS).save(folder / "fmri" / "fmri-benchmark-fwrf" / "subject-01", overwrite=True)
    cases = {
        f"{n} workers, one thread each": lambda count, n=n: work.run(count, workers=n, threads=1, block=128)
        for n in (1, 2)
    }
    found = compare(cases, counts, 3)
    report(found, next(iter(cases)), LIMITS["workers"], slower=False)


def eeg(folder: Path, quick: bool) -> None:
    """One subject and eight over one pass of the vision transformer."""
    counts = (128, 384) if quick else (256, 1280)
    work = Job(folder, "eeg", "eeg-benchmark-vit_b_32", write_images(folder, counts[1], 224))
    parts = models.eeg_parts()
    for subject in range(1, SUBJECTS + 1):
        place = folder / "eeg" / "eeg-benchmark-vit_b_32" / f"subject-{subject:02d}"
        models.eeg(parts).save(place, overwrite=True)
    cases = {
        f"{subjects} EEG subjects": lambda count, subjects=subjects: work.run(count, subjects=subjects)
        for subjects in (1, SUBJECTS)
    }
    report(compare(cases, counts, 1 if quick else 3), "1 EEG subjects", LIMITS["eeg"], slower=True)


def report(found: dict[str, tuple[float, float]], base: str, limit: float, *, slower: bool) -> None:
    """Rates beside the first case's, and whether the limit is kept."""
    rows: list[dict[str, object]] = []
    for name, (images_a_second, constant) in found.items():
        times = found[base][0] / images_a_second if slower else images_a_second / found[base][0]
        word = "cost" if slower else "speed"
        kept = times <= limit if slower else times >= limit
        rows.append(
            {
                "case": name,
                "images/s": images_a_second,
                "once, s": constant,
                f"{word} beside the first": times,
                "limit": "" if name == base else f"{'at most' if slower else 'at least'} {limit}",
                "met": "" if name == base else "yes" if kept else "NO",
            }
        )
    print_rows(rows)


def writing(folder: Path, quick: bool) -> None:
    """Megabytes a second that models make on this machine, and that the store takes from one thread, durable."""
    rows: list[dict[str, object]] = []
    counts = (128, 384) if quick else (256, 1024)
    for name, size, encoder in (
        (f"fwrf, {VOXELS:,} voxels", 227, lambda: models.fwrf(VOXELS)),
        ("EEG, 4 x 63 x 140", 224, lambda: models.eeg(models.eeg_parts())),
    ):
        model = encoder()
        place = folder / "writing" / "benchmark-model" / "subject-01"
        model.save(place, overwrite=True)
        work = Job(folder, "writing", "benchmark-model", write_images(folder, counts[1], size))
        bare = compare({name: work.bare}, counts, 3)[name][0]
        values = int(np.prod(model.response_shape))
        made = bare * values * 4 / 1e6
        for stored in ("float32", "float16"):
            taken, smaller = store_rate(folder, model, stored)
            rows.append(
                {
                    "model": name,
                    "stored as": stored,
                    "made, MB/s": made,
                    "written, MB/s of float32": taken,
                    "share of the time": made / taken,
                    "bytes beside float32": smaller,
                }
            )
    print_rows(rows)


def store_rate(folder: Path, encoder: Encoder, stored: str) -> tuple[float, float]:
    """Megabytes of float32 a second that one thread encodes, writes and makes durable; bytes stored for each."""
    from braincodec.models.run import response_template
    from braincodec.synthesis.computing.blocks import Computed
    from braincodec.synthesis.computing.machine import this_machine
    from braincodec.synthesis.computing.rounding import Rounding
    from braincodec.synthesis.plan import Output, Pass, Plan, Request
    from braincodec.synthesis.storage.arrays import create_groups
    from braincodec.synthesis.storage.place import open_place
    from braincodec.synthesis.storage.records import write_block

    shape = encoder.response_shape
    size = 1024 if len(shape) == 1 else 128  # as planned for such outputs
    values = realistic(encoder, size).astype(stored)
    request = Request(models=("m",), stimuli="s", count=BLOCKS * size, fingerprint="", stored_dtype=stored)
    output = Output(model="m", subject=1, place="m.zarr", dims=encoder.response_dims, shape=shape, identity="")
    one = Pass(name="000-m", outputs=(output,), shared="nothing", tile=16, block=size, weight_bytes=0, image_bytes=0)
    plan = Plan(request=request, passes=(one,), version="", models_address="")
    target = folder / "rates"
    shutil.rmtree(target, ignore_errors=True)
    place = open_place(target)
    create_groups(place, plan, {"m.zarr": response_template(encoder, np.empty((0, *shape), np.float32), [])})
    begin = time.perf_counter()
    rounding = [Rounding() if stored == "float16" else None]
    for block in plan.blocks():
        machine = this_machine(torch.device("cpu"), 1)
        write_block(place, plan, block, Computed([values], ["0" * 16] * size, [], rounding, 0.0, machine))
    took = time.perf_counter() - begin
    stored_bytes = sum(
        file.stat().st_size for file in (target / "m.zarr" / "responses" / "c").rglob("*") if file.is_file()
    )
    made = BLOCKS * size * int(np.prod(shape)) * 4
    return made / took / 1e6, stored_bytes / made


def realistic(encoder: Encoder, size: int) -> np.ndarray:
    """Responses to 16 images, and to others that differ from them as much."""
    images = np.random.default_rng(0).integers(0, 256, (16, 224, 224, 3), np.uint8)
    some = encoder.encode(images, progress=False).values
    values = np.tile(some, (size // 16, *[1] * (some.ndim - 1)))
    return values + np.random.default_rng(1).standard_normal(values.shape, np.float32) * values.std()


def memory(folder: Path, quick: bool) -> None:
    """Largest memory of a worker, by number of stimuli; a model that computes next to nothing, 1,350 units."""
    rows: list[dict[str, object]] = []
    counts = (2_000, 10_000) if quick else (2_000, 10_000, 100_000, 200_000)
    models.light(VOXELS).save(folder / "light" / "fmri-benchmark-linear" / "subject-01", overwrite=True)
    work = Job(folder, "light", "fmri-benchmark-linear", write_images(folder, counts[-1], 64))
    for count in counts:
        found = work.run(count, threads=1, block=1024)  # one size, which is what memory depends on
        rows.append({"stimuli": count, "seconds": found["seconds"], "worker's peak MB": found["peak MB"]})
    print_rows(rows)


def write_images(folder: Path, count: int, size: int) -> Path:
    """Random images (count, size, size, 3)."""
    path = folder / f"images-{size}-{count}.npy"
    if path.exists():
        return path
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, size, size, 3))
    random = np.random.default_rng(0)
    for begin in range(0, count, 100):
        images[begin : begin + 100] = random.integers(0, 256, images[begin : begin + 100].shape, np.uint8)
    return path


TABLES = {"overhead": overhead, "workers": workers, "eeg": eeg, "writing": writing, "memory": memory}


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer images and runs")
    parser.add_argument("--only", choices=list(TABLES), nargs="+", help="some tables")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        job(*json.loads(options.job))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or TABLES:
            print(f"\n{TABLES[name].__doc__}")
            TABLES[name](Path(folder), options.quick)


if __name__ == "__main__":
    main()

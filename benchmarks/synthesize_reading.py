"""Reading generated responses back: ours through the public call, beside NED's HDF5 and a plain NumPy file.

    python benchmarks/synthesize_reading.py [FOLDER] [--stimuli 73000] [--units 1350] [--block 2048] [--rounds 9]

The responses are those of a linear readout with 200 features: their digits below the first are noise, as those of
predictions are. All files lie in the memory of the operating system when the clock runs ("warm"). The ways of storing
take turns, so that what else the machine does meets all of them; the table gives medians, the fastest turn in brackets.
Every reading is the whole call, `store.responses(model, stimuli=..., subject=1)[...].values`: of a store that was used
before, and ("opened each time") of one that is opened inside the clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

import braincodec as bc
from braincodec.responses import build_units, empty_responses
from braincodec.responses.formats import zarr_store
from printing import print_rows

MODEL, ROWS = "fmri-nsd-fwrf", 4096
LIMITS = {"10 neighbours": "15", "10 scattered": "30", "100 units of all": "45", "all": "350, fast 150"}
Index = tuple[object, ...]
Reading = Callable[[np.random.Generator], Index]
Way = Callable[[Index], np.ndarray]


def predicted(stimuli: int, units: int, features: int = 200) -> np.ndarray:
    """Responses of a linear readout, shape (stimuli, units), float32."""
    rng = np.random.default_rng(0)
    spectrum = np.arange(1, features + 1, dtype=np.float32) ** -0.7
    weights = rng.standard_normal((features, units), dtype=np.float32) * spectrum[:, None]
    weights *= rng.uniform(0.05, 0.6, units).astype(np.float32) / np.linalg.norm(weights, axis=0)
    values = np.empty((stimuli, units), np.float32)
    for start in range(0, stimuli, ROWS):
        part = values[start : start + ROWS]
        part[:] = rng.standard_normal((len(part), features), dtype=np.float32) @ weights
    return values


def write_store(folder: Path, values: np.ndarray, size: int) -> dict[str, Path]:
    """The responses in every layout and precision, `size` stimuli a block, each a stimulus set; the group of each."""
    units = build_units(
        ijk=np.stack(np.unravel_index(np.arange(values.shape[1]), (81, 104, 83)), 1),
        rois={"V1": np.arange(values.shape[1]) < 900, "V2": np.arange(values.shape[1]) >= 900},
        subject=1,
    )
    ids = [f"nsd-{number:05d}" for number in range(len(values))]
    groups = {}
    for layout in ("default", "fast"):
        for dtype in ("float32", "float16"):
            name = f"{layout}-{dtype}"
            group = folder / "generated_responses" / MODEL / f"stimuli-{name}" / "subject-01.zarr"
            template = empty_responses(units, dtype)
            zarr_store.create(group, template, layout=layout, block=size)
            array = zarr_store.open_array(group)
            for start in range(0, len(values), size):
                block = values[start : start + size].astype(dtype)
                array[start : start + len(block)] = block
            zarr_store.finish(group, template, ids)
            groups[name] = group
    return groups


def readings(stimuli: int, units: int) -> dict[str, Reading]:
    """What is asked for, by name: an index into (stimuli, units)."""
    everything = slice(None)

    def neighbours(rng: np.random.Generator) -> Index:
        start = int(rng.integers(stimuli - 10))
        return slice(start, start + 10), everything

    def scattered(rng: np.random.Generator) -> Index:
        return np.sort(rng.choice(stimuli, 10, replace=False)), everything

    def some_units(rng: np.random.Generator) -> Index:
        start = int(rng.integers(units - 100))
        return everything, slice(start, start + 100)

    asked = (neighbours, scattered, some_units, lambda rng: (everything, everything))
    return dict(zip(LIMITS, asked, strict=True))


def ways_of(folder: Path, values: np.ndarray, size: int) -> tuple[dict[str, Way], dict[str, int]]:
    """A function that reads an index for each way of storing, and the bytes on disk of each."""
    groups = write_store(folder, values, size)
    with h5py.File(folder / "ned.h5", "w") as file:
        file["synthetic_neural_responses"] = values
    np.save(folder / "plain.npy", values)
    dataset = h5py.File(folder / "ned.h5")["synthetic_neural_responses"]
    mapped = np.load(folder / "plain.npy", mmap_mode="r")
    store = bc.open_store(folder)

    def ours(name: str, again: bool) -> Way:
        def read(index: Index) -> np.ndarray:
            here = bc.open_store(folder) if again else store
            return here.responses(MODEL, stimuli=name, subject=1)[index].values

        return read

    ways = {"HDF5 (NED)": lambda index: dataset[index], "NumPy, mapped": lambda index: np.array(mapped[index])}
    sizes = {"HDF5 (NED)": (folder / "ned.h5").stat().st_size, "NumPy, mapped": (folder / "plain.npy").stat().st_size}
    for name, group in groups.items():
        sizes[name] = sum(path.stat().st_size for path in group.rglob("*") if path.is_file())
        ways[name], ways[f"{name}, opened each time"] = ours(name, False), ours(name, True)
        sizes[f"{name}, opened each time"] = sizes[name]
    return ways, sizes


def measured(ways: dict[str, Way], asked: dict[str, Reading], rounds: int) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of each reading in each way, the ways taking turns."""
    rng = np.random.default_rng(1)
    spent: dict[tuple[str, str], list[float]] = {(way, what): [] for way in ways for what in asked}
    for turn in range(rounds + 1):  # the first one warms
        for what, index_of in asked.items():
            index = index_of(rng)
            for way, read in ways.items():
                begin = time.perf_counter()
                values = read(index)
                spent[way, what] += [1e3 * (time.perf_counter() - begin)] * (turn > 0)
                del values
    return spent


def main() -> None:
    """Write, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="where the files go; default: a temporary folder")
    parser.add_argument("--stimuli", type=int, default=73_000)
    parser.add_argument("--units", type=int, default=1350)
    parser.add_argument("--block", type=int, default=2048, help="stimuli that are written at once")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        values = predicted(options.stimuli, options.units)
        ways, sizes = ways_of(Path(folder), values, options.block)
        del values
        asked = readings(options.stimuli, options.units)
        spent = measured(ways, asked, options.rounds)
        whole = sizes["HDF5 (NED)"]
        rows = [
            {"stored as": way, "size, of NED's": f"{sizes[way] / whole:.3f}"}
            | {f"{what} (ms)": f"{np.median(spent[way, what]):.1f} ({min(spent[way, what]):.1f})" for what in asked}
            for way in ways
        ]
        print(f"{options.stimuli:,} stimuli x {options.units:,} units, {options.block:,} stimuli a block;", end=" ")
        print(f"median of {options.rounds} (fastest)")
        print_rows([*rows, {"stored as": "at most", "size, of NED's": "1, float16 0.5"} | LIMITS])


if __name__ == "__main__":
    main()

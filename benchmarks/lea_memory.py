"""Peak memory of decoding by LEA's published networks, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from braincodec.device import keep_freed_memory
from braincodec.image_generators.maskgit import MaskGIT

THREADS = 2
SECONDS_BETWEEN_LOOKS = 0.01


def memory(generator: MaskGIT) -> list[dict[str, object]]:
    """Peak memory of whole processes that decode with a stored generator."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        store(generator, Path(folder))
        for dtype in ("float32", "bfloat16"):
            for alone in (False, True):
                command = [sys.executable, __file__, json.dumps([folder, dtype, alone])]
                done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
                rows.append(json.loads(done.stdout.splitlines()[-1]))
    return rows


def store(generator: MaskGIT, folder: Path) -> None:
    """Weights and settings, as an artefact holds them."""
    save_file({name: tensor.contiguous() for name, tensor in generator.tensors().items()}, folder / "m.safetensors")
    (folder / "config.json").write_text(generator.config.model_dump_json())


def worker(folder: str, dtype: str, alone: bool) -> None:
    """Decode one image in this process; print what it took above what was there before."""
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    before, peak = resident(), {"all": 0.0, "private": 0.0}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SECONDS_BETWEEN_LOOKS):
            for name, value in resident().items():
                peak[name] = max(peak[name], value)

    watching = threading.Thread(target=watch)
    watching.start()
    settings = json.loads((Path(folder) / "config.json").read_text())
    generator = MaskGIT.from_parts(settings, load_file(Path(folder) / "m.safetensors"))
    rows = np.zeros((1, generator.embedding.dimension), np.float32)
    how: dict[str, Any] = {"dtype": dtype, "device": "cpu", "progress": False, "one_network_at_a_time": alone}
    took = -time.perf_counter()
    generator.generate(rows, **how)
    took += time.perf_counter()
    over.set()
    watching.join()
    result = {"case": f"decoding {dtype}", "one network at a time": "yes" if alone else "no", "seconds": took}
    print(json.dumps(result | {f"peak MB, {name}": peak[name] - before[name] for name in peak}))


def resident() -> dict[str, float]:
    """MB of this process in main memory, and the part that no file backs."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"all": int(fields["VmRSS"].split()[0]) / 1024, "private": int(fields["RssAnon"].split()[0]) / 1024}


if __name__ == "__main__":
    worker(*json.loads(sys.argv[1]))

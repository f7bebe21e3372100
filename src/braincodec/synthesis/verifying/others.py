"""Checking what no synthesis made: other generated responses, by decoding them, and models, by their checksums."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from braincodec.artefact import CHECKSUMS, CONFIG, FILES, sha256_of
from braincodec.errors import BraincodecError, DamagedFileError
from braincodec.responses.formats.labels import VARIABLE
from braincodec.store.generated_sets import RESPONSES, ROI, STIMULI
from braincodec.subjects import subject_of_folder
from braincodec.synthesis.storage.place import Place
from braincodec.synthesis.storage.stored_plan import SYNTHESIS, file_facts, parsed_json
from braincodec.synthesis.verifying.verification import DAMAGED, WHOLE, Checked, Problem

# of decoded values held at once
BYTES_AT_ONCE = 64 * 2**20
MOST_NAMED = 5


def response_groups(place: Place) -> Iterator[str]:
    """Every group of generated responses in a store, by its place."""
    for model in place.names(RESPONSES):
        for stimuli in place.names(f"{RESPONSES}/{model}"):
            for name in place.names(f"{RESPONSES}/{model}/{stimuli}"):
                if name.endswith(".zarr"):
                    yield f"{RESPONSES}/{model}/{stimuli}/{name}"


def artefacts(place: Place) -> Iterator[str]:
    """Folder of every model in a store."""
    for model in place.names():
        for name in place.names(model) if model not in (RESPONSES, SYNTHESIS) else ():
            if subject_of_folder(name) is None:
                continue
            below = place.names(f"{model}/{name}")
            if CONFIG in below or CHECKSUMS in below:
                yield f"{model}/{name}"
            yield from (f"{model}/{name}/{part}" for part in below if part.startswith(ROI))


def check_responses(
    place: Place, group: str, sizes: Mapping[str, int | None], *, contents: bool
) -> tuple[Checked, list[Problem]]:
    """Open responses that no record speaks of, look for holes, and with `contents` decode them.

    Nothing states what their values were: a changed value that decodes is not noticed.
    """
    problems = _problems_of_responses(place, group, sizes, contents)
    _, model, stimuli, name = group.split("/")
    subject, _, roi = name.removesuffix(".zarr").partition(f"_{ROI}")
    row = Checked(
        "responses",
        group,
        DAMAGED if problems else WHOLE,
        model,
        str(subject_of_folder(subject) or subject),
        roi,
        stimuli.removeprefix(STIMULI),
        bytes=_bytes_below(group, sizes),
    )
    return row, problems


def check_artefact(
    place: Place, folder: str, sizes: Mapping[str, int | None], *, contents: bool
) -> tuple[Checked, list[Problem]]:
    """Compare the files of a model with its ``checksums.json``."""
    problems = []
    content = place.read(f"{folder}/{CHECKSUMS}")
    try:
        sums = {} if content is None else parsed_json(content, CHECKSUMS)
    except DamagedFileError as error:
        sums = {}
        problems.append(Problem(f"{folder}/{CHECKSUMS}", str(error)))
    if content is None:
        problems.append(Problem(f"{folder}/{CHECKSUMS}", "is missing"))
    for name in FILES:
        where = f"{folder}/{name}"
        if where not in sizes:
            problems.append(Problem(where, "is missing"))
        elif sums and name not in sums:
            problems.append(Problem(where, f"has no checksum in {CHECKSUMS}"))
        elif sums and contents and _sha256(place, where) != sums[name]:
            problems.append(Problem(where, "differs from its checksum"))
    model, subject, *part = folder.split("/")
    row = Checked(
        "model",
        folder,
        DAMAGED if problems else WHOLE,
        model,
        str(subject_of_folder(subject)),
        part[0].removeprefix(ROI) if part else "",
        bytes=_bytes_below(folder, sizes),
    )
    return row, problems


def _problems_of_responses(place: Place, group: str, sizes: Mapping[str, int | None], contents: bool) -> list[Problem]:
    import zarr

    from braincodec.responses import open_responses

    options = None if place.options is None else dict(place.options)
    try:
        if f"{group}/zarr.json" not in sizes:
            return [Problem(f"{group}/zarr.json", "is missing: the responses are unfinished, or no store of ours")]
        responses = open_responses(place.join(group), storage_options=options)
        array = zarr.open_group(place.join(group), mode="r", storage_options=options)[VARIABLE]
    except BraincodecError as error:
        return [Problem(group, str(error))]
    except (OSError, ValueError, KeyError) as error:
        return [Problem(group, f"cannot be opened: {error}")]
    problems = _missing_files(group, array, sizes)
    ids = responses["stimulus"].values.astype(str)
    if len(np.unique(ids)) != len(ids):
        problems.append(Problem(f"{group}/stimulus", "an id occurs twice"))
    if responses.dtype.kind != "f":
        problems.append(Problem(f"{group}/{VARIABLE}", f"holds {responses.dtype}, not numbers with a fraction"))
    elif contents and not problems:
        problems += _decoded(group, responses, set(_skipped(responses.attrs)))
    return problems


def _missing_files(group: str, array: Any, sizes: Mapping[str, int | None]) -> list[Problem]:
    """Chunks or shards that were never written, or are gone: they would be read as NaN."""
    parts = array.shards or array.chunks
    cells = itertools.product(*(range(-(-size // part)) for size, part in zip(array.shape, parts, strict=True)))
    names = (posixpath.join(group, VARIABLE, array.metadata.encode_chunk_key(cell)) for cell in cells)
    return [Problem(name, "is missing") for name in names if name not in sizes]


def _decoded(group: str, responses: Any, skipped: set[str]) -> list[Problem]:
    rows = max(BYTES_AT_ONCE // max(int(np.prod(responses.shape[1:])) * responses.dtype.itemsize, 1), 1)
    problems, holes = [], []
    for begin in range(0, len(responses), rows):
        part = responses[begin : begin + rows]
        try:
            values = _values(part)
        except DamagedFileError as error:
            words = f"stimuli {begin:,} to {begin + len(part) - 1:,} cannot be decoded: {error}"
            problems.append(Problem(f"{group}/{VARIABLE}", words))
            continue
        empty = np.isnan(values.reshape(len(part), -1)).all(axis=1)
        holes += [name for name in part["stimulus"].values[empty].astype(str) if name not in skipped]
    if holes:
        shown = ", ".join(holes[:MOST_NAMED]) + ("..." if len(holes) > MOST_NAMED else "")
        words = f"{len(holes):,} stimuli ({shown}) hold no responses, and are not listed as skipped"
        problems.append(Problem(f"{group}/{VARIABLE}", words))
    return problems


def _values(responses: Any) -> np.ndarray:
    try:
        return np.asarray(responses.values)
    except Exception as error:  # codecs raise whatever they like for bytes that are not theirs
        raise DamagedFileError(str(error)) from error


def _skipped(attributes: Mapping[str, Any]) -> list[str]:
    try:
        return list(parsed_json(str(attributes.get("skipped", "{}")).encode(), "skipped"))
    except DamagedFileError:
        return []


def _sha256(place: Place, name: str) -> str | None:
    if place.local is not None:
        return sha256_of(place.local / name)
    content = place.read(name)
    return None if content is None else file_facts(content).sha256


def _bytes_below(folder: str, sizes: Mapping[str, int | None]) -> int:
    return sum(size or 0 for name, size in sizes.items() if name.startswith(f"{folder}/"))

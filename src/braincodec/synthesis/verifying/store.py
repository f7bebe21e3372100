"""Checking a whole store: what a synthesis made, other generated responses, models."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from braincodec.errors import InputValueError, MissingFileError
from braincodec.progress import progress_bar
from braincodec.synthesis.storage.place import open_place
from braincodec.synthesis.storage.stored_plan import jobs
from braincodec.synthesis.verifying.jobs import check_job, planned
from braincodec.synthesis.verifying.jobs import discard_damaged as discard
from braincodec.synthesis.verifying.others import artefacts, check_artefact, check_responses, response_groups
from braincodec.synthesis.verifying.verification import Checked, Problem, Verification


def verify(
    address: str | Path,
    storage_options: Mapping[str, Any] | None = None,
    *,
    contents: bool = True,
    discard_damaged: bool = False,
    progress: bool | None = None,
) -> Verification:
    """Check that a store is whole: checksums, holes, shapes, ids, labels.

    What a synthesis made is compared with its plan, its records and the SHA-256 of every file. Responses that were
    written by other means are decoded, which finds what is missing or cannot be read, but no changed value that
    decodes. Models are compared with their checksums.

    Parameters
    ----------
    address : str or Path
        A folder, or an address such as ``"s3://bucket/store"``.
    storage_options : mapping, optional
        For an address: handed to fsspec.
    contents : bool
        Read every file; otherwise only names and sizes are compared.
    discard_damaged : bool
        Remove the records of damaged blocks, damaged labels, and what says that the synthesis is complete: a resumed
        run then makes them again.
    progress : bool, optional
        Default: a bar where stderr is a terminal.

    Returns
    -------
    Verification
        `ok`, `problems`, `table`; its text says what is wrong.

    Raises
    ------
    MissingFileError
        When there is nothing at the address.
    InputValueError
        When what is there is no store.
    UnreachableError
        When the address does not answer.
    OutputError
        When damage should be discarded while another process writes there.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from braincodec.responses import build_responses
    >>> store = Path(tempfile.mkdtemp())
    >>> group = store / "generated_responses" / "model" / "stimuli-images" / "subject-01.zarr"
    >>> _ = build_responses(np.ones((2, 3), "float32"), ["a", "b"]).bc.to_zarr(group)
    >>> verify(store).ok
    True
    """
    place = open_place(address, storage_options)
    names = jobs(place)
    models, groups = list(artefacts(place)), list(response_groups(place))
    if not (names or models or groups):
        if not place.names():
            raise MissingFileError(address, "store", "there is nothing at this place")
        raise InputValueError(f"{address} holds neither generated responses nor models in braincodec's layout")
    checked: list[Checked] = []
    problems: list[Problem] = []
    discarded = 0
    sizes = {file.name: file.size for file in place.walk()}
    blocks, recorded = planned(place, names)
    groups = [group for group in groups if group not in recorded]
    total = blocks + len(models) + len(groups)
    with (
        place.exclusive() if discard_damaged else contextlib.nullcontext(),
        progress_bar("verify", total, show=progress) as advance,
    ):
        for job in names:
            found = check_job(place, job, contents=contents, advance=advance)
            checked += found.checked(sizes)
            problems += found.problems
            if discard_damaged:
                discarded += discard(place, found)
        for group in groups:
            checks = check_responses(place, group, sizes, contents=contents)
            checked.append(checks[0])
            problems += checks[1]
            advance(1)
        for folder in models:
            checks = check_artefact(place, folder, sizes, contents=contents)
            checked.append(checks[0])
            problems += checks[1]
            advance(1)
    return Verification(place.address, tuple(checked), tuple(problems), discarded, contents=contents)

"""Labels of the images behind generated responses, under NED's keys.

NED names the images of three sets: 73,000 of the Natural Scenes Dataset, 26,107 of THINGS, 50,000 of ImageNet's
validation part. Labels of THINGS and ImageNet follow from the images' paths; those of the Natural Scenes Dataset are in
its design file. Stimuli that these labels do not name are named by labels of our own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError
from braincodec.legacy.read import read_legacy

LABELS_OF = {"nsd": "nsd_labels", "things": "things_labels", "imagenet_val": "imagenet_val_labels"}
OWN_LABELS, STIMULUS_IDS, SKIPPED = "stimulus_labels", "stimulus_ids", "skipped"
NSD_IMAGES, IMAGENET_CLASSES = 73_000, 1000
IMAGENET_PATH = re.compile(r"(?:.*/)?(n\d{8})/[^/]+")
THINGS_PATH = re.compile(r"(?:.*/)?([^/]+)/[^/]+")
# of names inside a file of labels: dictionaries are kept as two arrays
SEPARATOR, KEYS = "/", ":keys"

Labels = dict[str, dict[str, Any]]


def imageset_labels(
    imageset: str, ids: Sequence[str] | np.ndarray, known: Mapping[str, Any] | None = None, skipped: str | None = None
) -> Labels:
    """The labels that go into the metadata of generated responses.

    Parameters
    ----------
    imageset : str
        ``"nsd"``, ``"things"``, ``"imagenet_val"``, or any other name.
    ids : sequence of str
        Of the stimuli, in the order of the rows.
    known : mapping, optional
        Published labels, from `read_labels`; what can be derived from `ids` is derived otherwise.
    skipped : str, optional
        JSON of the stimuli whose rows are NaN, id to reason.

    Returns
    -------
    dict
        ``things_labels {image_concept_index, image_paths, unique_id}``, ``imagenet_val_labels {label_number,
        label_names}`` or ``nsd_labels {subjectim, masterordering}`` where they are known; ``stimulus_labels
        {stimulus_ids, skipped}`` where those do not tell the ids, or rows were left empty.

    Examples
    --------
    >>> imageset_labels("things", ["images/bat/bat_01.jpg", "images/cat/cat_01.jpg"])["things_labels"]["unique_id"]
    {0: 'bat', 1: 'cat'}
    >>> imageset_labels("mine", ["a.png", "b.png"])["stimulus_labels"]["stimulus_ids"]
    ['a.png', 'b.png']
    """
    names = [str(one) for one in ids]
    key = LABELS_OF.get(imageset, "")
    published = dict(known or {}).get(key) or _derived(imageset, names)
    labels: Labels = {key: dict(published)} if published else {}
    own: dict[str, Any] = {}
    if published_ids(imageset, len(names), labels) != names:
        own[STIMULUS_IDS] = names
    if skipped:
        own[SKIPPED] = skipped
    return labels | ({OWN_LABELS: own} if own else {})


def published_ids(imageset: str, count: int, labels: Mapping[str, Any]) -> list[str] | None:
    """Ids as our readers of NED's folders give them: paths for THINGS, numbers from 0 for the others.

    None where the labels name another number of images.

    Examples
    --------
    >>> published_ids("nsd", 2, {})
    ['nsd-00000', 'nsd-00001']
    """
    paths = image_paths(imageset, labels)
    if paths is None:
        return [f"{imageset}-{number:05d}" for number in range(count)]
    return paths if len(paths) == count else None


def ids_as_published(imageset: str, ids: np.ndarray) -> np.ndarray:
    """Ids of a whole image set, where its own only count positions: those of the Natural Scenes Dataset get its names.

    Parameters
    ----------
    imageset : str
    ids : array of str

    Returns
    -------
    array of str
        `ids` themselves, unless these are all 73,000 images of ``"nsd"`` by position.

    Examples
    --------
    >>> ids_as_published("nsd", np.arange(73_000).astype(str))[[0, -1]].tolist()
    ['nsd-00000', 'nsd-72999']
    >>> ids_as_published("nsd", np.array(["0", "1"])).tolist()
    ['0', '1']
    """
    whole = imageset == "nsd" and len(ids) == NSD_IMAGES
    if not whole or not np.array_equal(ids, np.arange(NSD_IMAGES).astype(str)):
        return ids
    return np.asarray(published_ids(imageset, NSD_IMAGES, {}))


def image_paths(imageset: str, labels: Mapping[str, Any]) -> list[str] | None:
    """Paths of the images in the order of the rows, where the labels tell them."""
    key = LABELS_OF["things"]
    if imageset != "things" or key not in labels:
        return None
    paths = labels[key]["image_paths"]
    values = [paths[number] for number in sorted(paths)] if isinstance(paths, dict) else paths
    return [str(value) for value in values]


def read_labels(path: str | Path) -> Labels:
    """Published labels from a file that holds them.

    Parameters
    ----------
    path : str or Path
        ``nsd_expdesign.mat`` of the Natural Scenes Dataset, or metadata of any generated responses of NED (``.npy``).

    Raises
    ------
    MissingFileError
    DamagedFileError
        When the file is no such file.
    InputValueError
        When its metadata have no labels.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(path, "labels of an image set", "give nsd_expdesign.mat, or NED's metadata (.npy)")
    if path.suffix == ".mat":
        from braincodec.datasets.reading import read_matlab

        shapes = {"subjectim": (None, None), "masterordering": (1, None)}
        arrays = read_matlab(path, "design of the NSD experiment", shapes)
        # NED counts from 0
        return {LABELS_OF["nsd"]: {name: np.asarray(arrays[name], np.int64) - 1 for name in shapes}}
    content = read_legacy(path)
    found = {key: content[key] for key in LABELS_OF.values() if key in content} if isinstance(content, dict) else {}
    if not found:
        raise InputValueError(f"{path} holds no labels; expected one of {', '.join(LABELS_OF.values())}")
    return found


def labels_to_bytes(labels: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Labels as an ``.npz`` file of plain arrays, which is read without pickle.

    Examples
    --------
    >>> labels_from_bytes(labels_to_bytes({"things_labels": {"unique_id": {0: "bat"}}}), "labels.npz")
    {'things_labels': {'unique_id': {0: 'bat'}}}
    """
    members: dict[str, np.ndarray] = {}
    for key, group in labels.items():
        for name, value in group.items():
            member = f"{key}{SEPARATOR}{name}"
            if isinstance(value, Mapping):
                members[member + KEYS] = np.asarray(list(value))
                members[member] = np.asarray([str(item) for item in value.values()], str)
            else:
                array = np.asarray(value)
                members[member] = array.astype(str) if array.dtype == object else array
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **members)  # type: ignore[arg-type]
    return buffer.getvalue()


def labels_from_bytes(content: bytes, where: str) -> Labels:
    """The inverse of `labels_to_bytes`."""
    labels: Labels = {}
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as members:
            for member in members.files:
                if member.endswith(KEYS):
                    continue
                key, _, name = member.partition(SEPARATOR)
                values = members[member]
                if member + KEYS in members.files:
                    values = dict(zip(members[member + KEYS].tolist(), values.tolist(), strict=True))
                labels.setdefault(key, {})[name] = values
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DamagedFileError(f"{where} holds no labels of stimuli: {error}") from error
    return labels


def _derived(imageset: str, names: Sequence[str]) -> dict[str, Any]:
    if imageset == "things":
        return _things(names)
    return _imagenet(names) if imageset == "imagenet_val" else {}


def _things(names: Sequence[str]) -> dict[str, Any]:
    """Every image lies in a folder named after its concept."""
    matches = [THINGS_PATH.fullmatch(name) for name in names]
    concepts = [match[1] for match in matches if match]
    if not names or len(concepts) != len(names):
        return {}
    numbers = {concept: number for number, concept in enumerate(dict.fromkeys(concepts))}
    return {
        "image_concept_index": np.asarray([numbers[concept] for concept in concepts]),
        "image_paths": dict(enumerate(names)),
        "unique_id": {number: concept for concept, number in numbers.items()},
    }


def _imagenet(names: Sequence[str]) -> dict[str, Any]:
    """Classes are numbered in the order of their folders' names; the words for them are not known here."""
    matches = [IMAGENET_PATH.fullmatch(name) for name in names]
    folders = [match[1] for match in matches if match]
    classes = sorted(set(folders))
    if len(folders) != len(names) or len(classes) != IMAGENET_CLASSES:
        return {}
    return {"label_number": np.searchsorted(classes, folders), "label_names": dict(enumerate(classes))}

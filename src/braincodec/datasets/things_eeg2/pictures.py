"""The pictures of THINGS-EEG2: image files in a folder for each concept, listed in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braincodec.datasets.trial_arrangement import trial_table
from braincodec.errors import DamagedFileError, MissingFileError
from braincodec.legacy.read import read_legacy
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.listing import images_in_folder
from braincodec.stimuli.sources import ImageFiles

METADATA = "image_metadata.npy"
PLACES = ("", "image_set", "Image_set", "images")
PARTS = {"train": "training_images", "test": "test_images"}


@dataclass(frozen=True)
class Pictures:
    """Pictures in the order of the numbers by which recordings call them.

    Attributes
    ----------
    stimuli : StimulusSet
        Training pictures, then test pictures.
    ids, concepts : mapping of {"train", "test"} to list of str
    """

    stimuli: StimulusSet
    ids: dict[str, list[str]]
    concepts: dict[str, list[str]]


def metadata_file(root: Path, hint: str) -> Path:
    """Where the list of pictures is."""
    found = next((root / place / METADATA for place in PLACES if (root / place / METADATA).is_file()), None)
    if found is None:
        raise MissingFileError(root / PLACES[1] / METADATA, "list of the pictures of THINGS-EEG2", hint)
    return found


def open_pictures(root: Path, hint: str) -> Pictures:
    """The pictures, each found in its folder and not yet read.

    Raises
    ------
    MissingFileError
        When the list, a folder or a picture is absent.
    DamagedFileError
        When the list is none, or names what cannot be a file.
    """
    listed = metadata_file(root, hint)
    held = read_legacy(listed)
    if not isinstance(held, dict):
        raise DamagedFileError(f"{listed} holds a {type(held).__name__}; expected lists of pictures by name")
    folder = next(
        (root / place for place in PLACES if all((root / place / part).is_dir() for part in PARTS.values())), None
    )
    if folder is None:
        raise MissingFileError(
            listed.parent / PARTS["train"], "pictures of THINGS-EEG2 (training_images, test_images)", hint
        )
    ids, concepts, paths = {}, {}, []
    for part, name in PARTS.items():
        concepts[part] = _names(listed, held, f"{part}_img_concepts")
        files = _names(listed, held, f"{part}_img_files")
        if len(files) != len(concepts[part]):
            raise DamagedFileError(f"{listed} lists {len(files)} {part} files of {len(concepts[part])} concepts")
        ids[part] = [Path(file).stem for file in files]
        paths += _existing(folder / name, concepts[part], files, hint)
    everything = ids["train"] + ids["test"]
    if len(set(everything)) < len(everything):
        again = next(item for item, trials in zip(*trial_table(everything), strict=True) if (trials >= 0).sum() > 1)
        raise DamagedFileError(f"{listed} lists {again!r} more than once")
    return Pictures(StimulusSet(ImageFiles(folder.absolute(), paths), everything), ids, concepts)


def _names(path: Path, held: dict[str, Any], key: str) -> list[str]:
    found = held.get(key)
    if found is None:
        raise DamagedFileError(f"{path} lacks {key!r}; it holds {', '.join(map(str, held))}")
    names = [str(name) for name in found]
    for name in names:
        # they become paths
        if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
            raise DamagedFileError(f"{path}: {name[:80]!r} in {key!r} is no name of a file or folder")
    if not names:
        raise DamagedFileError(f"{path}: {key!r} is empty")
    return names


def _existing(folder: Path, concepts: list[str], files: list[str], hint: str) -> list[str]:
    relative = [f"{concept}/{file}" for concept, file in zip(concepts, files, strict=True)]
    known = set(images_in_folder(str(folder)))
    missing = [name for name in relative if name not in known]
    if missing:
        raise MissingFileError(
            folder / missing[0], f"{len(missing):,} of {len(relative):,} pictures, the first of which is", hint
        )
    return [f"{folder.name}/{name}" for name in relative]

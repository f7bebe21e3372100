"""What lies behind one's own data set: images, table, response files and split, linked to each other."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from braincodec.datasets.own.alignment import files_of, names_files, positions, same_name, sources_of
from braincodec.datasets.own.assembly import Shown, constant_per_stimulus
from braincodec.datasets.own.formats import Given, read_trials
from braincodec.datasets.own.joining import joined
from braincodec.datasets.own.layout import require
from braincodec.datasets.own.linking import linked
from braincodec.datasets.own.settings import OwnSettings
from braincodec.datasets.own.sources import SHARED, Source, find_sources, placed
from braincodec.datasets.own.splitting import column_split, group_labels, random_split, stated_split
from braincodec.datasets.own.table import ROW, open_table, role_columns, with_roles
from braincodec.datasets.own.trials import Trials
from braincodec.datasets.split import Split
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.copies import near_copy_groups

ONLY_SUBJECT = "1"


class Study:
    """Images, table, response files and split of one's own data set; responses are not read.

    Parameters
    ----------
    root : Path or None
        What relative paths start from.
    given : mapping
        ``images``, and ``table``, ``responses``, ``units``, ``mask``, ``rois``, ``split`` where there are any.
    settings : OwnSettings

    Raises
    ------
    MissingFileError, DamagedFileError, InputTypeError, InputValueError

    Attributes
    ----------
    stimuli : StimulusSet
    subjects : list of str
    """

    def __init__(self, root: Path | None, given: Mapping[str, Any], settings: OwnSettings) -> None:
        self.root, self.given, self.settings = root, dict(given), settings
        self._trials_of: dict[str, tuple[Trials, list[Source], list[int]]] = {}
        self._table_name = "the table"
        frame = self._open_table()
        self.stimuli = self._open_images(frame)
        self._table = None if frame is None else self._with_images(frame)
        self._sources = self._open_sources()
        self._table = self._table if self._table is not None else self._table_of_all()
        self.subjects = self._find_subjects()

    def table_in_words(self) -> str:
        """How many trials the table links, and what its columns are."""
        if self._table is None:
            return ""
        return f"{len(self._table):,} trials; columns {', '.join(str(c) for c in self._table.columns if c != ROW)}"

    def notes(self) -> list[str]:
        """What was decided while reading, and what is not used."""
        said = [note for name in self.subjects for note in self.trials(name)[0].notes]
        unused = len(self.stimuli) - len(self._shown_anywhere)
        if unused:
            said.append(f"{unused:,} of {len(self.stimuli):,} images are shown to nobody")
        return list(dict.fromkeys(said))

    def _open_images(self, table: pd.DataFrame | None) -> StimulusSet:
        images = self.given.get("images")
        if images is None and table is not None:
            named = self._files_named(table)
            if named is not None:
                return named
        require(self.given, "images", self.root)
        if isinstance(images, str | Path):
            images = placed(images, self.root)
        elif isinstance(images, list | tuple) and images and all(isinstance(item, str | Path) for item in images):
            images = [placed(item, self.root) for item in images]
        return StimulusSet.open(images)

    def _open_table(self) -> pd.DataFrame | None:
        table = self.given.get("table")
        if table is None:
            return None
        if isinstance(table, str | Path):
            table = placed(table, self.root)
            self._table_name = str(table)
        return open_table(table, self.settings.columns)

    def _with_images(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame["stimulus"] = linked(frame["stimulus"].tolist(), self._ids, self._table_name, self._images_name)
        frame[ROW] = np.arange(len(frame))
        return frame

    def _files_named(self, table: pd.DataFrame) -> StimulusSet | None:
        """The images that the table itself names as files; None where these do not exist."""
        names = list(dict.fromkeys(table["stimulus"]))
        for place in self._places:
            if all((place / name).is_file() for name in names):
                return StimulusSet.open([place / name for name in names], ids=names)
        return None

    @property
    def _places(self) -> list[Path]:
        """Folders that names in the table may start from."""
        table = self.given.get("table")
        beside = [placed(table, self.root).parent] if isinstance(table, str | Path) else []
        return [*([self.root] if self.root else []), *beside, Path()]

    def _open_sources(self) -> list[Source]:
        given = self.given.get("responses")
        if self._table is not None and names_files(self._table):
            own = [] if not isinstance(given, str | Path) else [placed(given, self.root)]
            places = [*own, *self._places]
            groups = self._table.groupby("subject", sort=False) if "subject" in self._table else [(SHARED, self._table)]
            return [Source(str(who), "", files_of(rows, places, self._table_name)) for who, rows in groups]
        require(self.given, "responses", self.root)
        return find_sources(given, self.root)

    def _table_of_all(self) -> pd.DataFrame | None:
        """The table in the one file of responses, where that says whose its trials are."""
        if len(self._sources) > 1 or self._sources[0].subject != SHARED:
            return None
        trials, *_ = self.trials(ONLY_SUBJECT)
        table = self._table_of_file(trials)
        if table is None or "subject" not in table:
            return None
        self._table_name = trials.where
        self._trials_of.clear()  # it was read for a subject of another name
        return table.assign(**{ROW: np.arange(len(table))})

    def _find_subjects(self) -> list[str]:
        named = [source.subject for source in self._sources if source.subject != SHARED]
        if self._table is not None and "subject" in self._table:
            names = list(dict.fromkeys(self._table["subject"]))
            for name in names:
                sources_of(self._sources, name)
            return names
        return list(dict.fromkeys(named)) or [ONLY_SUBJECT]

    def checked_name(self, name: object) -> str:
        """The subject's name as the files have it; numbers may be written otherwise."""
        found = [known for known in self.subjects if same_name(known, str(name))]
        if not found:
            raise UnknownNameError("subject", name, self.subjects, where=f"of {self.settings.title}")
        return found[0]

    def trials(self, name: str) -> tuple[Trials, list[Source], list[int]]:
        """Trials of one subject, what they were read from, and how many rows each of these has."""
        if name not in self._trials_of:
            sources = sources_of(self._sources, name)
            given = Given(self.settings, self.of_subject("mask", name))
            parts = [read_trials(source.given, given) for source in sources]
            found = parts[0] if len(parts) == 1 else joined(parts)
            self._trials_of[name] = (found, sources, [part.rows for part in parts])
        return self._trials_of[name]

    def shown(self, name: str) -> Shown:
        """What one subject was shown, and where the responses to it are."""
        trials, sources, counts = self.trials(name)
        if self._table is not None:
            rows = self._rows(name)
            place = positions(rows, self._table, trials, sources, counts, self._table_name)
            return Shown(_with_sessions(rows, place, sources, counts), place, self._table_name)
        table = self._table_of_file(trials)
        if table is None:
            if trials.rows != len(self.stimuli):
                hint = "" if trials.store.shape[1] != len(self.stimuli) else '; or say layout="unit,trial"'
                raise InputValueError(
                    f"{self._images_name} holds {len(self.stimuli):,} images, but {trials.where} has {trials.rows:,} "
                    f"trials of {trials.store.shape[1]:,} units; give a table that says which trial shows which "
                    f"image{hint}"
                )
            table = pd.DataFrame({"stimulus": self._ids})
        place = np.arange(len(table))
        return Shown(_with_sessions(table, place, sources, counts), place, trials.where)

    def _table_of_file(self, trials: Trials) -> pd.DataFrame | None:
        """What the response file says of its trials, where it says what they show."""
        if trials.table is None:
            return None
        names = list(map(str, trials.table.columns))
        given = {role: column for role, column in self.settings.columns.items() if column in names}
        roles = role_columns(names, given, trials.where, required=False)
        if "stimulus" not in roles:
            return None
        frame = with_roles(trials.table, roles, trials.where)
        frame["stimulus"] = linked(frame["stimulus"].tolist(), self._ids, trials.where, self._images_name)
        return frame

    def _rows(self, name: str) -> pd.DataFrame:
        assert self._table is not None
        return self._table[self._table["subject"] == name] if "subject" in self._table else self._table

    def of_subject(self, part: str, name: str) -> Any:
        """A part of the data set for one subject: `{subject}` in a path is its name."""
        given = self.given.get(part)
        if isinstance(given, Mapping) and part == "rois":
            return {roi: self._path_of(source, name) for roi, source in given.items()}
        return self._path_of(given, name)

    def _path_of(self, given: Any, name: str) -> Any:
        if not isinstance(given, str | Path):
            return given
        return placed(str(given).replace("{subject}", name), self.root)

    @property
    def _ids(self) -> list[str]:
        return [str(item) for item in self.stimuli.ids]

    @property
    def _images_name(self) -> str:
        images = self.given.get("images")
        return str(images) if isinstance(images, str | Path) else "the images"

    @functools.cached_property
    def _shown_anywhere(self) -> list[str]:
        """Stimuli that anybody was shown, in the order of the images."""
        shown = {item for table in self._tables for item in table["stimulus"]}
        return [item for item in self._ids if item in shown]

    @functools.cached_property
    def groups(self) -> Mapping[str, str] | None:
        """Which stimuli belong together: as the table says, or near copies where a split is drawn."""
        if all("group" in table for table in self._tables):
            return constant_per_stimulus(pd.concat(self._tables, ignore_index=True), "group", self._tables_name)
        if self._split_is != "random" or not self.settings.near_copies:
            return None
        ids = self._shown_anywhere
        return group_labels(ids, near_copy_groups(self.stimuli[ids]))

    @property
    def _tables(self) -> list[pd.DataFrame]:
        """What was shown: the table, or what the files of all subjects say, which are then opened."""
        return [self._table] if self._table is not None else [self.shown(name).table for name in self.subjects]

    @property
    def _tables_name(self) -> str:
        return self._table_name if self._table is not None else "the response files"

    @property
    def _split_is(self) -> str:
        """Where the split comes from: "given", "column" or "random"."""
        given = self.given.get("split")
        if given is not None:
            return "random" if isinstance(given, str) and given == "random" else "given"
        return "column" if all("split" in table for table in self._tables) else "random"

    @functools.cached_property
    def split(self) -> Split:
        """The split of all stimuli; one for all subjects."""
        kind = self._split_is
        if kind != "random" and "fractions" in self.settings.model_fields_set:
            raise InputValueError(
                f"fractions= draws a split, but there is one: {self.split_in_words()}; leave fractions out, or say "
                'split="random"'
            )
        if kind == "given":
            split = stated_split(self.given["split"])
            known = set(self._ids)
            split.check_against(known)
            return split
        if kind == "column":
            whole = pd.concat(self._tables, ignore_index=True)
            return column_split(whole["stimulus"].tolist(), whole["split"].tolist(), self._tables_name)
        ids, groups = self._shown_anywhere, self.groups
        labels = ids if groups is None else [groups[item] for item in ids]
        return random_split(ids, labels, self.settings.fractions, self.settings.seed)

    def split_in_words(self) -> str:
        """Where the split comes from."""
        if self._table is None and self.given.get("split") is None and len(self.subjects) > 1:
            return f"what the response files say, or else drawn at random with seed {self.settings.seed}"
        kind = self._split_is
        if kind == "random":
            copies = (
                "near copies of an image on one side" if self.settings.near_copies else "near copies not looked for"
            )
            return f"drawn at random with seed {self.settings.seed}, fractions {self.settings.fractions}, {copies}"
        return "as given" if kind == "given" else "the column split of the table"


def _with_sessions(
    table: pd.DataFrame, place: np.ndarray, sources: Sequence[Source], counts: Sequence[int]
) -> pd.DataFrame:
    """The same table; where it names no session and files do, with theirs."""
    if "session" in table or not all(source.session for source in sources):
        return table
    ends = np.cumsum(counts)
    return table.assign(session=[sources[int(np.searchsorted(ends, row, side="right"))].session for row in place])

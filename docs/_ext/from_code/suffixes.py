"""File formats, from the tables by which files are written."""

from __future__ import annotations

from braincodec.artefact import CARD, CHECKSUMS, CONFIG, UNITS, WEIGHTS
from braincodec.responses import FORMATS
from from_code.markdown import first_line, table

CONTENT = {
    CONFIG: "kind of model, its settings and preprocessing, where it comes from, package version; JSON",
    WEIGHTS: "all weights, by name; safetensors",
    UNITS: "a row for each unit: voxel or vertex, channel and time, regions, noise ceiling, accuracy; netCDF",
    CARD: "the model card: training data, split, licence, citation, scores; Markdown with YAML at its head",
    CHECKSUMS: "SHA-256 of each of the others; written last",
}


def response_suffixes() -> str:
    """A row for each suffix that responses can be written with."""
    rows = []
    for suffix in sorted(FORMATS.names()):
        chosen = FORMATS.get(suffix)
        rows.append((f"`{suffix}`", first_line(chosen.write.__doc__), "yes" if chosen.compressed else "no"))
    return table(("suffix", "what is written", "compressed"), rows)


def artefact_files() -> str:
    """A row for each file of an artefact."""
    return table(("file", "what is in it"), ((f"`{name}`", content) for name, content in CONTENT.items()))

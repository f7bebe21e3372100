"""The model card: README.md of an artefact, with front matter that model hubs read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np

from braincodec.card_training import cell, training_sections

if TYPE_CHECKING:
    from braincodec.features.preprocessing import Preprocessing
    from braincodec.models.base import Encoder

# licences that model hubs know by name; others are called "other" there and named beside it
HUB_LICENCES = ("apache-2.0", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-3.0", "mit")
# hubs refuse a card with a data set that none of theirs could be called
HUB_DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)?")
SCORES = ("ncsnr", "noise_ceiling", "accuracy_r2", "accuracy_correlation", "accuracy_noise_normalised")


def model_card(encoder: Encoder) -> str:
    """Markdown card of `encoder`: what it is, how it was made, what it scores."""
    about = encoder.description
    title = f"{about.model}, subject {about.subject}" + (f", {about.roi}" if about.roi else "")
    decodes = hasattr(type(encoder), "decode")
    directions = ["brain-encoding", *(["brain-decoding"] if decodes else [])]
    tags = [*directions, about.modality, encoder.kind, *(["simulated"] if about.simulated else [])]
    known_licence = about.licence.lower() in HUB_LICENCES
    shape = " x ".join(
        f"{size:,} {name}{'' if size == 1 else 's'}"
        for name, size in zip(encoder.response_dims, encoder.response_shape, strict=True)
    )
    lines = [
        "---",
        "library_name: braincodec",
        f"license: {about.licence.lower() if known_licence else 'other'}",
        *([] if known_licence else [f"license_name: {_hub_name(about.licence or 'not stated')}"]),
        f"tags: [{', '.join(map(_quoted, tags))}]",
        *([f"datasets: [{_quoted(about.dataset)}]"] if HUB_DATASET.fullmatch(about.dataset) else []),
        "---",
        "",
        f"# {cell(title)}",
        "",
        *(["**Simulated**: this subject never existed.", ""] if about.simulated else []),
        "| | |",
        "| --- | --- |",
        f"| kind | {encoder.kind} |",
        *_network(encoder),
        *_image_generator(encoder),
        f"| response | {shape} |",
        f"| response units | {about.response_units.replace('_', ' ').replace('zscored', 'z-scored')} |",
        *(f"| images | {_images(one)} |" for one in encoder.preprocessings),
        f"| trained on | {cell(about.dataset)}, subject {cell(about.subject)} |",
        f"| licence | {cell(about.licence or 'not stated')} |",
        *([f"| seed | {about.seed} |"] if about.seed is not None else []),
        *([f"| cite | {cell(about.citation)} |"] if about.citation else []),
        "",
        *([about.notes, ""] if about.notes else []),
        *_scores(encoder),
        *training_sections(about.training),
        "## Use",
        "",
        "```python",
        "import braincodec as bc",
        "",
        'encoder = bc.Encoder.load("path/to/this/folder")',
        "responses = encoder.encode(images)",
        *(["images = encoder.decode(responses)"] if decodes else []),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _hub_name(text: str) -> str:
    """A name as hubs want it for a licence of one's own.

    Examples
    --------
    >>> _hub_name("NSD terms of use"), _hub_name("?")
    ('nsd-terms-of-use', 'other')
    """
    return re.sub("[^a-z0-9.]+", "-", text.lower()).strip("-.") or "other"


def _quoted(text: str) -> str:
    """A YAML string, whatever it holds; JSON strings are YAML."""
    return json.dumps(text, ensure_ascii=False)


def _network(encoder: Encoder) -> list[str]:
    features = getattr(encoder.config, "features", None)
    if features is None:
        return []
    rows = []
    for one in features if isinstance(features, tuple) else (features,):
        layers = ", ".join(one.layers)
        rows += [f"| network | {cell(one.backbone)} |", f"| layers | {cell(layers)} ({one.pooling}) |"]
    return rows


def _image_generator(encoder: Encoder) -> list[str]:
    generator = getattr(encoder.config, "generator", None)
    return [] if generator is None else [f"| decoded images | by {cell(generator.kind)} |"]


def _images(preprocessing: Preprocessing) -> str:
    steps = []
    if preprocessing.square_crop:
        steps.append("central square")
    if preprocessing.resize is not None:
        size = preprocessing.resize
        steps.append(f"shorter side to {size}" if isinstance(size, int) else f"resized to {size[0]} x {size[1]}")
    if preprocessing.center_crop is not None:
        steps.append(f"central {preprocessing.center_crop}")
    if preprocessing.divisor != 1:
        steps.append(f"divided by {preprocessing.divisor:g}")
    steps.append(f"mean {preprocessing.mean}, std {preprocessing.std}")
    return ", ".join(steps)


def _scores(encoder: Encoder) -> list[str]:
    rows = []
    for name in SCORES:
        if name in encoder.units:
            values = np.asarray(encoder.units[name].values, float)
            known = values[np.isfinite(values)]
            if known.size:
                low, middle, high = np.percentile(known, [5, 50, 95])
                rows.append(f"| {name} | {middle:.3f} | {low:.3f} to {high:.3f} | {known.size} |")
    if not rows:
        return []
    return [
        "## Scores over units",
        "",
        "| score | median | 5th to 95th percentile | n |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
    ]

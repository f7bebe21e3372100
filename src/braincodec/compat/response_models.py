"""Models that a store has generated responses of, whether or not it has their weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace

from braincodec.compat.models import KnownModel
from braincodec.errors import BraincodecError
from braincodec.responses.select import roi_names
from braincodec.store import Store
from braincodec.store.response_sets import ResponseSet, chosen_sets
from braincodec.subjects import sorted_subjects


def with_responses(store: Store, known: Iterable[KnownModel]) -> list[KnownModel]:
    """The known models and those of generated responses; subjects and regions of both count.

    Parameters
    ----------
    store : Store
    known : iterable of KnownModel
    """
    models = {model.id: model for model in known}
    sets: dict[str, list[ResponseSet]] = {}
    for one in chosen_sets(store):
        sets.setdefault(one.model, []).append(one)
    for name, found in sets.items():
        model = models[name] if name in models else _described(store, found)
        regions = dict.fromkeys([*model.rois, *(one.roi for one in found if one.roi)])
        subjects = sorted_subjects({*model.subjects, *(one.subject for one in found)})
        models[name] = replace(model, subjects=tuple(subjects), rois=tuple(regions))
    return list(models.values())


def _described(store: Store, found: list[ResponseSet]) -> KnownModel:
    """A model that is known by its responses alone."""
    first = found[0]
    which = {"stimuli": first.stimuli, "subject": first.subject, "roi": first.roi}
    modality, _, rest = first.model.partition("-")
    dataset, rois = rest.partition("-")[0], []
    with contextlib.suppress(BraincodecError):  # asking for these responses says what is wrong with them
        about = store.response_description(first.model, **which)  # type: ignore[arg-type]
        modality, dataset = about.modality, about.dataset
        rois = [] if first.roi else roi_names(store.responses(first.model, **which))  # type: ignore[arg-type]
    return KnownModel(
        id=first.model,
        modality=modality,
        dataset=dataset,
        name=first.model.removeprefix(f"{modality}-{dataset}-"),
        subjects=(),
        rois=tuple(rois),
        one_model_a_roi=all(one.roi for one in found),
    )

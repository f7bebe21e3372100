"""The score of every decoded image that scores keep a picture of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import UnknownNameError

if TYPE_CHECKING:
    from braincodec.evaluation.scores.scores import Scores


def scores_of_images(scores: Scores, metric: str, subject: object = None) -> NDArray[np.float64]:
    """One score for each entry of ``scores.images``, in their order; NaN where there is none.

    Parameters
    ----------
    scores : Scores
        With images.
    metric : str
        One with a score of every stimulus.
    subject : optional
        Of several: only this one's images have a score. Default: each image has that of its own subject.

    Returns
    -------
    array, shape (images,)

    Raises
    ------
    UnknownNameError
    """
    names = [str(name) for name in scores.stimuli.data_vars]
    if metric not in names:
        raise UnknownNameError("metric of single stimuli", metric, names)
    ids = [] if scores.images is None else [str(item) for item in scores.images["ids"]]
    values = scores.stimuli[metric]
    stimuli = values["stimulus"].values.astype(str).tolist()
    known: dict[str, float] = {}
    people = [str(label) for label in values["subject"].values] if "subject" in values.dims else []
    if subject is not None and people and str(subject) not in people:
        raise UnknownNameError("subject", str(subject), people)
    for place, person in enumerate(people):
        if subject is None or person == str(subject):
            of_person = dict(zip(stimuli, values.isel(subject=place).values.tolist(), strict=True))
            known |= {name_of_image(item, person): value for item, value in of_person.items()}
            # pictures of one subject alone have the plain ids
            known |= {item: value for item, value in of_person.items() if np.isfinite(value) and item not in known}
    if not people:
        known = dict(zip(stimuli, values.values.tolist(), strict=True))
    return np.array([known.get(item, np.nan) for item in ids], float)


def name_of_image(stimulus: str, subject: str) -> str:
    """What a picture is called where there are pictures of several subjects.

    Examples
    --------
    >>> name_of_image("dog", "2")
    'subject 2, dog'
    """
    return f"subject {subject}, {stimulus}"

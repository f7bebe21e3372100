"""Whatever the order of a table, each stimulus has the responses of its rows: checked with pandas, row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.datasets import load_dataset
from braincodec.stimuli import StimulusSet

from .studies import IMAGES, image_names, numbered, pixels

STIMULI = StimulusSet.open(pixels(), ids=image_names())
ROWS = st.lists(
    st.tuples(st.integers(0, IMAGES - 1), st.sampled_from("ab"), st.sampled_from("12")), min_size=1, max_size=40
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 99), numbers=st.booleans(), average=st.booleans())
def test_responses_are_those_of_the_rows(rows, seed, numbers, average):
    # two stimuli that both subjects see, so that every part of the split holds something
    rows = [(n, who, "1") for who in "ab" for n in (0, 1)] + rows
    table = pd.DataFrame(rows, columns=["number", "subject", "session"])
    names = image_names()
    table["stimulus"] = [names[number] for number in table["number"]]
    table["split"] = ["test" if number == 1 else "train" for number in table["number"]]
    values = numbered(len(table))
    values[np.random.default_rng(seed).random(values.shape) < 0.1] = np.nan
    place = np.random.default_rng(seed).permutation(len(table)) if numbers else np.arange(len(table))
    given = table.drop(columns="number")
    if numbers:
        given["response"] = place
    data = load_dataset("own", table=given, images=STIMULI, responses=values)
    for who in data.subjects():
        responses = data.subject(who, repetitions="mean" if average else "each").responses
        own = table[table["subject"] == who]
        assert responses["stimulus"].values.tolist() == list(dict.fromkeys(own["stimulus"]))
        for name, group in own.groupby("stimulus"):
            expected = values[place[group.index]]  # (repetitions, units)
            found = responses.sel(stimulus=name).values
            if average or "repetition" not in responses.dims:
                np.testing.assert_allclose(found, pd.DataFrame(expected).mean().to_numpy(), rtol=1e-6)
            else:
                np.testing.assert_array_equal(found[: len(group)], expected)
                assert np.isnan(found[len(group) :]).all()

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from braincodec.errors import InputValueError
from braincodec.evaluation.statistics import false_discovery_rate


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1)))
def test_equals_scipys(p):
    np.testing.assert_allclose(false_discovery_rate(p), scipy.stats.false_discovery_control(p), rtol=1e-12)


@settings(deadline=None)
@given(hnp.arrays(np.float64, (6, 5), elements=st.one_of(st.floats(0, 1), st.just(np.nan))))
def test_units_without_a_test_count_in_no_number_of_tests(p):
    q = false_discovery_rate(p)
    tested = ~np.isnan(p)
    np.testing.assert_array_equal(np.isnan(q), ~tested)
    if tested.any():
        np.testing.assert_allclose(q[tested], scipy.stats.false_discovery_control(p[tested]), rtol=1e-12)


def test_the_rate_of_false_discoveries_is_kept():
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(200):
        p = rng.random(400)
        p[:100] = scipy.stats.norm.sf(rng.normal(size=100) + 3)
        found = false_discovery_rate(p) < 0.1
        rates.append(found[100:].sum() / max(1, found.sum()))
    assert 0.04 < np.mean(rates) < 0.1


def test_what_is_no_probability_is_refused():
    with pytest.raises(InputValueError, match="between 0 and 1"):
        false_discovery_rate([0.5, 1.2])

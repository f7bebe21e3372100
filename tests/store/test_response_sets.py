"""Sets of responses copied one after another."""

from __future__ import annotations

import pytest

from braincodec.errors import DamagedFileError, OutputError, UnknownNameError
from braincodec.store.response_sets import CopiedResponses, ResponseSet, copy_sets

SETS = [ResponseSet("model", "images", subject) for subject in (1, 2, 3)]


def copied(failures):
    """Copy `SETS`, some of which fail; gives what became of them and what was told."""
    told = []

    def copy(one):
        if one.subject in failures:
            raise failures[one.subject]
        return CopiedResponses(one, "written", nbytes=8)

    def watch(when):
        return lambda result: told.append((when, result.source.subject, result.outcome))

    return copy_sets(SETS, copy, on_start=watch("before"), on_end=watch("after")), told


def test_one_set_that_fails_keeps_no_other_from_being_copied():
    done, told = copied({2: DamagedFileError("cut short")})
    assert [(one.outcome, one.reason) for one in done] == [("written", ""), ("failed", "cut short"), ("written", "")]
    assert told == [
        (when, subject, outcome)
        for subject, ended in ((1, "written"), (2, "failed"), (3, "written"))
        for when, outcome in (("before", "pending"), ("after", ended))
    ]
    assert all(one.seconds > 0 for one in done)


@pytest.mark.parametrize("error", [OutputError("the disk is full"), UnknownNameError("roi", "V9", ["V1"])])
def test_what_would_fail_for_the_others_too_ends_it(error):
    with pytest.raises(type(error)):
        copied({2: error})

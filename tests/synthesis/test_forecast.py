"""The page that a dry run prints."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braincodec.synthesis.plan import Output, Pass, Plan, Request
from braincodec.synthesis.planning.forecast import Forecast, aligned, duration
from braincodec.synthesis.planning.probe import Probed


def study(subjects=8, rois=("V1", "V2", "V3"), stimuli=73_000, **settings):
    """A pass for each subject, whose regions share images."""
    passes = tuple(
        Pass(
            name=f"{subject - 1:03d}-fmri-nsd-fwrf",
            outputs=tuple(
                Output(
                    model="fmri-nsd-fwrf",
                    subject=subject,
                    roi=roi,
                    place=f"generated_responses/fmri-nsd-fwrf/stimuli-nsd/subject-{subject:02d}_roi-{roi}.zarr",
                    dims=("unit",),
                    shape=(1000,),
                    identity="",
                )
                for roi in rois
            ),
            shared="images",
            tile=16,
            block=1024,
            weight_bytes=10**8 * subject,
            image_bytes=1,
        )
        for subject in range(1, subjects + 1)
    )
    request = Request(models=("fmri-nsd-fwrf",), stimuli="nsd", count=stimuli, fingerprint="", **settings)
    return Plan(request=request, passes=passes, version="0", models_address="models")


def forecast(plan, **known):
    return Forecast(plan, "generated", "73,000 stimuli", **known)


def test_bytes_and_hours_follow_from_plan_and_probe():
    found = forecast(study(), workers=4, probed=Probed(dict.fromkeys(range(8), 0.1), 1000, 800))
    assert found.raw_bytes == 73_000 * 24_000 * 4
    assert found.stored_bytes == pytest.approx(0.8 * found.raw_bytes, rel=0.03)
    assert found.seconds == pytest.approx(73_000 * 8 * 0.1 / 4)
    words = str(found)
    assert "24 arrays of 73,000 stimuli, float32: 7.01 GB, about 5.72 GB compressed (by a probe)" in words
    assert "about 4.1 h of computing with 4 workers on this machine, 1 thread each" in words
    assert "shared        decoding and resizing of images: 8 times in place of 24" in words


def test_passes_that_were_not_timed_are_told_by_the_weight_of_those_that_were():
    found = forecast(study(subjects=2), probed=Probed({0: 0.1}))
    assert found.seconds == pytest.approx(73_000 * (0.1 + 0.2))
    assert "by a probe of 1 of 2 passes here" in str(found) and "~5" in str(found)


def test_what_is_there_already_costs_nothing():
    whole = forecast(study(), probed=Probed(dict.fromkeys(range(8), 0.1)))
    half = replace(whole, finished=dict.fromkeys(range(4), 73_000))
    assert half.seconds == pytest.approx(whole.seconds / 2)
    assert half.missing_bytes == pytest.approx(whole.missing_bytes / 2, rel=1e-6)


def test_half_precision_takes_half_the_bytes():
    assert forecast(study(stored_dtype="float16")).raw_bytes * 2 == forecast(study()).raw_bytes


def test_a_disk_that_is_too_small_is_said():
    plan = study()
    assert not forecast(plan, free_bytes=plan.stored_bytes // 2).fits
    assert "the disk has too little room" in str(forecast(plan, free_bytes=plan.stored_bytes // 2))
    assert forecast(plan, free_bytes=2 * plan.stored_bytes).fits and forecast(plan).fits


def test_many_passes_and_regions_are_cut_short():
    words = str(forecast(study(subjects=60, rois=[f"R{number}" for number in range(30)])))
    assert "and 20 more" in words and "R6 and 23 more" in words
    assert max(map(len, words.splitlines())) < 160


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.01, "1 s"), (89, "89 s"), (91, "2 min"), (5500, "1.5 h"), (200_000, "2.3 days")]
)
def test_durations_are_in_words(seconds, words):
    assert duration(seconds) == words


@given(st.lists(st.lists(st.text("ab ", max_size=5), min_size=3, max_size=3), max_size=4))
def test_rows_of_a_table_end_where_their_columns_do(rows):
    lines = aligned(["first", "second>", "third"], [["x", "1", "y"], *rows])
    assert len(lines) == len(rows) + 2
    assert all(line == line.rstrip() for line in lines)
    ends = {line.index("1") for line in lines[1:2]}
    assert ends == {lines[0].index("second") + len("second") - 1}

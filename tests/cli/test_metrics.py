"""`braincodec metrics`: every metric with what its number means."""

from __future__ import annotations

import json

import pytest

from braincodec.evaluation.metric import METRICS


def test_every_metric_is_listed_with_its_definition(run):
    found = {item["name"]: item for item in json.loads(run("metrics", "--json").out)}
    assert set(found) == set(METRICS.names())
    for name, item in found.items():
        assert item["definition"]
        assert item["source"]
        assert item["direction"] in ("encoding", "decoding", "both")
        assert item["better"] in ("higher", "lower", "neither")
        assert item["chance"] == METRICS.get(name).definition.chance
        assert len(item["range"]) == 2


@pytest.mark.parametrize("direction", ["encoding", "decoding"])
def test_direction_chooses(run, direction):
    found = json.loads(run("metrics", "--direction", direction, "--json").out)
    assert found
    assert {item["direction"] for item in found} <= {direction, "both"}


def test_table_names_range_chance_and_source(run):
    outcome = run("metrics")
    assert outcome.code == 0
    assert all(word in outcome.out for word in ("metric", "range", "chance", "better", "definition", "source"))
    line = next(line for line in outcome.out.splitlines() if line.split()[:1] == ["pixel_correlation"])
    assert "-1 to 1" in line


def test_one_metric_is_shown_in_full(run):
    definition = METRICS.get("ssim").definition
    outcome = run("metrics", "ssim")
    assert definition.title in outcome.out
    assert definition.text in outcome.out
    assert json.loads(run("metrics", "ssim", "--json").out)["definition"] == definition.text


@pytest.mark.parametrize(("words", "near"), [(["sim"], "ssim"), (["--direction", "encodng"], "encoding")])
def test_unknown_words_are_answered_with_the_nearest(run, words, near):
    outcome = run("metrics", *words)
    assert outcome.code == 1
    assert near in outcome.err

"""What the store holds, in tables and JSON."""

from __future__ import annotations

import json
import shutil

import pytest

MODEL = "fmri-test-mean_colour"


def test_models_table_and_json_say_the_same(run, small_store):
    table, data = run("models", "--store", small_store), run("models", "--store", small_store, "--json")
    (row,) = json.loads(data.out)
    assert row["id"] == MODEL
    assert row["subjects"] == [1, 2]
    assert set(row["rois"]) == {"V1", "V2", "FFA-1"}
    assert MODEL in table.out
    assert "FFA-1" in table.out


def test_info_shows_regions_of_each_subject_scores_and_scaling(run, small_store):
    outcome = run("info", MODEL, "--store", small_store)
    assert outcome.code == 0
    for words in ("CC0", "Nobody 2025", "z-scored within each recording session", "subject 2", "ncsnr"):
        assert words in outcome.out
    (ffa,) = [line.split() for line in outcome.out.splitlines() if line.split()[:2] == ["FFA-1", "x"]]
    assert ffa == ["FFA-1", "x"]  # subject 2 lacks it


def test_info_json_has_median_scores(run, small_store):
    facts = json.loads(run("info", MODEL, "--store", small_store, "--json", "--subject", 2).out)
    scores = {row["roi"]: row for row in facts["scores"]}
    assert set(scores) == {"V1", "V2"}
    assert scores["V1"]["units"] == "5"
    assert scores["V1"]["ncsnr"] == pytest.approx(0.5)
    assert facts["rois_of_subject"]["2"] == ["V1", "V2"]


def test_info_of_an_unknown_model_offers_the_nearest(run, small_store):
    outcome = run("info", "fmri-test-mean_color", "--store", small_store)
    assert outcome.code == 1
    assert f"did you mean '{MODEL}'" in outcome.err


def test_info_of_an_unknown_subject_lists_those_there_are(run, small_store):
    outcome = run("info", MODEL, "--store", small_store, "--subject", 3)
    assert outcome.code == 1
    assert "unknown subject '3'" in outcome.err or "unknown subject 3" in outcome.err
    assert "1, 2" in outcome.err


def test_info_of_published_folder(run, golden):
    outcome = run("info", "fmri-nsd-fwrf", "--store", golden / "neural_encoding_dataset")
    assert outcome.code == 0
    assert "lateral" in outcome.out
    assert "noise ceiling" in outcome.out
    eeg = run("info", "eeg-things_eeg_2-vit_b_32", "--store", golden / "neural_encoding_dataset")
    assert "z-scored within each recording session" in eeg.out
    assert "4 x 17 x 20" in eeg.out


def test_info_of_whole_cortex_model_lists_overlapping_regions(run, golden):
    outcome = run(
        "info", "fmri-nsd_fsaverage-vit_b_32", "--store", golden / "brain-encoding-response-generator", "--json"
    )
    rows = {row["roi"]: row["units"] for row in json.loads(outcome.out)["scores"]}
    assert rows[""] == "327684"
    assert 0 < int(rows["V1v"]) < 327684


def test_store_with_a_broken_config_is_named(run, small_store, tmp_path):
    shutil.copytree(small_store, tmp_path / "store")
    broken = tmp_path / "store" / MODEL / "subject-01" / "roi-FFA-1" / "config.json"
    broken.write_text("{")
    outcome = run("models", "--store", tmp_path / "store")
    assert outcome.code == 1
    assert str(broken) in outcome.err

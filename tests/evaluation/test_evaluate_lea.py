"""`evaluate` of the model that encodes and decodes, in memory, as an artefact and from the command line."""

from __future__ import annotations

import json

import pytest

import braincodec as bc
from braincodec.evaluation import evaluate

pytest.importorskip("skimage")

OPTIONS = {"n": 60, "backbone": "gabor:bank", "calibration": 8}
GABOR = {"image_embedding": "gabor:bank", "embedding_layer": "scales.*", "embedding_pooling": "spatial_mean"}
METRICS = ["correlation", "pattern_correlation", "mse", "two_way_embedding", "retrieval_top_1_embedding"]
QUICK = {"draws": 20, "permutations": 20, "leakage": "off", "progress": False}


@pytest.fixture(scope="module")
def recording():
    return bc.load_dataset("simulated", **OPTIONS).subject("1")


@pytest.fixture(scope="module")
def artefact(recording, tmp_path_factory):
    lea = bc.LEA(generator="retrieval", fmri_latent="components", **GABOR).fit(recording, progress=False)
    return lea.save(tmp_path_factory.mktemp("lea") / "model")


def test_an_artefact_that_decodes_is_judged_both_ways(artefact, recording):
    scores = evaluate(artefact, recording, metrics=METRICS, **QUICK)
    assert scores.directions == ("encoding", "decoding")
    assert set(scores.table["metric"]) == set(METRICS)
    assert scores.about["model"]["card"].startswith("---") and scores.name == "fmri-simulated-lea"
    lea = bc.Encoder.load(artefact)
    same = evaluate(lea, recording, metrics=METRICS, **QUICK)
    assert same.table["value"].tolist() == pytest.approx(scores.table["value"].tolist())
    decoding = evaluate(artefact, recording, direction="decoding", metrics="mse", **QUICK)
    assert decoding.direction == "decoding" and decoding.value("mse") == scores.value("mse")


def test_transductive_scaling_happens_in_the_model(artefact, recording):
    named = {"metrics": ["correlation", "two_way_embedding"], **QUICK}
    plain = evaluate(artefact, recording, **named)
    rescaled = evaluate(artefact, recording, rescale="transductive", **named)
    assert rescaled.about["rescale"] == "transductive"
    lea = bc.Encoder.load(artefact)
    stimuli, _ = recording.part("test")
    direct = evaluate(
        lea.encode(stimuli, rescale="transductive", progress=False), recording, metrics="correlation", **QUICK
    )
    assert rescaled.value("correlation") == pytest.approx(direct.value("correlation"))
    assert plain.about["rescale"] is None


def test_the_command_judges_the_direction_that_is_asked_for(artefact, capsys):
    from braincodec.cli.app import main

    words = ["--dataset", "simulated", "--metrics", "mse", "--draws", "20", "--permutations", "0", "--leakage", "off"]
    for name, value in OPTIONS.items():
        words += ["--dataset-option", f"{name}={json.dumps(value)}"]
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(artefact), *words, "--direction", "decoding", "--samples", "2", "--json"])
    assert not stop.value.code
    content = json.loads(capsys.readouterr().out)
    assert content["about"]["direction"] == "decoding" and content["about"]["samples"] == 2
    assert [row["direction"] for row in content["table"]] == ["decoding"]

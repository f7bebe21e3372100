"""`braincodec evaluate`: predictions and models against a data set, outputs, and refusals before long work."""

from __future__ import annotations

import json

import numpy as np
import pytest

import braincodec as bc
from braincodec.cli.evaluate import _option
from braincodec.evaluation.scores import Scores

from .small_dataset import NAME, Pictures, guesses

MODEL = "fmri-test-mean_colour"
QUICK = (
    "--dataset",
    NAME,
    "--draws",
    "20",
    "--permutations",
    "19",
    "--metrics",
    "correlation,noise_normalised_accuracy",
)


@pytest.fixture
def evaluate(run):
    def score(*words):
        return run("evaluate", *words, *QUICK)

    return score


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / "guess.npy"
    np.save(path, guesses(1))
    return path


def expected(subject="1", **options):
    settings = {"draws": 20, "permutations": 19, "metrics": ["correlation", "noise_normalised_accuracy"]}
    return bc.evaluate(guesses(int(subject)), Pictures().subject(subject), progress=False, **(settings | options))


def test_table_shows_what_python_computes(evaluate, predictions):
    outcome = evaluate(predictions, "--subject", "1")
    assert outcome.code == 0
    scores = expected()
    lines = [line.split() for line in outcome.out.splitlines()]
    for row in scores.table.itertuples():
        line = next(words for words in lines if words[:3] == [row.subject, row.roi, row.metric])
        assert f"{row.value:.3f}" in line
    assert "leakage check: None of 24 test images" in outcome.out
    assert "on test_pictures, encoding" in outcome.out.splitlines()[0]


def test_outputs_hold_the_same_scores(evaluate, predictions, tmp_path):
    folder, html, latex, as_json = (tmp_path / name for name in ("scores", "page.html", "table.tex", "scores.json"))
    outcome = evaluate(
        predictions, "--subject", "1", "-o", folder, "--html", html, "--latex", latex, "--json-file", as_json
    )
    assert outcome.code == 0
    saved = Scores.load(folder)
    np.testing.assert_allclose(saved.table["value"], expected().table["value"])
    assert json.loads(as_json.read_text())["table"] == json.loads(saved.to_json())["table"]
    assert r"\toprule" in latex.read_text()
    assert html.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert all(f"wrote {path}" in outcome.err for path in (folder, html, latex, as_json))


def test_json_goes_to_stdout_alone(evaluate, predictions):
    outcome = evaluate(predictions, "--subject", "1", "--json")
    content = json.loads(outcome.out)
    assert {row["roi"] for row in content["table"]} == {"all", "V1", "V2", "FFA-1"}
    assert content["about"]["settings"]["draws"] == 20


def test_options_reach_the_evaluation(evaluate, predictions):
    words = ("--subject", "1", "--roi", "V2", "--seed", "4", "--level", "0.9", "--leakage", "off", "--name", "mine")
    about = json.loads(evaluate(predictions, *words, "--noise-ceiling", "split_half", "--json").out)["about"]
    assert about["name"] == "mine"
    assert about["settings"] | {"rois": ["V2"], "seed": 4, "level": 0.9, "leakage": "off"} == about["settings"]
    assert about["noise_ceiling"]["method"] == "split_half"


def test_rows_are_those_of_the_chosen_regions(evaluate, predictions):
    table = json.loads(evaluate(predictions, "--subject", "1", "--roi", "V2", "--json").out)["table"]
    assert "V1" not in {row["roi"] for row in table}
    assert "V2" in {row["roi"] for row in table}


def test_one_file_for_each_subject(evaluate, tmp_path):
    paths = [tmp_path / f"{subject}.npy" for subject in (1, 2)]
    for subject, path in enumerate(paths, 1):
        np.save(path, guesses(subject))
    table = json.loads(evaluate(*paths, "--subject", "all", "--json").out)["table"]
    for subject in ("1", "2"):
        value = next(
            r["value"] for r in table if (r["subject"], r["roi"], r["metric"]) == (subject, "V1", "correlation")
        )
        assert value == pytest.approx(expected(subject).value("correlation", roi="V1"))


def test_model_of_a_store_is_run_on_each_subject(evaluate, small_store):
    outcome = evaluate("--store", small_store, "--model", MODEL, "--subject", "1,2", "--json", "--no-progress")
    assert outcome.code == 0
    content = json.loads(outcome.out)
    values = [row["value"] for row in content["table"] if row["metric"] == "correlation"]
    assert len(values) == 4 + 3
    assert min(values) > 0.9  # responses are the model's own, with little noise
    assert content["about"]["name"] == MODEL


def test_options_of_the_data_set_are_passed_on(evaluate, small_store):
    words = ("--store", small_store, "--model", MODEL, "--subject", "1", "--json", "--no-progress")
    noisy = json.loads(evaluate(*words, "--dataset-option", "noise=2.0").out)["table"]
    assert next(row["value"] for row in noisy if row["metric"] == "correlation") < 0.6


@pytest.mark.parametrize(
    ("text", "value"), [("n=5", 5), ("a=0.5", 0.5), ("a=true", True), ("a=x y", "x y"), ("a=b=c", "b=c"), ("a=", "")]
)
def test_options_of_the_data_set_are_numbers_where_they_read_so(text, value):
    assert _option(text)[1] == value


@pytest.mark.parametrize("output", ["-o", "--html", "--latex", "--json-file"])
def test_existing_output_is_refused_before_any_work(run, predictions, tmp_path, monkeypatch, output):
    (tmp_path / "mine").write_text("mine")
    monkeypatch.setattr("braincodec.datasets.loading.load_dataset", lambda *_: pytest.fail("work was begun"))
    outcome = run("evaluate", predictions, "--dataset", NAME, output, tmp_path / "mine")
    assert outcome.code == 1
    assert "exists" in outcome.err
    assert (tmp_path / "mine").read_text() == "mine"


def test_overwrite_replaces_outputs(evaluate, predictions, tmp_path):
    (tmp_path / "x.html").write_text("old")
    assert evaluate(predictions, "--subject", "1", "--html", tmp_path / "x.html", "--overwrite").code == 0
    assert (tmp_path / "x.html").read_text(encoding="utf-8") != "old"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x.npy"], "predictions or model not found: x.npy"),
        (["."], "name the data set with --dataset; there are"),
        (["x.npy", "--dataset", "digit70"], "digit69"),
        (["x.npy", "--dataset", NAME], "has 2 subjects: 1, 2; choose with --subject"),
        (["x.npy", "--dataset", NAME, "--subject", "7"], "unknown subject '7' of test_pictures"),
        (["x.npy", "--dataset", NAME, "--subject", "1"], "x.npy"),
        (["x.npy", "--dataset", NAME, "--subject", "sub-01"], "x.npy"),
        (["--dataset", NAME, "--subject", "1"], "give predictions"),
        (["x.npy", "--model", "m", "--dataset", NAME, "--subject", "1"], "give predictions"),
        (["a", "b", "c", "--dataset", NAME, "--subject", "1,2"], "3 predictions for 2 subjects"),
        (["--model", MODEL, "--dataset", NAME, "--subject", "1"], "--store"),
        (["x.npy", "--dataset", NAME, "--dataset-option", "noise"], "name=value"),
        (["x.npy", "--dataset", NAME, "--dataset-option", "nois=1"], "noise"),
        (["x.npy", "--dataset", NAME, "--subject", "1", "--leakage", "maybe"], "leakage"),
    ],
)
def test_mistakes_are_named_with_what_is_possible(run, words, message):
    outcome = run("evaluate", *words)
    assert outcome.code == 1
    assert message in outcome.err
    assert outcome.out == ""


def test_unknown_metric_is_named(run, predictions):
    outcome = run("evaluate", predictions, "--dataset", NAME, "--subject", "1", "--metrics", "corelation")
    assert outcome.code == 1
    assert "correlation" in outcome.err


def test_predictions_of_another_shape_are_refused_with_both_shapes(evaluate, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 5)))
    outcome = evaluate(tmp_path / "x.npy", "--subject", "1")
    assert outcome.code == 1
    assert "(3, 5)" in outcome.err
    assert "(24, 12)" in outcome.err

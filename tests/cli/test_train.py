"""``braincodec train``, and ``braincodec evaluate`` of what it made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import braincodec as bc

from ..small_training import DATASET, KIND, WAIT

QUICK = ("--set", "evaluation.draws=20", "--set", "evaluation.permutations=20", "--set", "evaluation.report=false")
DATA = ("--dataset", DATASET, "--subject", 1)
MODEL = f"fmri-{DATASET}-{KIND}"
QUICK_SCORES = ("--draws", 20, "--permutations", 20, "--metrics", "correlation")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Both regions of both subjects, a model each."""
    from braincodec.training import train

    from ..small_training import settings

    out = tmp_path_factory.mktemp("trained") / "out"
    train(settings(subject="all", roi=["V1", "V2"], one_model_a_roi=True, output=out))
    return out


def test_it_trains_scores_saves_and_says_what_to_do_next(run, tmp_path):
    out = tmp_path / "out"
    outcome = run("train", *DATA, "--roi", "V1,V2", "--model", KIND, *QUICK, "-o", out)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].startswith("accuracy      correlation 0.9") and "interval" in lines[0] and "ceiling 0.9" in lines[0]
    assert f"braincodec evaluate {out}" in outcome.out and f"{out}/train.yaml" in outcome.out
    assert f"--store {out} --model {MODEL} --subject 1" in outcome.out
    assert "36 training stimuli, 7 units" in outcome.err and f"{out}/learning-curves/" in outcome.out
    assert bc.Encoder.load(out).response_shape == (7,)
    again = run("train", *DATA, "--model", KIND, *QUICK, "-o", out)
    assert again.code == 1 and "exists" in again.err and "--overwrite" in again.err


def test_a_file_of_settings_changed_on_the_line(run, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"dataset: {DATASET}\nsubject: 2\nmodel: {{kind: {KIND}, strength: 0.5}}\nevaluation: {{draws: 5}}\n"
    )
    line = ("--config", file, "--set", "model.strength=0.25", "--seed", 3, "--dataset-option", "noise=0.1", *QUICK)
    outcome = run("train", *line, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    result = json.loads(outcome.out)
    assert [model["subject"] for model in result["models"]] == ["2"] and result["scores"][0]["n_stimuli"] == 20
    about = bc.Encoder.load(tmp_path / "out").description
    assert about.training["settings"] == {"strength": 0.25, "fast": True, "seed": 3}
    assert about.training["dataset"]["options"] == {"noise": 0.1}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ((), "--dataset NAME.*--config FILE.*train --list"),
        (
            ("--config", "nothing.yaml", "-o", "x"),
            "settings not found: nothing.yaml; settings that come .*simulated_fmri",
        ),
        (("--config", "simulated_fmr", "-o", "x"), "did you mean 'simulated_fmri'"),
        ((*DATA, "--model", KIND), "-o OUT"),
        ((*DATA, "--model", "liner", "-o", "x"), "did you mean 'linear'"),
        ((*DATA, "--model", KIND, "--set", "model.strenth=1", "-o", "x"), "did you mean 'strength'"),
        ((*DATA, "--model", KIND, "--set", "strength", "-o", "x"), "name=value"),
        ((*DATA, "--model", KIND, "--layers", "a", "-o", "x"), "unknown key 'layers'"),
        ((*DATA, "--model", KIND, "--roi", "V9", "-o", "x"), "unknown roi 'V9'.*available: V1, V2, early"),
        ((*DATA, "--model", KIND, "--batch-size", "big", "-o", "x"), "--batch-size"),
    ],
)
def test_mistakes_are_explained_in_a_line(run, tmp_path, monkeypatch, line, words):
    monkeypatch.chdir(tmp_path)
    outcome = run("train", *line)
    assert outcome.code == 1
    import re

    assert re.search(words, outcome.err), outcome.err
    assert not list(tmp_path.iterdir())


def test_mistakes_in_a_file_name_the_file_and_the_key(run, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(f"dataset: {DATASET}\nmodel: {{kind: {KIND}}}\nsubjct: 1\n")
    outcome = run("train", "--config", file, "-o", tmp_path / "out")
    assert outcome.code == 1 and f"{file}: unknown key 'subjct' (did you mean 'subject'?)" in outcome.err
    file.write_text(f"dataset: {DATASET}\ndataset: other\n")
    assert "line 2: the key 'dataset' comes twice" in run("train", "--config", file, "-o", tmp_path / "out").err


def test_a_plan_says_how_much_and_writes_nothing(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run(
        "train", "--dataset", DATASET, "--subject", "all", "--roi", "each", "-m", KIND, "-o", "out", "--dry-run"
    )
    assert outcome.code == 0 and "6 model(s); nothing was written" in outcome.out and "free disk" in outcome.out
    assert not list(tmp_path.iterdir())
    linear = ("--model", "linear", "--backbone", "gabor:bank", "--layers", "scales.*", "--dry-run")
    planned = json.loads(run("train", *DATA, *linear, "--json").out)
    assert planned["models"][0] == {
        "name": "subject 1",
        "stimuli": {"train": 36, "validation": 4, "test": 20},
        "outputs": 9,
        "judged_on": "test",
    }
    assert planned["feature_bytes"] == 4 * 36 * planned["features"] and planned["seconds"] > 0
    assert "extraction    about" in run("train", *DATA, *linear).out


def test_settings_that_come_along_are_listed_and_shown(run, tmp_path):
    listed = run("train", "--list")
    assert "ned_fmri_nsd_fwrf" in listed.out and "own_template" in listed.out
    assert "simulated_fmri" in json.loads(run("train", "--list", "--json").out)
    shown = run("train", "--show", "own_template").out
    file = tmp_path / "mine.yaml"
    file.write_text(shown)
    from braincodec.settings_file import read_settings

    assert read_settings(file)["dataset"]["name"] == "own"


def test_a_trained_folder_is_judged_without_being_told_its_data(run, trained):
    outcome = run("evaluate", trained, "--roi", "V2", *QUICK_SCORES, "--json")
    assert outcome.code == 0, outcome.err
    rows = json.loads(outcome.out)["table"]
    assert [(row["subject"], row["roi"], row["n_units"]) for row in rows] == [("1", "V2", 3), ("2", "V2", 3)]
    one = run("evaluate", trained / MODEL / "subject-02" / "roi-V1", *QUICK_SCORES, "--json")
    assert [(row["roi"], row["n_units"]) for row in json.loads(one.out)["table"]] == [("V1", 4)]
    stored = bc.Encoder.load(trained / MODEL / "subject-02" / "roi-V1").description.training["scores"]
    assert json.loads(one.out)["table"][0]["value"] == pytest.approx(stored[0]["value"], abs=1e-6)


def test_a_trained_folder_with_a_model_a_region_asks_which(run, trained):
    outcome = run("evaluate", trained, *QUICK_SCORES)
    assert outcome.code == 1 and "choose one with --roi: V1, V2" in outcome.err
    assert "unknown roi 'V3'" in run("evaluate", trained, "--roi", "V3", *QUICK_SCORES).err
    assert "unknown subject '7'" in run("evaluate", trained, "--subject", 7, "--roi", "V1", *QUICK_SCORES).err


def test_the_split_that_a_model_was_trained_by_is_judged_on(run, tmp_path):
    out = tmp_path / "out"
    split = ("--set", "split.fractions=[0.5, 0, 0.5]", "--set", "split.seed=5")
    assert run("train", *DATA, "--model", KIND, *split, *QUICK, "-o", out).code == 0
    rows = json.loads(run("evaluate", out, *QUICK_SCORES, "--json").out)["table"]
    assert {row["n_stimuli"] for row in rows} == {30}


def test_an_interrupted_command_says_that_it_goes_on(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})\n"
        "from tests import small_training\nfrom braincodec.cli.app import main\nmain(sys.argv[1:])"
    )
    line = [sys.executable, "-c", code, "train", *map(str, DATA), "--model", KIND, "-o", str(tmp_path / "out")]
    mark = tmp_path / "mark"
    process = subprocess.Popen(
        line, env={**os.environ, WAIT: f"1-9:{mark}"}, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not mark.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "The same command goes on where it stopped" in err
    assert not (tmp_path / "out").exists() and (tmp_path / "out.partial" / "train.yaml").is_file()

"""`braincodec train --model lea` and `lea-pretrain`: one aligned model, scored both ways, from a folder of data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..published_lea.simulated import of_any_size, without_pictures, write_small_god

SMALL = {
    "model.image_embedding": "gabor:bank", "model.embedding_layer": "scales.3", "model.image_size": "64",
    "model.generator": "retrieval", "evaluation.draws": "20", "evaluation.permutations": "20",
    "evaluation.metrics": "[correlation, pixel_correlation]", "evaluation.report": "false",
}  # fmt: skip
AUTOENCODER = ["epochs=2", "width=16", "depth=1", "heads=2", "latent=12", "decoder_width=8", "decoder_depth=1"]


@pytest.fixture(scope="module", autouse=True)
def smaller_than_published() -> Iterator[None]:
    with of_any_size(), pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        yield


@pytest.fixture(scope="module")
def god(tmp_path_factory) -> Path:
    return write_small_god(tmp_path_factory.mktemp("data") / "god")


def settings(**more: str) -> list[str]:
    return [f"--set={name}={value}" for name, value in (SMALL | more).items()]


def test_train_scores_both_directions_and_what_it_keeps_decodes(run, god, tmp_path):
    out = tmp_path / "out"
    words = ["train", "--dataset", "god", "--root", god, "--subject", "1", "--model", "lea", "--no-progress", "-o", out]
    own = settings(**{"model.fmri_latent": "components", "evaluation.samples": "2"})
    outcome = run(*words, *own, "--json")
    assert outcome.code == 0, outcome.err
    found = {(row["direction"], row["metric"]) for row in json.loads(outcome.out)["scores"]}
    assert found == {("encoding", "correlation"), ("decoding", "pixel_correlation")}
    assert any("2 images were decoded" in note for note in json.loads(outcome.out)["warnings"])
    again = run("evaluate", out, "--metrics", "pixel_correlation", "--samples", 2, "--no-progress")
    assert again.code == 0, again.err


def test_plan_of_a_lea_counts_and_times_its_embedding(run, god):
    words = ["train", "--dataset", "god", "--root", god, "--subject", "1", "--model", "lea", "--dry-run"]
    outcome = run(*words, *settings())
    assert outcome.code == 0, outcome.err
    assert "lea on god" in outcome.out and "640 of a stimulus" in outcome.out


def test_a_trunk_of_all_subjects_is_where_a_subjects_training_begins(run, god, tmp_path):
    trunk = tmp_path / "trunk"
    small = [f"--set={item}" for item in AUTOENCODER]
    outcome = run("lea-pretrain", "--dataset", "god", "--root", god, *small, "--no-progress", "-o", trunk)
    assert outcome.code == 0, outcome.err
    assert "a trunk of 2 recordings" in outcome.out and "model.pretrained" in outcome.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trunk"]
    words = ["train", "--dataset", "god", "--root", god, "--subject", "2", "--model", "lea", "--no-progress"]
    own = settings(**{"model.pretrained": str(trunk), "model.autoencoder.epochs": "1", "evaluation.part": "none"})
    outcome = run(*words, *own, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "out" / "learning-curves").is_dir()
    assert f"braincodec decode my-responses.npy --model {tmp_path / 'out'} --subject 2" in outcome.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--root", "no/such"], "not found"),
        (["--subject", "9"], "unknown subject '9' of god"),
        (["--set", "epoch=2"], "did you mean 'epochs'"),
        (["--start", "absent"], "absent"),
        (["--dataset", "bold5000"], "as many --root"),
    ],
)
def test_pre_training_tells_mistakes_and_leaves_nothing(run, god, tmp_path, words, message):
    root = [] if "--root" in words else ["--root", god]
    outcome = run("lea-pretrain", "--dataset", "god", *root, *words, "-o", tmp_path / "trunk")
    assert outcome.code == 1
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_settings_cannot_name_code_as_the_image_embedding(run, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("dataset: simulated\nmodel: {kind: lea, image_embedding: 'os:getcwd'}\n")
    outcome = run("train", "--config", path, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert "would import and run code" in outcome.err

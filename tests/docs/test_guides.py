"""The Python on the pages runs as it stands, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..documents import run_python_of, write_demo_output


@pytest.mark.slow
def test_python_of_getting_started_gives_responses_and_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_demo_output(tmp_path)
    names = run_python_of("docs/getting_started.md", tmp_path, monkeypatch)
    assert names["responses"].dims == ("stimulus", "unit")
    assert len(names["images"]) == names["fmri"].sizes["stimulus"]


@pytest.mark.slow
def test_python_on_encoding_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_demo_output(tmp_path)
    names = run_python_of("docs/guides/encode.md", tmp_path, monkeypatch)
    assert set(names["v1"].bc.units["hemisphere"].values) == {"left"}
    assert (tmp_path / "responses.zarr").is_dir()


@pytest.mark.slow
def test_python_on_training_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_python_of("docs/guides/train.md", tmp_path, monkeypatch)
    assert (tmp_path / "my-model" / "train.yaml").is_file()
    assert names["scores"].value("correlation") > 0


@pytest.mark.slow
def test_python_on_judging_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_python_of("docs/guides/judge.md", tmp_path, monkeypatch)
    assert {"value", "floor", "ceiling"} <= set(names["scores"].table)
    assert (tmp_path / "report.html").is_file()


@pytest.mark.slow
def test_python_on_sharing_publishes_one_model_and_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_python_of("docs/guides/share.md", tmp_path, monkeypatch)
    assert names["bc"].open_store("models").models()["id"].tolist() == ["fmri-simulated-gaussian_fwrf"]


@pytest.mark.slow
def test_python_on_data_sets_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_python_of("docs/catalogue/datasets.md", tmp_path, monkeypatch)
    assert names["recording"].dataset == "simulated"


def test_python_on_decoding_decodes_and_scores_both_directions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_python_of("docs/guides/decode.md", tmp_path, monkeypatch)
    assert set(names["scores"].table["direction"]) == {"encoding", "decoding"}
    assert (tmp_path / "decoded" / "hits.csv").is_file()
    assert names["translated"].sizes["tokens"] == 256


@pytest.mark.slow
def test_python_on_generated_responses_goes_to_ned_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_demo_output(tmp_path)
    names = run_python_of("docs/guides/generated_responses.md", tmp_path, monkeypatch)
    assert names["responses"].shape == (2, 4, 63, 91)
    assert len(names["store"].stimulus_set("photographs")) == 2
    (one,) = names["bc"].open_store("generated_again").response_sets().to_dict("records")
    assert one["stimuli"] == "photographs"


def test_python_on_experiments_confirms_on_a_held_out_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_python_of("docs/guides/in_silico.md", tmp_path, monkeypatch)
    assert names["checked"].effect.low > 0
    assert names["batch"].similarity > names["batch"].floor

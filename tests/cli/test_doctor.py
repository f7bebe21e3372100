"""`braincodec doctor`: facts of this machine."""

from __future__ import annotations

import json

import pytest

from braincodec import doctor
from braincodec.doctor import diagnose, hugging_face_cache, matrix_product_rate, problems


def test_facts_are_plain_and_complete(run):
    facts = json.loads(run("doctor", "--json", "--no-measure").out)
    assert facts["packages"]["torch"]
    assert facts["processor"]["torch_threads"] >= 1
    assert facts["memory_free_bytes"] > 0
    assert facts["disk_free_bytes"] > 0
    assert facts["matrix_product_gflops"] is None
    assert {"vision", "offline", "neuro", "viz", "remote"} <= set(facts["extras"])


def test_table_has_the_install_line_of_what_is_absent(run, monkeypatch):
    present = doctor.installed_version
    monkeypatch.setattr(doctor, "installed_version", lambda name: None if name == "mne" else present(name))
    outcome = run("doctor", "--no-measure")
    assert outcome.code == 0
    assert "mne (absent)" in outcome.out
    assert "pip install 'braincodec[neuro]'" in outcome.out


def test_rate_is_that_of_a_processor():
    assert 0.1 < matrix_product_rate("cpu") < 1e6


def test_weights_are_found_where_the_libraries_keep_them(tmp_path, monkeypatch):
    (tmp_path / "torch/hub/checkpoints").mkdir(parents=True)
    (tmp_path / "torch/hub/checkpoints/vit_b_32-d86f8d99.pth").write_bytes(b"123")
    (tmp_path / "hf/models--timm--vit_tiny/blobs").mkdir(parents=True)
    (tmp_path / "hf/models--timm--vit_tiny/blobs/abc").write_bytes(b"12345")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    found = {item["name"]: item["bytes"] for item in doctor.weights_found()}
    assert found["vit_b_32-d86f8d99.pth"] == 3
    assert found["timm/vit_tiny"] == 5


def test_hugging_face_cache_follows_the_same_variables(monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    assert str(hugging_face_cache()) == constants.HF_HUB_CACHE
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert str(hugging_face_cache()).endswith(".cache/huggingface/hub")
    monkeypatch.setenv("HF_HOME", "/elsewhere")
    assert str(hugging_face_cache()) == "/elsewhere/hub"


def test_problems_are_said_in_words(monkeypatch):
    facts = diagnose(measure=False)
    lacking = {**facts, "weights": [], "memory_free_bytes": 10**8, "packages": {"zarr": None}}
    words = "\n".join(problems(lacking))
    assert "braincodec[offline]" in words
    assert "memory" in words
    assert "zarr" in words


def test_torchvision_that_cannot_be_imported_is_a_problem(monkeypatch):
    def fail():
        raise RuntimeError("operator torchvision::nms does not exist\nand more")

    monkeypatch.setattr("braincodec.features.torchvision_compat.import_torchvision", fail)
    facts = {"packages": {}, "extras": {"vision": {"packages": {"torchvision": "0.1"}}}, "weights": [1],
             "memory_free_bytes": 10**10}  # fmt: skip
    assert problems(facts) == [
        "torchvision cannot be imported (operator torchvision::nms does not exist): "
        "install the version that belongs to this torch"
    ]

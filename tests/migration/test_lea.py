"""For users of LEA: what the page says to write runs on data and checkpoints in the published layout."""

from __future__ import annotations

import functools
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import braincodec.published_lea as published_lea
from braincodec.evaluation.metric import METRICS
from braincodec.models.lea.published_keys import KEYS

from ..models.lea import published_files as files
from ..published_lea import networks
from ..published_lea.simulated import QUICK, of_any_size, without_pictures, write_small_god

PAGE = (Path(__file__).parents[2] / "docs" / "migration" / "lea.md").read_text(encoding="utf-8")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
SHELL = re.compile(r"```shell\n(.*?)```", re.DOTALL)
FENCED = re.compile(r"```.*?```", re.DOTALL)
CODE = re.compile(r"`([^`]+)`")
# of both simulated subjects of god; values of the third scale of the gabor network at 64 pixels
VOXELS, EMBEDDING = (8, 7, 7, 7, 7, 7, 6, 5), 640
SMALL = {"embedding_layer": "scales.3", "image_size": 64}
# what the published scripts define and are called with
PUBLISHED = (
    "Neural_Encoding_Decoding", "test_gpu", "infer", "ckpt_encoder", "ckpt_decoder", "num_samples", "batch_size",
    "num_step", "gamma_mode", "seed", "cfg_file", "create_Kamitani_CLIP_dataset", "create_BOLD5000_CLIP_dataset",
    "path", "roi", "patch_size", "image_size", "image_norm", "random_flip", "drop_rate", "subjects", "test_category",
    "include_nonavg_test", "clip_name", "clip_ckpt", "clip_cache", "Neural_fMRI2fMRI", "fMRI_Autoencoder",
    "forward_encoder", "forward_decoder", "Neural_Image2RGB_MaskGIT", "predict_eval", "MaskGIT_VQModel",
    "customized_CLIP", "encode_image", "Ridge", "save_model", "torch_init_model", "get_eval_metric", "get_eval_metric2",
    "get_similarity_metric", "get_n_way_top_k_acc", "mse", "pcc", "ssim", "psm", "snr", "clip", "fid", "num_voxel",
    "roi_patch",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What a user of LEA has: data, checkpoints and YAML files under their published names, small."""
    write_small_god(tmp_path / "dataset" / "Kamitani")
    places = {
        "checkpoints/GOD_sbj1/checkpoint.pth": networks.autoencoder(tmp_path, VOXELS),
        "checkpoints/ImageDecoder_MaskGIT/checkpoint.pth": networks.token_generator(tmp_path, EMBEDDING),
        "pretrains/MaskGIT_ImageNet256_checkpoint.pth": networks.tokenizer(tmp_path),
    }
    for place, made in places.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, tmp_path / place)
    content = files.token_generator(decoder_depth=2, decoder_embed_dim=32, resolution=32, patch_size=4)
    content["Data"] = {**content["Data"], "image_size": 32, "patch_size": 4}
    files.write(tmp_path / "configs", "MaskGIT_Transformer.yaml", content)
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    with of_any_size():
        yield tmp_path


@pytest.mark.slow
def test_python_runs_on_published_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {name: QUICK[name] for name in ("image_embedding", "metrics", "draws", "permutations", "leakage")}
    run = functools.partial(published_lea.lea_inference, **small, settings=SMALL)
    monkeypatch.setattr(published_lea, "lea_inference", run)
    names: dict[str, Any] = {}
    blocks = PYTHON.findall(PAGE)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "lea.md", "exec"), names)
    assert set(names["result"].scores.table["direction"]) == {"encoding", "decoding"}
    assert len(names["images"]) == 5 * 6 and names["responses"].shape == (6, 54)
    for made in ("sheet.png", "images", "responses.zarr"):
        assert (folder / "OUT" / made).exists() and f"OUT/{made}" in PAGE


def test_command_is_understood(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from braincodec.cli.app import main

    (command,) = SHELL.findall(PAGE)
    program, *given = shlex.split(command.replace("\\\n", " "))
    assert program == "braincodec"
    small = ["--image-embedding", "gabor:bank", *(f"--set={name}={value}" for name, value in SMALL.items())]
    with pytest.raises(SystemExit) as stop:
        main([*given, *small, "--dry-run"])
    assert not stop.value.code
    plan = capsys.readouterr().out
    assert plan.count("published checkpoint") == 3 and "5 image(s)" in plan and "seed 666" in plan
    assert not (folder / "OUT").exists()


def test_every_published_name_and_argument_is_on_the_page() -> None:
    text = "\n".join([*FENCED.findall(PAGE), *CODE.findall(FENCED.sub("", PAGE))])
    found = set(re.findall(r"\w+", text))
    assert set(PUBLISHED) <= found, sorted(set(PUBLISHED) - found)


def test_every_key_that_is_translated_is_in_the_table() -> None:
    named = set(CODE.findall(PAGE.split("## The YAML files")[1].split("## Differences")[0]))
    translated = {name for keys in KEYS.values() for name, key in keys.items() if key.to}
    assert translated <= named, sorted(translated - named)
    known = {name for keys in KEYS.values() for name in keys}
    assert {name for name in named if "." in name or name.isupper()} <= known | {"--config"}


def test_options_and_metrics_that_are_named_exist() -> None:
    import inspect

    from braincodec.cli.lea import lea_inference
    from braincodec.published_lea.settings import InferenceSettings

    options = set(re.findall(r"`--([a-z-]+)", PAGE)) - {"set"}
    assert {name.replace("-", "_") for name in options} <= set(inspect.signature(lea_inference).parameters)
    assert {"autoencoder", "maskgit", "tokenizer", "samples", "seed", "configs"} <= set(InferenceSettings.model_fields)
    rows = PAGE.split("## The metrics")[1].split("## The YAML")[0].splitlines()
    named = {name for row in rows[6:] if row.startswith("|") for name in CODE.findall(row.split("|")[2])}
    assert named - {"result.scores", "bc.evaluate(lea, recording, samples=5)"} <= set(METRICS.names())

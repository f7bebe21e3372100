"""Published checkpoints and published YAML files are taken as they come; what does not fit is refused at once."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from braincodec.errors import InputValueError, UnsafeFileError
from braincodec.published_lea import lea_inference
from braincodec.published_lea.run import plan_lea_inference

from ..models.lea import published_files as files
from . import networks
from .simulated import QUICK, without_pictures

EMBEDDING = 640  # values of the third scale of the gabor network at 64 pixels
VOXELS = (8, 7, 7, 7, 7, 7, 6, 5)  # of both simulated subjects of god
OWN = {name: value for name, value in QUICK.items() if name != "settings"} | {
    "settings": {"embedding_layer": "scales.3", "image_size": 64}
}
RUN = {name: value for name, value in OWN.items() if name != "progress"}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        "autoencoder": networks.autoencoder(folder, VOXELS),
        "maskgit": networks.token_generator(folder, EMBEDDING),
        "tokenizer": networks.tokenizer(folder),
    }


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No figures."""
    without_pictures(monkeypatch)


def yaml_of(folder: Path, **content) -> list[Path]:
    return [files.write(folder, f"{name}.yaml", values) for name, values in content.items()]


def test_checkpoints_and_files_give_a_run_without_training(god, checkpoints, tmp_path, monkeypatch):
    for name in ("fmri_autoencoder.training.fit_autoencoder", "tokenizer.training.fit_tokenizer"):
        monkeypatch.setattr(f"braincodec.models.lea.{name}", lambda *_, **__: pytest.fail("trained"))
    configs = yaml_of(tmp_path / "configs", generator=files.token_generator(decoder_depth=2, decoder_embed_dim=32,
                      resolution=32, patch_size=4) | {"Data": small_data()}, tokenizer=files.tokenizer())  # fmt: skip
    lines: list[str] = []
    result = lea_inference("god", god, 1, tmp_path / "out", **checkpoints, configs=configs, **OWN, say=lines.append)
    plan = "\n".join(lines)
    assert plan.count("published checkpoint") == 3 and "training the" not in plan
    assert "one mean and deviation" in plan
    assert np.asarray(Image.open(result.images[0][0])).shape == (32, 32, 3)
    assert not any("trained here" in note for note in result.scores.about["warnings"])
    stored = (result.model / "config.json").read_text()
    assert '"steps": 6' in stored  # as the file says


def small_data() -> dict[str, object]:
    return {**files.token_generator()["Data"], "image_size": 32, "patch_size": 4}


def test_paths_inside_files_hold_where_they_exist_and_the_command_line_comes_first(god, checkpoints, tmp_path):
    content = files.token_generator(decoder_depth=2, decoder_embed_dim=32, resolution=32, patch_size=4)
    content |= {"VQGAN_MODEL": str(checkpoints["tokenizer"]), "Data": small_data()}
    configs = yaml_of(tmp_path, generator=content)
    plan = plan_lea_inference("god", god, 1, "out", maskgit=checkpoints["maskgit"], configs=configs, **RUN)
    assert dict(plan.rows)["image tokenizer"] == f"published checkpoint {checkpoints['tokenizer']}"
    assert any("which" in note and "names" in note for note in plan.notes)
    content |= {"VQGAN_MODEL": "pretrains/absent.pth"}
    configs = yaml_of(tmp_path, generator=content)
    given = {"maskgit": checkpoints["maskgit"], "tokenizer": checkpoints["tokenizer"]}
    plan = plan_lea_inference("god", god, 1, "out", **given, configs=configs, **RUN)
    assert dict(plan.rows)["image tokenizer"] == f"published checkpoint {checkpoints['tokenizer']}"


def test_a_file_of_another_subject_is_noted_and_sizes_come_from_the_data(god, tmp_path):
    configs = yaml_of(tmp_path, autoencoder=files.fmri_autoencoder(sub=["sbj_2"]))
    plan = plan_lea_inference("god", god, 1, "out", configs=configs, **RUN)
    assert any("is of god subject 2; here subject, voxels and paths come from the command" in n for n in plan.notes)
    assert any("not taken over into the training: Data.flip" in note for note in plan.notes)
    assert any("leave results as they are" in note for note in plan.notes)


def test_a_file_that_holds_generator_and_tokenizer_serves_alone(god, tmp_path):
    both = networks.token_generator(tmp_path, EMBEDDING, with_tokenizer=True)
    plan = plan_lea_inference("god", god, 1, "out", maskgit=both, **RUN)
    assert "image tokenizer" not in dict(plan.rows)
    assert "trained" in dict(plan.rows)["fMRI autoencoder"]


def hostile(folder: Path) -> Path:
    class Runs:
        def __reduce__(self):
            return (Path.touch, (folder / "canary",))

    path = folder / "hostile.pth"
    path.write_bytes(pickle.dumps({"model": Runs()}))
    return path


def test_a_hostile_pickle_is_refused_and_not_run(god, tmp_path):
    with pytest.raises(UnsafeFileError):
        lea_inference("god", god, 1, tmp_path / "out", autoencoder=hostile(tmp_path), **OWN)
    assert not (tmp_path / "canary").exists() and not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_network_is_told_with_the_first_names_that_differ(god, checkpoints):
    with pytest.raises(
        InputValueError, match=r"no checkpoint of an fMRI autoencoder \(it looks like an image tok.*'cls_t"
    ):
        plan_lea_inference("god", god, 1, "out", autoencoder=checkpoints["tokenizer"], **RUN)


def test_a_token_generator_without_its_tokenizer_is_told_what_is_missing(god, checkpoints):
    with pytest.raises(
        InputValueError, match=r"maskgit.pth holds no image tokenizer; name the checkpoint .*--tokenizer"
    ):
        plan_lea_inference("god", god, 1, "out", maskgit=checkpoints["maskgit"], **RUN)


def test_a_token_generator_of_another_image_embedding_is_refused_and_no_name_is_made_up(god, checkpoints, tmp_path):
    maskgit = networks.token_generator(tmp_path, EMBEDDING + 1)
    with pytest.raises(
        InputValueError, match=r"reads embeddings of 641 values, gabor:bank gives 640: .* trained with$"
    ):
        lea_inference("god", god, 1, tmp_path / "out", **checkpoints | {"maskgit": maskgit}, **OWN)
    assert not (tmp_path / "out").exists()


def test_an_autoencoder_of_another_subject_is_told_with_whose_it_could_be(god, tmp_path, monkeypatch):
    from braincodec.datasets import Counts
    from braincodec.datasets.god.dataset import GenericObjectDecoding

    path = networks.autoencoder(tmp_path, (20, 11))
    monkeypatch.setattr(GenericObjectDecoding, "expected", {"2": Counts(stimuli=70, units=31, repetitions=4)})
    with pytest.raises(InputValueError, match=r"takes 31 voxels in 2 regions.*has 54 in 8.*god, subject 2"):
        plan_lea_inference("god", god, 1, "out", autoencoder=path, **RUN)


def test_a_checkpoint_that_is_not_what_the_file_describes_is_refused(god, checkpoints, tmp_path):
    configs = yaml_of(tmp_path, tokenizer=files.tokenizer(num_codebook=32))
    with pytest.raises(InputValueError, match=r"codebook_size 64 \(the file says 32\)"):
        plan_lea_inference("god", god, 1, "out", tokenizer=checkpoints["tokenizer"], configs=configs, **RUN)


def test_two_files_about_one_network_or_different_embeddings_are_refused(god, tmp_path):
    configs = yaml_of(tmp_path, one=files.tokenizer(), two=files.tokenizer())
    with pytest.raises(InputValueError, match="both about the image tokenizer"):
        plan_lea_inference("god", god, 1, "out", configs=configs, **RUN)
    configs = yaml_of(tmp_path, one=files.fmri_autoencoder(), two=files.token_generator(clip_name="ViT-B-32"))
    without = {name: value for name, value in RUN.items() if name != "image_embedding"}
    with pytest.raises(InputValueError, match="different image embeddings"):
        plan_lea_inference("god", god, 1, "out", configs=configs, **without)


def test_networks_of_the_published_code_make_the_images_of_a_run(golden, god, tmp_path):
    from braincodec.artefact import read_encoder
    from braincodec.datasets import load_dataset
    from braincodec.evaluation.judging.predicting import mean_responses
    from braincodec.models.lea.checkpoints import load_token_generator, load_tokenizer
    from braincodec.models.lea.token_generator import sample_tokens

    files_of = {"maskgit": golden / "lea" / "maskgit_transformer.pt", "tokenizer": golden / "lea" / "maskgit_vq.pt"}
    own = {"fmri_latent": "components", "embedding_layer": "blurs.3", "image_size": 32}  # 1024 values
    given = {**OWN, "image_embedding": "luminance:maps", "settings": own, "samples": 2}
    result = lea_inference("god", god, 1, tmp_path / "out", **files_of, **given)
    measured = mean_responses(load_dataset("god", god, preprocessing="none").subject("1"), "test")
    embeddings = read_encoder(result.model).predict_embeddings(measured)
    tokens = sample_tokens(
        load_token_generator(files_of["maskgit"]), torch.from_numpy(embeddings.values), n_samples=2, seed=0
    )  # (stimuli, samples, tokens)
    with torch.inference_mode():
        images = load_tokenizer(files_of["tokenizer"]).decode_ids(tokens[3, 1].view(1, 16, 16))
    expected = (images[0].clamp(0, 1) * 255).permute(1, 2, 0).numpy()
    found = np.asarray(Image.open(result.images[3][1])).astype(float)
    assert np.abs(found - expected).max() <= 1

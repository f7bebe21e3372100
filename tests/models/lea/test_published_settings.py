"""LEA's published YAML files become our settings; what might change results unnoticed is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from braincodec.errors import InputTypeError, InputValueError, MissingFileError, UnsafeFileError
from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoderConfig, FMRIAutoencoderSettings
from braincodec.models.lea.published_keys import KEYS
from braincodec.models.lea.published_settings import translate_published_settings
from braincodec.models.lea.token_generator import TokenGeneratorConfig, TokenGeneratorSettings
from braincodec.models.lea.tokenizer import TokenizerConfig
from braincodec.models.lea.tokenizer.settings import TokenizerSettings

from . import published_files as files

ALL = {
    "fmri_autoencoder": files.fmri_autoencoder,
    "token_generator": files.token_generator,
    "tokenizer": files.tokenizer,
}


@pytest.mark.parametrize("network", ALL)
def test_every_key_of_the_published_files_is_known_and_none_besides(network):
    content = ALL[network]()
    keys = {f"{name}.{key}" for name, part in content.items() if isinstance(part, dict) for key in part}
    keys |= {name for name, part in content.items() if not isinstance(part, dict)}
    assert keys | {"Note"} == set(KEYS[network]) | {"Note"}
    assert translate_published_settings(content).network == network


def test_sizes_are_those_of_our_networks():
    autoencoder = translate_published_settings(files.fmri_autoencoder())
    assert autoencoder.sizes == {
        "tokens_per_region": 4, "depth": 2, "width": 32, "decoder_depth": 1, "decoder_width": 16, "heads": 4,
        "dropout": 0.0,
    }  # fmt: skip
    generator = translate_published_settings(files.token_generator())
    assert generator.sizes == {"tokens": 16, "depth": 3, "width": 48, "heads": 4, "dropout": 0.01}
    tokenizer = translate_published_settings(files.tokenizer())
    assert TokenizerConfig.parse(tokenizer.sizes).patch == 4
    assert tokenizer.sizes["codebook_size"] == 64
    FMRIAutoencoderConfig.parse({**autoencoder.sizes, "voxels": autoencoder.data["voxels"]})
    TokenGeneratorConfig.parse(generator.sizes)


def test_training_sampling_data_and_paths_come_in_our_words():
    autoencoder = translate_published_settings(files.fmri_autoencoder())
    expected = {"learning_rate": 0.002, "batch_size": 8, "weight_decay": 0.02, "gradient_limit": 0.1, "warmup": 0.1}
    assert expected.items() <= autoencoder.training.items()
    assert autoencoder.training["voxel_dropout"] == 0.25
    assert autoencoder.data["dataset"] == "god"
    assert autoencoder.data["subject"] == "1"
    assert autoencoder.data["voxels"] == [20, 34]
    generator = translate_published_settings(files.token_generator())
    assert generator.sampling == {"schedule": "cosine", "steps": 6}
    assert generator.unit_length is True
    assert generator.image_embedding == "open_clip:xlm-roberta-large-ViT-H-14/frozen_laion5b_s13b_b90k"
    assert generator.data["dataset"] == "bold5000"
    assert generator.checkpoints == {"tokenizer": "pretrains/vq.pth", "start": "pretrains/transformer.pth"}
    assert generator.training["gradient_limit"] is None
    tokenizer = translate_published_settings(files.tokenizer())
    expected = {"image_size": 64, "flips": True, "codebook": 1, "commitment": 0.25, "discriminator_width": 64}
    assert expected.items() <= tokenizer.training.items()


def test_what_is_translated_are_settings_of_the_trainings_here():
    known = {
        "fmri_autoencoder": (files.fmri_autoencoder(), FMRIAutoencoderSettings),
        "token_generator": (files.token_generator(), TokenGeneratorSettings),
        "tokenizer": (files.tokenizer(), TokenizerSettings),
    }
    for content, settings in known.values():
        training = translate_published_settings(content).training
        settings.parse({name: value for name, value in training.items() if name != "steps"})


def test_what_is_left_aside_is_listed_with_the_reason():
    listed = translate_published_settings(files.token_generator()).listed
    assert "post-norm" in listed["Model.norm_before"]
    assert "no voxels" in listed["Data.num_voxel"]
    assert "Model.decoder_depth" not in listed


def test_a_file_is_read_and_named(tmp_path):
    path = files.write(tmp_path, "MaskGIT_AE.yaml", files.tokenizer())
    assert translate_published_settings(path).source == str(path)
    with pytest.raises(MissingFileError, match="settings not found"):
        translate_published_settings(tmp_path / "absent.yaml")
    (tmp_path / "hostile.yaml").write_text("Data: !!python/object/apply:os.system [ls]\n")
    with pytest.raises(UnsafeFileError):
        translate_published_settings(tmp_path / "hostile.yaml")
    with pytest.raises(InputTypeError, match="a file or a mapping, not int"):
        translate_published_settings(3)


def changed(network: str, section: str, **values: Any) -> dict[str, Any]:
    content = copy.deepcopy(ALL[network]())
    content[section] |= values
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (changed("fmri_autoencoder", "Model", encoder_dept=3), r"encoder_dept' \(did you mean 'Model.encoder_depth'"),
        (changed("tokenizer", "Model", norm_mode="bn"), "Model.norm_mode is 'bn'; the published network has 'gn'"),
        (changed("tokenizer", "Loss", gp_weight=1), "Loss.gp_weight is 1"),
        (changed("tokenizer", "Data", patch_size=16), "a patch of 16 pixels needs 5 levels, ch_mult has 3"),
        (changed("tokenizer", "Model", ch_latent=8), "contradicts itself"),
        (changed("token_generator", "Model", resolution=128), "contradicts itself: Model.resolution is 128"),
        (changed("token_generator", "Model", gamma_mode="sine"), "schedule"),
        (changed("fmri_autoencoder", "Model", embed_dim=30), "width 30 cannot be shared by 4 heads"),
        (changed("fmri_autoencoder", "Data", norm=True), "Data.norm is True"),
        ({"dataset": "god", "model": {"kind": "lea"}}, "is no published file of LEA: it has dataset, model.kind"),
        ({}, "it has nothing"),
    ],
)
def test_what_might_change_results_is_refused(content, words):
    with pytest.raises(InputValueError, match=words):
        translate_published_settings(content)


def test_several_subjects_name_none():
    assert "subject" not in translate_published_settings(files.fmri_autoencoder(sub=["sbj_1", "sbj_2"])).data

"""Diffusion conditioned on an image embedding, at a size that runs in milliseconds, with random weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from braincodec.errors import DamagedFileError, InputValueError, MissingExtraError, MissingFileError, NotTrainedError
from braincodec.image_generators.diffusers_models import import_diffusers
from braincodec.image_generators.diffusion import Diffusion
from braincodec.image_generators.sampling import sample_generator

from .small_generators import WIDTH, embeddings, photographs

UNET = {
    "in_channels": 4,
    "out_channels": 8,
    "addition_embed_type": "image",
    "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
    "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "encoder_hid_dim": WIDTH,
    "encoder_hid_dim_type": "image_proj",
    "cross_attention_dim": 8,
    "attention_head_dim": 4,
    "resnet_time_scale_shift": "scale_shift",
}
MOVQ = {
    "block_out_channels": (32, 32),
    "down_block_types": ("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
    "up_block_types": ("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "norm_type": "spatial",
    "num_vq_embeddings": 12,
    "vq_embed_dim": 4,
}
SETTINGS = {"steps": 3, "image_size": 16, "embedding": "mine"}
NEW = embeddings(3, seed=2)


@pytest.fixture(scope="module")
def diffusers():
    try:
        return import_diffusers(what="this test")
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=["DDPMScheduler", "DDIMScheduler"])
def parts(diffusers, request):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        unet = diffusers.UNet2DConditionModel(**UNET).eval()
        movq = diffusers.VQModel(**MOVQ).eval()
    variance = {"variance_type": "learned_range"} if request.param == "DDPMScheduler" else {}
    return unet, movq, getattr(diffusers, request.param)(num_train_timesteps=100, **variance)


@pytest.fixture(scope="module")
def generator(parts):
    return Diffusion.over(*parts, **SETTINGS).fit(photographs(), embeddings())


def test_images_are_those_of_diffusers_own_pipeline(parts, generator):
    module = import_diffusers("diffusers.pipelines.kandinsky2_2.pipeline_kandinsky2_2", what="this test")
    pipeline = module.KandinskyV22Pipeline(unet=parts[0], movq=parts[1], scheduler=parts[2])
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        image_embeds=torch.from_numpy(NEW[1:2]), negative_image_embeds=torch.from_numpy(embeddings().mean(0)[None]),
        height=16, width=16, num_inference_steps=3, guidance_scale=4.0, output_type="np",
        generator=[sample_generator(5, 1, 0)],
    ).images  # fmt: skip
    images = generator.generate(NEW, seed=5, device="cpu")[1]
    assert images.shape == (1, 16, 16, 3)
    assert np.abs(images - 255 * expected).max() < 1.01


def test_a_sample_does_not_depend_on_what_else_is_asked_for(generator):
    whole = generator.generate(NEW, n_samples=2, seed=7, device="cpu")
    assert (whole[:, 0] != whole[:, 1]).any()
    part = generator.generate(NEW[2:], n_samples=1, seed=7, stimuli=[2], device="cpu")
    np.testing.assert_array_equal(part[0], whole[2, :1])


def test_the_embedding_tells_the_image(generator):
    same_noise = generator.generate(NEW[:2], stimuli=[0, 0], device="cpu")
    assert (same_noise[0] != same_noise[1]).any()


def test_stored_parts_make_the_same_images(generator):
    config = json.loads(generator.config.model_dump_json())
    tensors = generator.tensors()
    again = Diffusion.from_parts(config, tensors)
    np.testing.assert_array_equal(again.generate(NEW[:1], device="cpu"), generator.generate(NEW[:1], device="cpu"))
    for lacking in ("empty", next(iter(tensors))):
        with pytest.raises(InputValueError, match="diffusion"):
            Diffusion.from_parts(config, {name: value for name, value in tensors.items() if name != lacking})


def test_a_folder_that_diffusers_saved_is_opened(parts, tmp_path):
    for name, part in zip(("unet", "movq", "scheduler"), parts, strict=True):
        part.save_pretrained(tmp_path / name)
    opened = Diffusion(pipeline=str(tmp_path), guidance=1.0, **SETTINGS)
    assert opened.config.pipeline == tmp_path.name
    assert opened.embedding.dimension == WIDTH
    expected = Diffusion.over(*parts, guidance=1.0, **SETTINGS).generate(NEW[:1], device="cpu")
    np.testing.assert_array_equal(opened.generate(NEW[:1], device="cpu"), expected)
    (tmp_path / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "UNet2DModel"}')
    with pytest.raises(InputValueError, match="settings of scheduler name 'UNet2DModel'"):
        Diffusion(pipeline=str(tmp_path), **SETTINGS)
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"broken")
    with pytest.raises(DamagedFileError, match="no diffusion pipeline that can be read"):
        Diffusion(pipeline=str(tmp_path), **SETTINGS)


def test_what_cannot_be_is_refused_before_work(parts, generator, tmp_path):
    with pytest.raises(MissingFileError, match="unet"):
        Diffusion(pipeline=str(tmp_path))
    with pytest.raises(NotTrainedError, match="diffusion has no networks"):
        Diffusion().fit(photographs(), embeddings())
    with pytest.raises(InputValueError, match="multiples of 4, got 18"):
        Diffusion.over(*parts, image_size=18)
    with pytest.raises(InputValueError, match="reads embeddings of 10 values, got 4"):
        Diffusion.over(*parts, **SETTINGS).fit(photographs(), embeddings()[:, :4])
    with pytest.raises(InputValueError, match="guidance"):
        Diffusion.over(*parts, guidance=0.5)
    with pytest.raises(InputValueError, match="n_samples must be at least 1"):
        generator.generate(NEW, n_samples=0)

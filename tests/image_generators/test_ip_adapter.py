"""Stable Diffusion with an IP-Adapter, at a size that runs in milliseconds, with random weights."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from braincodec.errors import DamagedFileError, InputValueError, MissingExtraError, MissingFileError, NotTrainedError
from braincodec.image_generators import IMAGE_GENERATORS
from braincodec.image_generators.diffusers_models import import_diffusers
from braincodec.image_generators.ip_adapter import IPAdapter
from braincodec.image_generators.sampling import sample_generator

from .small_generators import WIDTH, embeddings, photographs

CROSS, PROMPT_TOKENS = 8, 5
UNET = {
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": CROSS,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
}
VAE = {
    "block_out_channels": (8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "latent_channels": 4,
    "norm_num_groups": 4,
}
SETTINGS = {"steps": 3, "image_size": 16, "embedding": "mine"}
NEW = embeddings(3, seed=2)


@pytest.fixture(scope="module")
def diffusers():
    try:
        return import_diffusers(what="this test")
    except MissingExtraError as error:
        pytest.skip(str(error))


def adapter(unet, width: int = WIDTH, cross: int = CROSS) -> dict[str, torch.Tensor]:
    """Seeded weights under the published names."""
    generator = torch.Generator().manual_seed(7)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    found = {
        "image_proj.proj.weight": drawn(4 * cross, width),
        "image_proj.proj.bias": drawn(4 * cross),
        "image_proj.norm.weight": torch.ones(cross),
        "image_proj.norm.bias": torch.zeros(cross),
    }
    channels = {"down_blocks.1": 16, "up_blocks.0": 16, "mid_block": 16}
    for number, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            size = next(size for block, size in channels.items() if name.startswith(block))
            for kind in ("to_k_ip", "to_v_ip"):
                found[f"ip_adapter.{number}.{kind}.weight"] = drawn(size, cross)
    return found


def parts(diffusers, scheduler: str = "PNDMScheduler"):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        unet = diffusers.UNet2DConditionModel(**UNET).eval()
        vae = diffusers.AutoencoderKL(**VAE).eval()
    own = {"PNDMScheduler": {"skip_prk_steps": True}, "DDIMScheduler": {"clip_sample": False}}[scheduler]
    prompt = torch.randn(PROMPT_TOKENS, CROSS, generator=torch.Generator().manual_seed(5))
    noise = getattr(diffusers, scheduler)(num_train_timesteps=100, steps_offset=1, **own)
    return unet, vae, noise, adapter(unet), prompt


@pytest.fixture(scope="module", params=["PNDMScheduler", "DDIMScheduler"])
def generator(diffusers, request):
    return IPAdapter.over(*parts(diffusers, request.param), **SETTINGS).fit(photographs(), embeddings())


def test_images_are_those_of_diffusers_own_pipeline(generator):
    pytest.importorskip("transformers")
    module = import_diffusers("diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion", what="this test")
    networks = generator._networks
    pipeline = module.StableDiffusionPipeline(
        vae=networks["vae"], unet=networks["unet"], scheduler=networks["scheduler"], text_encoder=None,
        tokenizer=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    prompt, row = generator._prompt[None], torch.from_numpy(NEW[1:2])[None]
    expected = pipeline(
        prompt_embeds=prompt, negative_prompt_embeds=prompt, height=16, width=16, num_inference_steps=3,
        ip_adapter_image_embeds=[torch.cat([torch.zeros_like(row), row])], guidance_scale=7.5, output_type="np",
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


def test_half_precision_and_one_network_at_a_time_make_much_the_same_images(generator):
    whole = generator.generate(NEW[:1], device="cpu").astype(int)
    np.testing.assert_array_equal(generator.generate(NEW[:1], device="cpu", one_network_at_a_time=True), whole)
    rough = generator.generate(NEW[:1], device="cpu", dtype="bfloat16")
    assert np.abs(rough - whole).mean() < 6


def test_the_embedding_tells_the_image_and_the_scale_how_much(diffusers, generator):
    same_noise = generator.generate(NEW[:2], stimuli=[0, 0], device="cpu")
    assert (same_noise[0] != same_noise[1]).any()
    weak = IPAdapter.over(*parts(diffusers), scale=1e-6, **SETTINGS).generate(NEW[:2], stimuli=[0, 0], device="cpu")
    np.testing.assert_allclose(weak[0].astype(int), weak[1], atol=1)


def test_stored_parts_make_the_same_images(generator):
    config = json.loads(generator.config.model_dump_json())
    tensors = generator.tensors()
    again = IMAGE_GENERATORS.get("ip_adapter").from_parts(config, tensors)
    assert again.embedding == generator.embedding
    assert again.tensors().keys() == tensors.keys()
    np.testing.assert_array_equal(again.generate(NEW[:1], device="cpu"), generator.generate(NEW[:1], device="cpu"))
    lacking = (
        "prompt",
        "adapter.image_proj.proj.weight",
        next(n for n in tensors if "to_k_ip" in n),
        next(iter(tensors)),
    )
    for name in lacking:
        with pytest.raises(InputValueError, match="ip_adapter"):
            IPAdapter.from_parts(config, {key: value for key, value in tensors.items() if key != name})


@pytest.fixture
def folder(diffusers, tmp_path):
    *networks, weights, prompt = parts(diffusers)
    for name, part in zip(("unet", "vae", "scheduler"), networks, strict=True):
        part.save_pretrained(tmp_path / "sd" / name)
    save_file(weights, tmp_path / "adapter.safetensors")
    np.save(tmp_path / "prompt.npy", prompt.numpy())
    return tmp_path


def opened(folder, **settings):
    given = {"pipeline": "sd", "adapter": "adapter.safetensors", "empty_prompt": "prompt.npy"} | settings
    return IPAdapter(**{name: value and str(folder / value) for name, value in given.items()}, **SETTINGS)


def test_files_that_diffusers_and_the_adapters_authors_saved_are_opened(diffusers, folder):
    found = opened(folder)
    assert (found.config.pipeline, found.config.adapter) == ("sd", "adapter.safetensors")
    assert found.embedding.dimension == WIDTH
    expected = IPAdapter.over(*parts(diffusers), **SETTINGS).generate(NEW[:1], device="cpu")
    np.testing.assert_array_equal(found.generate(NEW[:1], device="cpu"), expected)


def test_the_empty_prompt_is_that_of_the_pipelines_own_text_encoder(folder):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": CROSS, "intermediate_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = transformers.CLIPTextConfig(vocab_size=6, max_position_embeddings=PROMPT_TOKENS, eos_token_id=1, **sizes)
    encoder = transformers.CLIPTextModel(config).eval()
    encoder.save_pretrained(folder / "sd" / "text_encoder")
    place = folder / "sd" / "tokenizer"
    place.mkdir()
    words = ["<|startoftext|>", "<|endoftext|>", "a", "a</w>", "b", "b</w>"]
    (place / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (place / "merges.txt").write_text("#version: 0.2\n")
    (place / "tokenizer_config.json").write_text(json.dumps({"model_max_length": PROMPT_TOKENS}))
    found = opened(folder, empty_prompt=None)
    with torch.no_grad():
        expected = encoder(torch.tensor([[0, 1, 1, 1, 1]]))[0][0]
    torch.testing.assert_close(found._prompt, expected)


def test_without_transformers_a_file_with_the_empty_prompt_is_asked_for(folder, monkeypatch):
    imported = builtins.__import__

    def refuse(name, *arguments):
        if name == "transformers":
            raise ImportError(name)
        return imported(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputValueError, match=r"pip install transformers.*empty_prompt='prompt.npy'"):
        opened(folder, empty_prompt=None)


def test_files_that_are_not_there_or_damaged_are_named(folder, monkeypatch):
    for name in ("pipeline", "adapter", "empty_prompt"):
        with pytest.raises(MissingFileError, match="nowhere"):
            opened(folder, **{name: "nowhere"})
    (folder / "prompt.npy").write_bytes(b"broken")
    with pytest.raises(DamagedFileError, match=r"prompt\.npy cannot be read"):
        opened(folder)
    (folder / "adapter.safetensors").write_bytes(b"broken")
    with pytest.raises(DamagedFileError, match=r"adapter\.safetensors"):
        opened(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingFileError, match="diffusion pipeline"):
        IPAdapter(pipeline="nobody/nothing", adapter=str(save(folder)), **SETTINGS)


def save(folder):
    save_file({"image_proj.proj.weight": torch.zeros(4 * CROSS, WIDTH)}, folder / "some.safetensors")
    return folder / "some.safetensors"


def test_what_cannot_be_is_refused_before_work(diffusers, generator):
    unet, vae, noise, weights, prompt = parts(diffusers)
    with pytest.raises(NotTrainedError, match="ip_adapter has no networks"):
        IPAdapter().fit(photographs(), embeddings())
    with pytest.raises(InputValueError, match="adapter is missing"):
        IPAdapter(pipeline="sd")
    with pytest.raises(InputValueError, match="multiples of 4, got 18"):
        IPAdapter.over(unet, vae, noise, weights, prompt, image_size=18)
    with pytest.raises(InputValueError, match=r"has shape \(5, 7\), expected \(tokens, 8\)"):
        IPAdapter.over(unet, vae, noise, weights, prompt[:, :7], **SETTINGS)
    with pytest.raises(InputValueError, match="network of width 12, not 8"):
        IPAdapter.over(unet, vae, noise, adapter(unet, cross=12), prompt, **SETTINGS)
    with pytest.raises(InputValueError, match="'plus' and 'full' adapters"):
        IPAdapter.over(unet, vae, noise, {"image_proj.latents": torch.zeros(1, 16, 8)}, prompt, **SETTINGS)
    with pytest.raises(InputValueError, match="does not fit the network"):
        fewer = {name: value for name, value in weights.items() if "to_v_ip" not in name}
        IPAdapter.over(unet, vae, noise, fewer, prompt, **SETTINGS)
    with pytest.raises(InputValueError, match="reads embeddings of 10 values, got 4"):
        IPAdapter.over(*parts(diffusers), **SETTINGS).fit(photographs(), embeddings()[:, :4])
    with pytest.raises(InputValueError, match="Stable Diffusion 1 or 2, or has an adapter"):
        networks = generator._networks
        IPAdapter.over(networks["unet"], networks["vae"], networks["scheduler"], weights, prompt, **SETTINGS)

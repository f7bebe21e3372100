"""LEA's published YAML files, with every key that they have and values of our own, small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from braincodec.settings_file import settings_text

PLACE = {"ROOT": "decoding/LEA", "GPU_ID": [0], "SEED": 7}
LOGGING = {"restore": False, "pretrain_weight": "", "log_interval": 1, "sample_interval": 2, "save_interval": 3}
CLIP = {"clip_name": "xlm-roberta-large-ViT-H-14", "clip_ckpt": "frozen_laion5b_s13b_b90k", "clip_cache": ""}
OPTIMISER = {
    "lr": 0.002, "beta1": 0.9, "beta2": 0.95, "weight_decay": 0.02, "gamma": 0.5, "decay_type": "linear",
    "max_iters": 400, "drop_steps": 300, "num_warmup": 40, "batch_size": 8, "accum_grad": 1, "cls_weight": 1.0,
}  # fmt: skip
NETWORKS = {
    "VQGAN_CFG": "configs/MaskGIT_AE.yaml",
    "VQGAN_MODEL": "pretrains/vq.pth",
    "TRANS_MODEL": "pretrains/transformer.pth",
}


def fmri_autoencoder(**data: Any) -> dict[str, Any]:
    return {
        **PLACE,
        **NETWORKS,
        "NAME": "GOD_AETrans",
        "Data": {
            "path": "dataset/Kamitani/npz", "flip": True, "center_crop": False, "image_size": 64, "patch_size": 4,
            "num_voxel": 54, "roi_patch": [20, 34], "sub": ["sbj_1"], "norm": False, "fmri_drop_rate": 0.25, **data,
        },
        "Model": {
            "resolution": 64, "patch_size": 16, "encoder_depth": 2, "embed_dim": 32, "decoder_depth": 1,
            "decoder_embed_dim": 16, "num_heads": 4, "drop_rate": 0, "norm_before": True, **CLIP, "clip_norm": False,
        },
        "Train": {**OPTIMISER, **LOGGING, "grad_clip": 0.1, "label_smooth": 0, "loss_all": True},
        "Test": {"sample_size": 14},
    }  # fmt: skip


def token_generator(**model: Any) -> dict[str, Any]:
    return {
        **PLACE,
        **NETWORKS,
        "NAME": "MaskGIT_Transformer",
        "Data": {
            "path": "dataset/BOLD5000", "flip": True, "center_crop": False, "image_size": 64, "patch_size": 16,
            "num_voxel": 1696, "sub": ["CSI1"], "norm": False, "fmri_drop_rate": 0.5,
        },
        "Model": {
            "resolution": 64, "patch_size": 16, "encoder_depth": 8, "embed_dim": 512, "decoder_depth": 3,
            "decoder_embed_dim": 48, "num_heads": 4, "drop_rate": 0.01, "norm_before": True, **CLIP, "clip_norm": True,
            "gamma_mode": "cosine", "min_mask_rate": 0.5, **model,
        },
        "Train": {**OPTIMISER, **LOGGING, "grad_clip": 0.0, "label_smooth": 0.1, "loss_all": False},
        "Test": {"sample_size": 14, "num_steps": 6},
    }  # fmt: skip


def tokenizer(**model: Any) -> dict[str, Any]:
    return {
        **PLACE,
        "NAME": "MaskGIT_AE",
        "Note": "small",
        "Data": {
            "path": "dataset/BOLD5000", "flip": True, "center_crop": False, "image_size": 64, "patch_size": 4,
            "sub": ["CSI1"], "norm": False,
        },
        "Model": {
            "resolution": 64, "norm_mode": "gn", "use_spectral_norm": False, "in_ch": 3, "out_ch": 3, "ch_base": 32,
            "ch_latent": 16, "ch_mult": [1, 1, 2], "num_res_blocks": 1, "num_res_mids": 1, "perceptual_type": "LPIPS",
            "sample_with_conv": False, "with_tanh": False, "num_codebook": 64, "dim_codebook": 16,
            "use_preconv": False, "use_imagenet_pretrain": False, "use_maskgit_pretrain": True,
            "norm_codebook": False, "dis_in_ch": 3, "dis_ndf": 64, "dis_num_layers": 2, **model,
        },
        "Loss": {
            "perceptual_weight": 0.2, "vgg_weights": [1.0], "code_beta": 0.25, "code_weight": 1, "rec_weight": 1,
            "gan_weight": 1, "gp_weight": 0, "orth_weight": 0, "orth_max_codes": 128, "gan_loss_type": "hinge",
        },
        "Train": {
            "g_lr": 1e-5, "d_lr": 2e-5, "beta1": 0.5, "beta2": 0.9, "gamma": 0.5, "decay_type": "milestone",
            "max_iters": 100, "drop_steps": 50, "num_warmup": 10, "batch_size": 4, **LOGGING,
        },
        "Test": {"sample_size": 14},
    }  # fmt: skip


def write(folder: Path, name: str, content: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(settings_text(content), encoding="utf-8")
    return path

"""Every key of LEA's published YAML files: what it becomes here, or why it is left aside."""

from __future__ import annotations

from typing import Any, NamedTuple

LOGGING = "how often the published code writes, which is no matter here"
PICTURE = "of the pictures, which this network does not see"
OWN_PLACE = "where the published code lies and what it computes on; here --device and -o say it"
TRAINED = "of the published training; a checkpoint does not depend on it any more"


class Key(NamedTuple):
    """What becomes of a published key.

    Parameters
    ----------
    to : str
        Dotted name here; empty for a key that has none.
    only : tuple
        The values that the network can have; empty for any.
    remark : str
        Why the key is left aside.
    """

    to: str = ""
    only: tuple[Any, ...] = ()
    remark: str = ""


def aside(remark: str) -> Key:
    """A key that leaves results as they are."""
    return Key(remark=remark)


def fixed(*only: Any) -> Key:
    """A key of which the network can have these values alone."""
    return Key(only=only)


COMMON = {
    "ROOT": aside(OWN_PLACE),
    "NAME": aside(OWN_PLACE),
    "GPU_ID": aside(OWN_PLACE),
    "Note": aside(OWN_PLACE),
    "SEED": Key("training.seed"),
    "Data.path": Key("data.root"),
    "Data.sub": Key("data.subject"),
    "Data.norm": fixed(False),
    "Data.center_crop": fixed(False),
    "Data.flip": aside(f"mirrored pictures: {TRAINED}"),
    "Train.beta1": aside(TRAINED),
    "Train.beta2": aside(TRAINED),
    "Train.gamma": aside(TRAINED),
    "Train.decay_type": aside(TRAINED),
    "Train.drop_steps": aside(TRAINED),
    "Train.max_iters": Key("training.steps"),
    "Train.num_warmup": Key("training.warmup_steps"),
    "Train.batch_size": Key("training.batch_size"),
    "Train.restore": aside("an interrupted training goes on by itself here"),
    "Train.pretrain_weight": Key("checkpoints.continued"),
    "Train.log_interval": aside(LOGGING),
    "Train.sample_interval": aside(LOGGING),
    "Train.save_interval": aside(LOGGING),
    "Test.sample_size": aside("pictures that the published code draws while training"),
}
"""In all files."""

TRANSFORMER = {
    "VQGAN_CFG": aside("name that file by --config too, where its settings are wanted"),
    "VQGAN_MODEL": Key("checkpoints.tokenizer"),
    "TRANS_MODEL": Key("checkpoints.start"),
    "Model.clip_name": Key("embedding.network"),
    "Model.clip_ckpt": Key("embedding.weights"),
    "Model.clip_cache": aside("weights are found where open_clip keeps them"),
    "Train.lr": Key("training.learning_rate"),
    "Train.weight_decay": Key("training.weight_decay"),
    "Train.accum_grad": fixed(1),
    "Train.grad_clip": Key("training.gradient_limit"),
    "Train.cls_weight": aside(TRAINED),
}
"""In those of both transformers."""

FMRI_AUTOENCODER = {
    **COMMON,
    **TRANSFORMER,
    "Data.image_size": aside(PICTURE),
    "Data.patch_size": Key("sizes.tokens_per_region"),
    "Data.num_voxel": Key("data.voxel_count"),
    "Data.roi_patch": Key("data.voxels"),
    "Data.fmri_drop_rate": Key("training.voxel_dropout"),
    "Model.resolution": aside(PICTURE),
    "Model.patch_size": aside(PICTURE),
    "Model.encoder_depth": Key("sizes.depth"),
    "Model.embed_dim": Key("sizes.width"),
    "Model.decoder_depth": Key("sizes.decoder_depth"),
    "Model.decoder_embed_dim": Key("sizes.decoder_width"),
    "Model.num_heads": Key("sizes.heads"),
    "Model.drop_rate": Key("sizes.dropout"),
    "Model.norm_before": fixed(True),
    "Model.clip_norm": aside("the file of the token generator says it, which reads the image embedding"),
    "Train.label_smooth": aside(TRAINED),
    "Train.loss_all": aside(TRAINED),
}

TOKEN_GENERATOR = {
    **COMMON,
    **TRANSFORMER,
    "Data.image_size": Key("sizes.image_size"),
    "Data.patch_size": Key("sizes.patch"),
    "Data.num_voxel": aside("this network sees no voxels"),
    "Data.fmri_drop_rate": aside("this network sees no voxels"),
    "Model.resolution": Key("sizes.image_size"),
    "Model.patch_size": Key("sizes.patch"),
    "Model.encoder_depth": aside("of an encoder that the token generator lacks"),
    "Model.embed_dim": aside("of an encoder that the token generator lacks"),
    "Model.decoder_depth": Key("sizes.depth"),
    "Model.decoder_embed_dim": Key("sizes.width"),
    "Model.num_heads": Key("sizes.heads"),
    "Model.drop_rate": Key("sizes.dropout"),
    "Model.norm_before": aside("the published network is post-norm whatever this says"),
    "Model.clip_norm": Key("embedding.unit_length"),
    "Model.gamma_mode": Key("sampling.schedule"),
    "Model.min_mask_rate": Key("training.least_masked"),
    "Train.label_smooth": Key("training.label_smoothing"),
    "Train.loss_all": fixed(False),
    "Test.num_steps": Key("sampling.steps"),
}

TOKENIZER = {
    **COMMON,
    "Data.flip": Key("training.flips"),
    "Data.image_size": Key("sizes.image_size"),
    "Data.patch_size": Key("sizes.patch"),
    "Model.resolution": Key("sizes.image_size"),
    "Model.norm_mode": fixed("gn"),
    "Model.use_spectral_norm": fixed(False),
    "Model.in_ch": fixed(3),
    "Model.out_ch": fixed(3),
    "Model.ch_base": Key("sizes.base_width"),
    "Model.ch_latent": Key("sizes.code_width"),
    "Model.ch_mult": Key("sizes.multipliers"),
    "Model.num_res_blocks": Key("sizes.blocks"),
    "Model.num_res_mids": Key("sizes.middle_blocks"),
    "Model.perceptual_type": aside(TRAINED),
    "Model.sample_with_conv": fixed(False),
    "Model.with_tanh": fixed(False),
    "Model.num_codebook": Key("sizes.codebook_size"),
    "Model.dim_codebook": Key("sizes.code_width"),
    "Model.use_preconv": fixed(False),
    "Model.use_imagenet_pretrain": aside("where the published training began"),
    "Model.use_maskgit_pretrain": aside("where the published training began"),
    "Model.norm_codebook": fixed(False),
    "Model.dis_in_ch": fixed(3),
    "Model.dis_ndf": Key("training.discriminator_width"),
    "Model.dis_num_layers": aside(TRAINED),
    "Loss.perceptual_weight": Key("training.perceptual_weight"),
    "Loss.vgg_weights": aside(TRAINED),
    "Loss.code_beta": Key("training.commitment"),
    "Loss.code_weight": Key("training.codebook"),
    "Loss.rec_weight": fixed(1),
    "Loss.gan_weight": aside("here the adversarial term is weighed against the reconstruction's pull: adversarial"),
    "Loss.gp_weight": fixed(0),
    "Loss.orth_weight": fixed(0),
    "Loss.orth_max_codes": aside("without a weight it has no effect"),
    "Loss.gan_loss_type": fixed("hinge"),
    "Train.g_lr": Key("training.learning_rate"),
    "Train.d_lr": aside("here the discriminator learns at the rate of the tokenizer"),
}

KEYS = {"fmri_autoencoder": FMRI_AUTOENCODER, "token_generator": TOKEN_GENERATOR, "tokenizer": TOKENIZER}

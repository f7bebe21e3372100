"""Training of the tokenizer: what it learns, which epoch is kept, going on, and errors before work."""

from __future__ import annotations

import functools
import time

import numpy as np
import pytest
import torch
from torch import nn

from braincodec.errors import InputValueError, MissingFileError
from braincodec.features.backbone import Backbone
from braincodec.features.preprocessing import Preprocessing
from braincodec.models.gradient_training import loop
from braincodec.models.lea.checkpoints import load_tokenizer
from braincodec.models.lea.tokenizer import Tokenizer, TokenizerConfig, training
from braincodec.models.lea.tokenizer.images import TrainingImages
from braincodec.models.lea.tokenizer.perceptual import PerceptualDistance
from braincodec.models.lea.tokenizer.settings import TokenizerSettings
from braincodec.models.lea.tokenizer.task import TokenizerTask
from braincodec.models.lea.tokenizer.training import fit_tokenizer
from braincodec.simulate import images as simulated
from braincodec.stimuli import StimulusSet

SIDE = 16
TINY = {
    "size": "small", "base_width": 8, "groups": 2, "middle_blocks": 0, "code_width": 8, "codebook_size": 16,
    "batch_size": 4, "epochs": 2, "perceptual": "none", "adversarial": 0.0,
}  # fmt: skip
ADVERSARIAL = {"adversarial": 0.8, "adversarial_start": 0.5, "discriminator_width": 8}
fit = functools.partial(fit_tokenizer, device="cpu", progress=False)


@functools.cache
def photographs(count: int, part: str = "train", side: int = SIDE) -> StimulusSet:
    ids = [name for name in simulated.stimuli(10 * count, size=side).ids if str(name).startswith(part)]
    rendered = simulated.stimuli(10 * count, size=side)[ids[:count]]
    return StimulusSet.open(np.stack(list(rendered)), ids=ids[:count])


@pytest.fixture(scope="module")
def learnt():
    settings = {**TINY, "base_width": 16, "groups": 4, "middle_blocks": 1, "code_width": 64, "codebook_size": 256}
    settings |= {"batch_size": 8, "epochs": 16, "learning_rate": 3e-3}
    return fit(photographs(80), settings, validation=photographs(20, "validation"))


def test_held_out_images_are_reconstructed_far_better_than_by_the_mean_image(learnt):
    best = learnt.curve[learnt.best_epoch - 1]
    assert best["validation_reconstruction"] < 0.6 * learnt.floor
    assert best["validation_perplexity"] > 20
    assert best["validation_error"] == min(entry["validation_error"] for entry in learnt.curve)


def test_the_network_that_comes_back_has_the_best_epochs_weights(learnt):
    held_out = torch.from_numpy(np.stack(list(photographs(20, "validation")))).movedim(-1, 1) / 255
    with torch.no_grad():
        error = (learnt.network(held_out).images - held_out).abs().mean()
    assert float(error) == pytest.approx(learnt.curve[learnt.best_epoch - 1]["validation_reconstruction"], rel=1e-4)
    assert not learnt.network.training and learnt.network.config.patch == 2


def equal(first: Tokenizer, second: Tokenizer) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("stop", [2, 5])
def test_going_on_after_any_step_gives_the_same_weights_to_the_last_bit(stop, tmp_path, monkeypatch):
    settings = {**TINY, **ADVERSARIAL, "flips": True, "crops": 0.8, "entropy": 0.1, "restart": 0.3}
    train = functools.partial(fit, photographs(12), settings, validation=photographs(4, "validation"))
    whole = train()
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", 0.0)
    step, steps = TokenizerTask.step, []

    def stopping(*arguments):
        steps.append(1)
        if len(steps) > stop:
            raise StoppedError
        return step(*arguments)

    monkeypatch.setattr(TokenizerTask, "step", stopping)
    with pytest.raises(StoppedError):
        train(workspace=tmp_path)
    monkeypatch.setattr(TokenizerTask, "step", step)
    again = train(workspace=tmp_path)
    assert again.curve == whole.curve and again.best_epoch == whole.best_epoch
    assert equal(again.network, whole.network)
    monkeypatch.setattr(TokenizerTask, "step", None)  # a finished training is not repeated
    assert equal(train(workspace=tmp_path).network, whole.network)


def test_equal_seeds_give_equal_networks_and_others_do_not():
    one, two, other = (fit(photographs(8), {**TINY, "epochs": 1, "seed": seed}).network for seed in (0, 0, 1))
    assert equal(one, two) and not equal(one, other)


def task(settings: dict, count: int = 8) -> TokenizerTask:
    parsed = TokenizerSettings.parse({**TINY, **settings})
    train = TrainingImages(photographs(count))
    network = Tokenizer(parsed.network(SIDE, SIDE))
    return TokenizerTask(network, train, train, parsed, None, torch.device("cpu"))


def test_the_discriminator_waits_for_its_start_and_each_moves_its_own_weights():
    one = task({**ADVERSARIAL, "codebook_size": 32})
    generator = torch.Generator().manual_seed(0)
    before = {name: weight.clone() for name, weight in one.discriminator.state_dict().items()}
    terms = one.step(np.arange(4), generator, 0.49)
    assert "adversarial" not in terms and not one.candidate
    assert all(torch.equal(weight, before[name]) for name, weight in one.discriminator.state_dict().items())
    frozen = one.network.state_dict()
    terms = one.step(np.arange(4), generator, 0.5)
    assert one.candidate and terms["discriminator"] > 0
    moved = {name for name, weight in one.discriminator.state_dict().items() if not torch.equal(weight, before[name])}
    assert moved >= before.keys() - {"last.bias"}  # which both halves pull at alike
    kept = {name: weight.clone() for name, weight in frozen.items()}
    one._move_discriminator(torch.zeros(1, 3, SIDE, SIDE), torch.ones(1, 3, SIDE, SIDE))
    assert all(torch.equal(weight, kept[name]) for name, weight in one.network.state_dict().items())


def test_the_epoch_that_is_kept_saw_the_discriminator():
    trained = fit(photographs(8), {**TINY, **ADVERSARIAL, "adversarial_start": 0.6, "epochs": 3, "patience": 1})
    assert trained.best_epoch > 1
    assert "adversarial" not in trained.curve[0] and "adversarial" in trained.curve[-1]


def test_each_term_is_in_the_curve_where_it_is_in_the_loss():
    pytest.importorskip("efficientnet_lite_pytorch")
    settings = {**TINY, "perceptual": "efficientnet_lite:0", "entropy": 0.1, "epochs": 1, "reconstruction": "squared"}
    trained = fit(photographs(8, side=32), settings)
    (entry,) = trained.curve
    assert {"reconstruction", "perceptual", "codebook", "entropy", "validation_perceptual"} <= entry.keys()
    weighted = entry["validation_reconstruction"] + 0.1 * entry["validation_perceptual"]
    assert entry["validation_error"] == pytest.approx(weighted)
    assert trained.perceptual.startswith("efficientnet_lite:0")


def test_training_goes_on_from_a_published_checkpoint(tmp_path):
    first = fit(photographs(8), {**TINY, "epochs": 1})
    path = tmp_path / "published.pt"
    torch.save({"model": {f"module.{n}": t for n, t in widened(first.network).state_dict().items()}}, path)
    start = {name: TINY[name] for name in ("batch_size", "perceptual", "adversarial")} | {"start": str(path)}
    begun = fit(photographs(8), {**start, "epochs": 1, "learning_rate": 1e-9})
    assert equal(begun.network, load_tokenizer(path)) or begun.best_epoch == 1
    further = fit(photographs(8), {**start, "epochs": 2})
    assert not equal(further.network, load_tokenizer(path))
    assert further.curve[-1]["validation_reconstruction"] < begun.curve[-1]["validation_reconstruction"]
    with pytest.raises(InputValueError, match="start decides the sizes; leave out codebook_size"):
        fit(photographs(8), {**start, "codebook_size": 64})
    with pytest.raises(MissingFileError, match="nowhere"):
        fit(photographs(8), {**start, "start": str(tmp_path / "nowhere.pt")})


def widened(like: Tokenizer) -> Tokenizer:
    """A network with the published number of groups, which no file tells."""
    sizes = like.config.model_dump() | {"base_width": 32, "groups": 32}
    return Tokenizer(TokenizerConfig.parse(sizes))


def test_the_golden_checkpoint_can_be_trained_further(golden):
    path = golden / "lea" / "maskgit_vq.pt"
    config = load_tokenizer(path).config
    settings = {"start": str(path), "epochs": 1, "batch_size": 4, "perceptual": "none", "adversarial": 0}
    trained = fit(photographs(5, side=max(16, 2 * config.patch)), settings)
    assert trained.network.config == config and len(trained.curve) == 1


def several_sizes(folder):
    from PIL import Image

    for number in range(8):
        Image.new("RGB", (16, 16 + 2 * (number == 5))).save(folder / f"{number}.png")
    return StimulusSet.open(folder)


def test_images_that_cannot_be_trained_on_are_refused_before_work(tmp_path, monkeypatch):
    monkeypatch.setattr(TokenizerTask, "__init__", None)
    with pytest.raises(InputValueError, match="several sizes"):
        fit(several_sizes(tmp_path), TINY)
    with pytest.raises(InputValueError, match=r"16 x 16 pixels do not divide.*patches of 32; set image_size"):
        fit(photographs(8), {**TINY, "multipliers": (1,) * 6})
    with pytest.raises(InputValueError, match="7 training images are fewer than a batch of 16; lower batch_size"):
        fit(photographs(8), {**TINY, "batch_size": 16})
    with pytest.raises(InputValueError, match="at least 2 images, got 1"):
        fit(photographs(8)[:1], TINY)
    with pytest.raises(InputValueError, match="training images have 16 x 16 pixels, validation images 32 x 32"):
        fit(photographs(8), TINY, validation=photographs(8, side=32))
    with pytest.raises(InputValueError, match="unknown key 'epoch'"):
        fit(photographs(8), {**TINY, "epoch": 3})


def test_images_too_small_for_the_network_that_compares_them_are_refused(monkeypatch):
    deep = nn.Sequential(*(nn.MaxPool2d(2) for _ in range(5)))
    distance = PerceptualDistance(Backbone("deep", deep, Preprocessing()), ["4"])
    monkeypatch.setattr(training, "open_perceptual_distance", lambda *_: distance)
    monkeypatch.setattr(TokenizerTask, "__init__", None)
    with pytest.raises(InputValueError, match="images of 16 x 16 pixels are too small for deep"):
        fit(photographs(8), TINY)


def test_a_diverging_training_says_so():
    with pytest.raises(InputValueError, match=r"diverged in epoch 1.*lower learning_rate"):
        fit(photographs(8), {**TINY, "learning_rate": 1e30, "gradient_limit": None})


@pytest.mark.parametrize(
    ("height", "width", "patch"), [(28, 28, 4), (32, 32, 4), (64, 64, 8), (256, 256, 16), (112, 112, 16), (90, 128, 2)]
)
def test_the_small_tokenizer_has_at_least_seven_rows_of_tokens(height, width, patch):
    assert TokenizerSettings(size="small").network(height, width).patch == patch


def test_the_published_sizes_are_the_default():
    assert TokenizerSettings().network(256, 256) == TokenizerConfig.parse({})


@pytest.mark.slow
def test_the_published_size_takes_a_step():
    images = TrainingImages(StimulusSet.open(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)))
    settings = TokenizerSettings(perceptual="none", batch_size=2)
    one = TokenizerTask(Tokenizer(settings.network(64, 64)), images, images, settings, None, torch.device("cpu"))
    begin = time.monotonic()
    terms = one.step(np.arange(2), torch.Generator().manual_seed(0), 0.9)
    assert np.isfinite(list(terms.values())).all() and time.monotonic() - begin < 120

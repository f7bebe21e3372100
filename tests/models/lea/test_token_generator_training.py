"""Training of the token generator: what is hidden, what counts, what is learnt, and a cut run that goes on exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from braincodec.errors import InputTypeError, InputValueError, MissingFileError
from braincodec.models.gradient_training import loop
from braincodec.models.lea.token_generator import TokenGeneratorSettings, sample_tokens
from braincodec.models.lea.token_generator.objective import disturbed, draw_masks, masked_cross_entropy
from braincodec.models.lea.token_generator.training import TokenGeneratorTask, fit_token_generator

from .small_lea import numbers, token_generator

ENTRIES, PLACES, WIDTH = 10, 9, 5
SMALL = {"width": 32, "depth": 2, "heads": 4, "batch_size": 16, "learning_rate": 0.004, "dropout": 0.05}


def settings(**changed) -> TokenGeneratorSettings:
    return TokenGeneratorSettings.parse({**SMALL, **changed})


def world(count: int, seed: int = 0):
    """Images in which each token is one of two, by the sign of one value of the embedding."""
    rng = np.random.default_rng(seed)
    vectors = (rng.choice([-1, 1], (count, WIDTH)) + 0.1 * rng.normal(size=(count, WIDTH))).astype(np.float32)
    value = np.arange(PLACES) % WIDTH
    return 2 * value + (vectors[:, value] > 0), vectors


def fit(count=80, **changed):
    keys = {"validation", "workspace", "progress"} & set(changed)
    own = {key: changed.pop(key) for key in keys}
    return fit_token_generator(*world(count), settings(**changed), codebook_size=ENTRIES, device="cpu", **own)


@given(st.integers(1, 300), st.floats(0, 1), st.integers(0, 1000))
def test_at_least_the_asked_share_is_masked_and_never_nothing(tokens, least, seed):
    masks = draw_masks(6, tokens, least, torch.Generator().manual_seed(seed))
    counts = masks.sum(1)
    assert masks.shape == (6, tokens)
    assert (counts >= max(1, least * tokens - 1e-9)).all()
    assert torch.equal(masks, draw_masks(6, tokens, least, torch.Generator().manual_seed(seed)))


def test_masked_shares_follow_the_cosine_and_places_are_alike():
    masks = draw_masks(20_000, 64, 0.5, torch.Generator().manual_seed(0))
    share = masks.float().mean(1)
    # half where the cosine is below it: for a third of the uniform numbers; its mean beyond is 2 / pi sin(pi / 3)
    assert float((share == 0.5).float().mean()) == pytest.approx(1 / 3, abs=0.02)
    assert float(share.mean()) == pytest.approx(0.5 / 3 + 2 / np.pi * np.sin(np.pi / 3), abs=0.01)
    assert (masks.float().mean(0) - share.mean()).abs().max() < 0.02


@given(st.integers(0, 100), st.sampled_from([0.0, 0.1, 0.5]))
def test_only_masked_places_count(seed, smoothing):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, PLACES, ENTRIES, generator=generator, requires_grad=True)
    tokens = torch.randint(ENTRIES, (3, PLACES), generator=generator)
    masked = draw_masks(3, PLACES, 0.3, generator)
    loss = masked_cross_entropy(logits, tokens, masked, smoothing)
    loss.backward()
    assert (logits.grad[~masked] == 0).all()
    assert (logits.grad[masked].abs().sum(-1) > 0).all()
    log = logits.detach().double().log_softmax(-1)
    target = torch.nn.functional.one_hot(tokens, ENTRIES) * (1 - smoothing) + smoothing / ENTRIES
    assert float(loss.detach()) == pytest.approx(float(-(target * log).sum(-1)[masked].mean()), rel=1e-5)


def test_hidden_tokens_are_not_seen():
    network, task = _task()
    masked = torch.ones(len(task.train.tokens), PLACES, dtype=torch.bool)
    masked[:, 0] = False
    batch = task.train
    other = batch._replace(tokens=torch.where(masked, (batch.tokens + 1) % ENTRIES, batch.tokens))
    network.eval()
    assert torch.equal(task._logits(batch, masked)[0], task._logits(other, masked)[0])
    assert not torch.equal(task._logits(batch, ~masked)[0], task._logits(other, ~masked)[0])


def _task():
    from braincodec.models.lea.token_generator.tokenized import checked_images
    from braincodec.models.lea.token_generator.training import _first_network

    images = checked_images(*world(20), ENTRIES, "training")
    network = _first_network(settings(), ENTRIES, images)
    return network, TokenGeneratorTask(network, images, images, settings(), torch.device("cpu"))


def test_the_criterion_is_the_same_when_nothing_was_learnt_in_between():
    _, task = _task()
    first = task.validate()
    torch.manual_seed(9)
    assert task.validate() == first


def test_embeddings_are_disturbed_only_when_asked():
    given_ones, deviation = numbers(4000, 3), torch.tensor([1.0, 2.0, 0.0])
    generator = torch.Generator().manual_seed(0)
    assert disturbed(given_ones, deviation, 0.0, 0.0, generator) is given_ones
    noise = disturbed(given_ones, deviation, 0.5, 0.0, generator) - given_ones
    torch.testing.assert_close(noise.std(0), deviation / 2, atol=0.03, rtol=0)
    dropped = (disturbed(given_ones, deviation, 0.0, 0.25, generator) == 0).all(1)
    assert float(dropped.float().mean()) == pytest.approx(0.25, abs=0.03)


@pytest.mark.slow
def test_tokens_drawn_for_new_embeddings_are_those_that_the_embedding_tells():
    trained = fit(200, epochs=20, width=64, embedding_noise=0.02, embedding_dropped=0.02)
    tokens, vectors = world(60, seed=7)
    drawn = sample_tokens(trained.network, torch.from_numpy(vectors))[:, 0].numpy()
    assert (drawn == tokens).mean() > 0.85, "chance is one in two"
    assert trained.curve[trained.best_epoch - 1]["validation_loss"] < 0.4 * np.log(2)
    assert not trained.network.training and trained.network.mlps_bias.device.type == "cpu"


def test_a_run_that_was_cut_short_goes_on_to_the_very_same_weights(tmp_path, monkeypatch):
    asked = {"epochs": 4, "embedding_noise": 0.1, "embedding_dropped": 0.1}
    whole = fit(**asked)
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", 0.0)
    step, taken = TokenGeneratorTask.step, []

    def cut_short(self, rows, generator, done):
        taken.append(len(rows))
        if len(taken) == 12:
            raise KeyboardInterrupt
        return step(self, rows, generator, done)

    with monkeypatch.context() as within:
        within.setattr(TokenGeneratorTask, "step", cut_short)
        with pytest.raises(KeyboardInterrupt):
            fit(workspace=tmp_path, **asked)
        done = sum(taken)
        resumed = fit(workspace=tmp_path, **asked)
    assert sum(taken) - done < done, "it began anew"
    assert resumed.curve == whole.curve and resumed.best_epoch == whole.best_epoch
    assert _same(resumed.network, whole.network)
    assert _same(fit(workspace=tmp_path, **asked).network, whole.network)


def _same(one, other) -> bool:
    weights = other.state_dict()
    return all(torch.equal(tensor, weights[name]) for name, tensor in one.state_dict().items())


def test_other_seeds_give_other_networks_and_leave_the_global_generator_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, again, other = fit(epochs=1), fit(epochs=1), fit(epochs=1, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert _same(first.network, again.network)
    assert not _same(first.network, other.network)


def checkpoint(network, path) -> str:
    torch.save({"model": {f"module.transformer.{name}": value for name, value in network.state_dict().items()}}, path)
    return str(path)


def test_training_goes_on_from_a_published_checkpoint_of_the_same_embedding(tmp_path):
    published = fit(epochs=12).network
    start = checkpoint(published, tmp_path / "published.pt")
    sizes = {"width": None, "depth": None, "start": start, "epochs": 1, "learning_rate": 1e-6}
    trained = fit(**sizes)
    begun = trained.network.state_dict()
    assert all(torch.allclose(begun[name], value, atol=1e-4) for name, value in published.state_dict().items())
    worse = fit(**sizes | {"learning_rate": 3.0, "gradient_limit": None})
    assert worse.best_epoch == 0 and _same(worse.network, published)


def test_an_embedding_of_another_width_gets_a_new_layer(tmp_path):
    published = token_generator(codebook_size=ENTRIES, tokens=PLACES, heads=16, width=32)
    start = checkpoint(published, tmp_path / "published.pt")
    changed = {"width": None, "depth": None, "heads": None, "start": start, "epochs": 1, "learning_rate": 1e-6}
    network = fit(**changed).network
    assert network.config.embedding == WIDTH and network.config.depth == published.config.depth
    torch.testing.assert_close(network.mlps[0].weight, published.mlps[0].weight, atol=1e-4, rtol=0)


def test_checkpoints_that_cannot_be_the_start_are_named(tmp_path):
    sizes = {"width": None, "depth": None, "heads": None}
    with pytest.raises(MissingFileError, match=r"absent\.pt"):
        fit(start=str(tmp_path / "absent.pt"), **sizes)
    other = token_generator(codebook_size=30, tokens=PLACES, heads=16, width=32)
    with pytest.raises(InputValueError, match="trained with 30 codebook entries, the images have 10"):
        fit(start=checkpoint(other, tmp_path / "other.pt"), **sizes)
    with pytest.raises(InputValueError, match="start decides the sizes; leave out width and depth"):
        settings(start="published.pt")
    started = settings(start="published.pt", **sizes)
    assert TokenGeneratorSettings.parse(started.model_dump(mode="json")) == started, "settings are stored"


def test_given_validation_images_choose_the_epoch_and_held_out_ones_are_not_copies():
    from braincodec.models.lea.token_generator.tokenized import checked_images, divided

    assert fit(epochs=1, validation=world(9, seed=3)).best_epoch == 1
    tokens, vectors = world(30)
    twice = checked_images(np.concatenate([tokens, tokens]), np.concatenate([vectors, vectors]), ENTRIES, "training")
    train, held_out = divided(twice, settings(held_out=0.3))
    assert len(train.tokens) + len(held_out.tokens) == 60
    kept = {tuple(row) for row in train.tokens.tolist()}
    assert not kept & {tuple(row) for row in held_out.tokens.tolist()}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t, v: (t, v[:5]), InputValueError, r"got \(80, 9\) and \(5, 5\)"),
        (lambda t, v: (t + 1, v), InputValueError, "entries of the codebook, 0 to 9; got 1 to 10"),
        (lambda t, v: (t.astype(float), v), InputTypeError, "whole numbers"),
        (lambda t, v: (t, np.where(v == v[3], np.nan, v)), InputValueError, "rows with NaN or infinity: 3"),
        (lambda t, v: (t * 0, v), InputValueError, "at least 2 images that differ"),
        (lambda t, v: (t[:0], v[:0]), InputValueError, "must have shape"),
    ],
)
def test_examples_that_teach_nothing_are_refused_before_work(change, error, message):
    tokens, vectors = change(*world(80))
    with pytest.raises(error, match=message):
        fit_token_generator(tokens, vectors, settings(), codebook_size=ENTRIES)


def test_validation_of_another_shape_is_refused():
    tokens, vectors = world(9, seed=3)
    with pytest.raises(InputValueError, match="validation has 2 values an embedding, training 5"):
        fit(validation=(tokens, vectors[:, :2]))
    with pytest.raises(InputValueError, match="validation has 4 tokens an image, training 9"):
        fit(validation=(tokens[:, :4], vectors))


@pytest.mark.parametrize("wrong", [{"least_masked": 1.5}, {"size": "large"}, {"depht": 2}, {"label_smoothing": 1}])
def test_impossible_settings_are_named(wrong):
    with pytest.raises(InputValueError, match=f"training of the token generator: .*{next(iter(wrong))}"):
        settings(**wrong)


def test_published_and_small_sizes():
    published = TokenGeneratorSettings().network(codebook_size=1024, tokens=256, embedding=1024)
    assert (published.width, published.depth, published.heads) == (768, 24, 16)
    small = TokenGeneratorSettings(size="small", depth=3).network(codebook_size=1024, tokens=256, embedding=512)
    assert small.width < 768 and small.depth == 3
    with pytest.raises(InputValueError, match="cannot be shared"):
        TokenGeneratorSettings(width=100, heads=16).network(codebook_size=8, tokens=4, embedding=2)

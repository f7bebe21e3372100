"""Decoding by inversion of the encoding direction, and encoding through windows over the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import braincodec as bc
from braincodec.datasets import Recording, Split
from braincodec.errors import InputValueError
from braincodec.features import FeatureExtractor
from braincodec.models.lea.alignment import FieldSettings, fit_alignment, fit_field_alignment
from braincodec.models.lea.inversion import (
    DifferentiableEmbedding,
    Inversion,
    InversionSettings,
    fit_inversion,
    shrunk_covariance,
)
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

SIDE, COUNT, VOXELS = 28, 40, 60


def crosses(count: int, seed: int) -> np.ndarray:
    """Crosses somewhere near the middle, uint8 (count, side, side, 3)."""
    random = np.random.default_rng(seed)
    images = np.zeros((count, SIDE, SIDE, 3), np.uint8)
    for image, (row, column) in zip(images, random.integers(8, 18, (count, 2)), strict=True):
        image[row : row + 3, 4:24] = image[4:24, column : column + 3] = 255
    return images


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Voxels that see a place of the image each, and some that see nothing."""
    images = crosses(COUNT, 0)
    random = np.random.default_rng(1)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    places = random.uniform(5, 23, (2, VOXELS))
    fields = np.exp(-((rows[..., None] - places[0]) ** 2 + (columns[..., None] - places[1]) ** 2) / (2 * 2.0**2))
    fields[..., -10:] = 0
    seen = np.tensordot(images[..., 0] / 255.0, fields, 2)
    values = seen / (seen + 3) + 0.05 * random.normal(size=(COUNT, VOXELS))
    ids = [f"cross-{number:02}" for number in range(COUNT)]
    units = build_units(scores={"voxel": np.arange(VOXELS)}, subject="1", modality="fmri", response_units="unknown")
    split = Split(train=tuple(ids[:-6]), test=tuple(ids[-6:]))
    return Recording(
        "crosses", "1", StimulusSet.open(images, ids=ids), build_responses(values, ids, units), units, split
    )


SETTINGS = {
    "image_embedding": "luminance:maps",
    "embedding_layer": "blurs.1",
    "fmri_latent": "voxels",
    "encoding_readout": "fields",
    "fields": {"grids": [(5, 0.1, 0.15)], "smoothness": 0.1},
    "generator": {"kind": "deformed_images", "candidates": 100, "particles": 6, "steps": 10},
}


@pytest.fixture(scope="module")
def lea(recording) -> bc.LEA:
    return bc.LEA(**SETTINGS).fit(recording, progress=False)


def pixel_correlation(images: StimulusSet, truth: StimulusSet) -> float:
    pairs = zip(np.stack(list(images)), np.stack(list(truth)), strict=True)
    return float(np.mean([np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs]))


def test_images_that_explain_patterns_are_nearer_than_ridge_to_pixels(lea, recording):
    seen, fmri = recording.part("test")
    found = pixel_correlation(lea.decode(fmri, progress=False), seen)
    ridge = bc.LEA(**SETTINGS | {"generator": "pixel_components"}).fit(recording, progress=False)
    assert found > pixel_correlation(ridge.decode(fmri, progress=False), seen)
    assert found > 0.8


def test_an_image_does_not_depend_on_what_else_is_decoded(lea, recording):
    fmri = recording.part("test")[1]
    whole = np.stack(list(lea.decode(fmri, n_samples=2, seed=1, progress=False)))
    part = np.stack(list(lea.decode(fmri[2:3], seed=1, stimuli=[2], progress=False)))
    np.testing.assert_array_equal(part[0], whole[4])
    batches = np.stack(list(lea.decode(fmri, n_samples=2, seed=1, batch_size=4, progress=False)))
    np.testing.assert_array_equal(batches, whole)


def test_a_stored_model_decodes_and_encodes_as_before(lea, recording, tmp_path):
    again = bc.LEA.load(lea.save(tmp_path / "lea"))
    seen, fmri = recording.part("test")
    for model in (lea, again):
        assert model.inversion is not None
    one, other = (np.stack(list(model.decode(fmri[:2], progress=False))) for model in (lea, again))
    np.testing.assert_array_equal(one, other)
    xr.testing.assert_equal(again.encode(seen, progress=False), lea.encode(seen, progress=False))


def test_fields_predict_voxels_that_see_a_place_better_than_ridge(lea, recording):
    ridge = bc.LEA(**SETTINGS | {"encoding_readout": "ridge", "generator": "retrieval"}).fit(recording, progress=False)
    assert ridge.inversion is None
    good = slice(0, VOXELS - 10)
    assert lea.encoding_map.r2[good].mean() > ridge.encoding_map.r2[good].mean()


def test_latents_become_evidence_with_noise_of_variance_one():
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(4000, 5)).astype(np.float32)
    mixing = random.normal(size=(12, 12))
    latents = (embeddings @ random.normal(size=(5, 12)) + random.normal(size=(4000, 12)) @ mixing).astype(np.float32)
    encoding = fit_alignment(embeddings, latents)
    residuals = latents - encoding.predict(embeddings)
    settings = InversionSettings(least_r2=0.0, shrinkage=1e-6)
    evidence = fit_inversion(encoding, residuals, embeddings, settings).evidence(latents)
    assert evidence.values.shape == (4000, 5)
    noise = evidence.values - evidence.predicted(torch.from_numpy(embeddings))
    torch.testing.assert_close(noise.T @ noise / 4000, torch.eye(5), atol=0.01, rtol=0)
    # nothing of what tells images apart is lost: distances are those of the whole covariance
    step = torch.from_numpy(embeddings[:1] - embeddings[1:2])
    moved = (step @ evidence.projection).numpy().ravel()
    change = encoding.predict(embeddings[:1]) - encoding.predict(embeddings[1:2])
    inverse = np.linalg.inv(residuals.T.astype(float) @ residuals / 4000)
    assert moved @ moved == pytest.approx((change @ inverse @ change.T).item(), rel=1e-3)


def test_latents_that_say_nothing_are_left_out():
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(80, 3)).astype(np.float32)
    latents = random.normal(size=(80, 6)).astype(np.float32)
    latents[:, :3] += 2 * embeddings
    encoding = fit_alignment(embeddings, latents)
    found = fit_inversion(encoding, latents - encoding.predict(embeddings), embeddings, InversionSettings(least_r2=0.3))
    assert bool((found.whitening[3:] == 0).all())
    again = Inversion.from_tensors(found.tensors())
    np.testing.assert_array_equal(again.projection, found.projection)
    noise = fit_alignment(embeddings, random.normal(size=(80, 6)))
    with pytest.raises(InputValueError, match="cannot be inverted"):
        fit_inversion(noise, latents, embeddings, InversionSettings(least_r2=0.5))


def test_covariance_is_shrunk_as_scikit_learn_does_towards_its_diagonal():
    from sklearn.covariance import empirical_covariance

    rows = np.random.default_rng(0).normal(size=(30, 4)) * [1, 2, 3, 4]
    plain = empirical_covariance(rows, assume_centered=True)
    np.testing.assert_allclose(shrunk_covariance(rows, 0.0), plain)
    np.testing.assert_allclose(shrunk_covariance(rows, 1.0), np.diag(np.diag(plain)))


@pytest.mark.parametrize("unit_length", [False, True])
def test_embeddings_with_gradients_are_those_without(lea, recording, unit_length):
    embedding = DifferentiableEmbedding(FeatureExtractor(lea.config.features), unit_length)
    images = np.stack(list(recording.part("test")[0]))
    given = (torch.from_numpy(images).movedim(-1, 1).float() / 255).requires_grad_()
    found = embedding(given)
    expected = lea.embed(recording.part("test")[0], progress=False).values
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True) if unit_length else expected
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)
    found.sum().backward()
    assert float(given.grad.abs().max()) > 0


def test_fields_need_maps_that_make_up_the_embedding(recording):
    with pytest.raises(InputValueError, match="do not make up an embedding of 9 values"):
        fit_field_alignment(np.random.default_rng(0).random((20, 9)), np.zeros((20, 1)), {"a": (1, 2, 2)})
    pooled = SETTINGS | {"embedding_pooling": "spatial_mean"}
    with pytest.raises(InputValueError, match="take 'flatten'"):
        bc.LEA(**pooled).fit(recording, progress=False)
    with pytest.raises(InputValueError, match="take alignment 'ridge'"):
        bc.LEA(**SETTINGS, alignment="joint")


def test_windows_are_given_or_made_on_grids():
    made = FieldSettings(grids=[(3, 0.1, 0.2)])
    given = FieldSettings(windows=made.places.tolist())
    np.testing.assert_allclose(given.places, made.places)
    assert made.places.shape == (9, 3)
    assert FieldSettings().places is None
    with pytest.raises(InputValueError, match="one of the two"):
        FieldSettings.parse({"grids": [(3, 0.1, 0.2)], "windows": [(0, 0, 0.1)]})
    with pytest.raises(InputValueError, match="positive sizes"):
        FieldSettings.parse({"windows": [(0, 0, -0.1)]})

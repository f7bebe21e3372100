"""The whole model without networks to train: fit, both directions, retrieval, storage."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

import braincodec as bc
from braincodec.errors import InputTypeError, InputValueError, NotTrainedError, UnknownNameError
from braincodec.features.torchvision_compat import import_torchvision
from braincodec.image_generators import IMAGE_GENERATORS
from braincodec.models import JointEncoder
from braincodec.models.lea.regions import disjoint_regions
from braincodec.models.lea.trials import UnmeasuredVoxelWarning
from braincodec.stimuli import StimulusSet

from .small_recording import GABOR, PIXELS, patches, recording


@pytest.fixture(scope="module")
def data():
    return recording()


@pytest.fixture(scope="module")
def lea(data):
    return bc.LEA(generator=PIXELS, fmri_latent="components", **GABOR).fit(data)


def pixels(images) -> np.ndarray:
    return np.stack(list(images))


def test_what_was_seen_is_told_from_what_was_not(data):
    lea = bc.LEA(generator=PIXELS, fmri_latent="components", **patches()).fit(data)
    seen, fmri = data.part("test")
    found = lea.retrieve(fmri, seen, k=8)
    rank = [list(ids).index(name) for ids, name in zip(found["id"].values, found["stimulus"].values, strict=True)]
    assert np.mean(rank) < 1.5  # 3.5 by chance
    assert (np.diff(found["similarity"].values, axis=1) <= 0).all()
    images = lea.decode(fmri)
    assert images.ids.tolist() == fmri["stimulus"].values.tolist()
    assert images[0].shape == (16, 16, 3)
    assert images[0].dtype == np.uint8


@pytest.mark.parametrize("latent", ["voxels", "components"])
def test_responses_are_predicted_in_the_measured_scale_and_in_the_order_of_the_units(data, latent):
    lea = bc.LEA(generator="retrieval", fmri_latent=latent, **patches()).fit(data)
    seen, fmri = data.part("test")
    predicted, measured = lea.encode(seen).values, fmri.mean("repetition").values
    assert abs(predicted.mean() - measured.mean()) < 0.1
    correlation = np.corrcoef(predicted.T, measured.T)[:30, 30:]  # (predicted unit, measured unit)
    assert np.median(np.diag(correlation)) > 0.5
    assert abs(np.median(correlation[~np.eye(30, dtype=bool)])) < 0.2


def test_all_voxels_and_all_components_are_the_same_linear_model(data):
    seen, fmri = data.part("test")
    fits = [
        bc.LEA(generator=PIXELS, fmri_latent=latent, alphas=10.0, **GABOR).fit(data)
        for latent in ("voxels", "components")
    ]
    by_voxels, by_components = (fit.predict_embeddings(fmri, rescale="none").values for fit in fits)
    np.testing.assert_allclose(by_voxels, by_components, atol=1e-5 * by_voxels.std())
    by_voxels, by_components = (fit.encode(seen).values for fit in fits)
    np.testing.assert_allclose(by_voxels, by_components, atol=1e-4 * by_voxels.std())


def test_a_decoded_image_depends_on_its_own_pattern_and_not_on_the_batch(lea, data):
    _, fmri = data.part("test")
    together = pixels(lea.decode(fmri, n_samples=2))
    np.testing.assert_array_equal(pixels(lea.decode(fmri, n_samples=2, batch_size=3)), together)
    np.testing.assert_array_equal(pixels(lea.decode(fmri[:3], n_samples=2)), together[:6])


@pytest.mark.parametrize("latent", ["voxels", "components"])
def test_responses_do_not_depend_on_the_batch_size(data, latent):
    lea = bc.LEA(generator="retrieval", fmri_latent=latent, **GABOR).fit(data)
    stimuli = data.stimuli[:11]
    once = lea.encode(stimuli, batch_size=11).values
    for size in (1, 3, 8):
        np.testing.assert_array_equal(lea.encode(stimuli, batch_size=size).values, once)


def test_samples_are_numbered_from_one(lea, data):
    _, fmri = data.part("test")
    assert lea.decode(fmri[:2], n_samples=2).ids.tolist() == [
        f"{name}-sample-{k}" for name in fmri["stimulus"].values[:2] for k in (1, 2)
    ]
    assert lea.decode(fmri[:2].mean("repetition").values).ids.tolist() == ["0", "1"]


@pytest.mark.parametrize("generator", ["retrieval", PIXELS])
def test_a_stored_model_gives_the_same_numbers(data, generator, tmp_path):
    lea = bc.LEA(generator=generator, fmri_latent="components", **GABOR).fit(data)
    seen, fmri = data.part("test")
    again = bc.Encoder.load(lea.save(tmp_path / "lea"))
    assert isinstance(again, bc.LEA)
    np.testing.assert_array_equal(again.encode(seen).values, lea.encode(seen).values)
    np.testing.assert_array_equal(pixels(again.decode(fmri)), pixels(lea.decode(fmri)))
    assert again.description.training["settings"]["fmri_latent"] == "components"
    card = (tmp_path / "lea" / "README.md").read_text()
    assert all(
        words in card for words in ("gabor:bank", "brain-decoding", "encoder.decode(responses)", "decoded images")
    )


def test_responses_are_streamed_to_a_file(lea, data, tmp_path):
    seen, _ = data.part("test")
    path = lea.encode_to(tmp_path / "responses.nc", seen, batch_size=3)
    np.testing.assert_array_equal(bc.open_responses(path).values, lea.encode(seen).values)


def test_a_selection_encodes_and_no_longer_decodes(lea, data, tmp_path):
    seen, fmri = data.part("test")
    some = lea.select(unit=[4, 1, 20])
    assert some.response_shape == (3,)
    np.testing.assert_array_equal(some.encode(seen).values, lea.encode(seen).values[:, [1, 4, 20]])
    np.testing.assert_array_equal(some.select(unit=[2]).encode(seen).values, lea.encode(seen).values[:, [20]])
    with pytest.raises(InputValueError, match="cut to 3 of 30 voxels by select, and can only encode"):
        some.decode(fmri)
    again = bc.Encoder.load(some.save(tmp_path / "some"))
    np.testing.assert_array_equal(again.encode(seen).values, some.encode(seen).values)
    assert lea.select(unit=np.ones(30, bool)) is lea


def test_joint_encoders_embed_each_image_once(lea, data):
    seen, _ = data.part("test")
    joint = JointEncoder([lea.select(unit=range(10)), lea.select(unit=range(10, 30))])
    assert len({member.shared_key() for member in joint.members}) == 1
    np.testing.assert_array_equal(joint.encode(seen).values, lea.encode(seen).values)


def test_labelled_patterns_are_matched_by_voxel_and_repetitions_averaged(lea, data):
    _, fmri = data.part("test")
    wanted = lea.predict_embeddings(fmri.mean("repetition").values).values
    np.testing.assert_allclose(lea.predict_embeddings(fmri).values, wanted, rtol=1e-5)
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_allclose(lea.predict_embeddings(fmri[..., order]).values, wanted, rtol=1e-5)
    more = xr.concat([fmri, fmri.assign_coords(i=fmri["i"] + 50)], "unit")
    np.testing.assert_allclose(lea.predict_embeddings(more).values, wanted, rtol=1e-5)


def test_chosen_regions_are_the_units_of_the_model(data):
    seen, fmri = data.part("test")
    lea = bc.LEA(generator="retrieval", fmri_latent="voxels", regions=["V1", "V2"], **GABOR).fit(data)
    kept = np.sort(disjoint_regions(data.units, ["V1", "V2"]).columns)
    assert lea.config.regions == ("V1", "V2")
    assert sum(lea.config.voxels) == len(kept) == 20
    np.testing.assert_array_equal(lea.units["i"], data.units["i"][kept])
    assert lea.encode(seen).sizes["unit"] == 20
    from_all = lea.predict_embeddings(fmri.mean("repetition"))
    np.testing.assert_array_equal(from_all, lea.predict_embeddings(fmri.mean("repetition").values[:, kept]))
    with pytest.raises(UnknownNameError, match="unknown roi 'V3'"):
        bc.LEA(generator="retrieval", fmri_latent="voxels", regions="V3", **GABOR).fit(data)


def test_rescaling_brings_predictions_to_the_spread_of_embeddings(lea, data):
    train, of_train = data.part("train")
    _, fmri = data.part("test")
    embeddings = lea.embed(train).values
    for rule, among in (("training", of_train.mean("repetition")), ("transductive", fmri)):
        predicted = lea.predict_embeddings(among, rescale=rule).values
        plain = lea.predict_embeddings(among, rescale="none").values
        assert plain.std(0).mean() < embeddings.std(0).mean()
        assert plain.std(0).mean() < predicted.std(0).mean()
    np.testing.assert_allclose(predicted.mean(0), embeddings.mean(0), atol=1e-4)
    np.testing.assert_allclose(predicted.std(0), embeddings.std(0), rtol=1e-3, atol=1e-5)


def test_transductive_rescaling_works_in_both_directions_and_is_never_the_default(lea, data):
    seen, fmri = data.part("test")
    half = lea.predict_embeddings(fmri[:4]).values
    np.testing.assert_array_equal(half, lea.predict_embeddings(fmri).values[:4])
    together, apart = lea.encode(seen, rescale="transductive"), lea.encode(seen[:4], rescale="transductive")
    assert not np.allclose(together[:4], apart)
    assert together.attrs["model"] == lea.encode(seen).attrs["model"]
    assert not np.allclose(lea.encode(seen, rescale="training"), lea.encode(seen))
    np.testing.assert_array_equal(lea.encode(seen, rescale="none"), lea.encode(seen))
    with pytest.raises(InputValueError, match="at least 2 stimuli"):
        lea.decode(fmri[:1], rescale="transductive")
    with pytest.raises(UnknownNameError, match="unknown rescale rule 'test'"):
        lea.decode(fmri, rescale="test")


def test_a_gallery_may_be_images_or_embeddings_and_leaves_a_choice(lea, data):
    seen, fmri = data.part("test")
    by_images = lea.retrieve(fmri, seen, k=3)
    xr.testing.assert_equal(by_images, lea.retrieve(fmri, lea.embed(seen), k=3))
    numbered = lea.retrieve(fmri, lea.embed(seen).values, k=3)["id"].values.astype(int)
    np.testing.assert_array_equal(seen.ids[numbered], by_images["id"].values)
    assert lea.retrieve(fmri, seen[:2], k=3).sizes["rank"] == 2
    for alone in (seen[:1], lea.embed(seen[:1])):
        with pytest.raises(InputValueError, match="at least 2 images to choose from, this one has 1"):
            lea.retrieve(fmri, alone)
    with pytest.raises(InputValueError, match="shape"):
        lea.retrieve(fmri, np.zeros((4, 3)))
    with pytest.raises(InputValueError, match="k is 0; expected 1 or more"):
        lea.retrieve(fmri, seen, k=0)


BAD = {
    "voxels": (lambda x: x[:, :12], InputValueError, "patterns have 12 voxels; the model of test, subject 1, takes 30"),
    "god": (lambda x: np.zeros((2, 4404)), InputValueError, "As many voxels has god, subject 2"),
    "one pattern": (lambda x: x[0], InputValueError, r"got \(30,\); one pattern is responses\[None\]"),
    "none": (lambda x: x[:0], InputValueError, "there is no pattern to decode"),
    "text": (lambda x: x.astype(str), InputTypeError, "must be real numbers"),
    "truth": (lambda x: x > 0, InputTypeError, "must be real numbers, not bool"),
    "complex": (lambda x: x + 1j, InputTypeError, "must be real numbers, not complex"),
    "nan": (
        lambda x: np.where(np.arange(30) == 7, np.nan, x),
        InputValueError,
        r"8 of 8 patterns .* 1 voxels?: unit 7",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_patterns_that_cannot_be_decoded_are_named(lea, data, what):
    break_, kind, message = BAD[what]
    with pytest.raises(kind, match=message):
        lea.decode(break_(data.part("test")[1].mean("repetition").values))


def test_integers_and_doubles_are_patterns_too(lea, data):
    values = data.part("test")[1].mean("repetition").values
    np.testing.assert_allclose(
        lea.predict_embeddings(values.astype(float)).values, lea.predict_embeddings(values).values, rtol=1e-6
    )
    assert len(lea.decode(values.round().astype(int))) == 8


def test_labelled_patterns_of_others_are_refused(lea, data):
    _, fmri = data.part("test")
    with pytest.raises(InputValueError, match="1 of 30 units of the model of test, subject 1 are not among"):
        lea.decode(fmri.assign_coords(i=("unit", np.where(np.arange(30) == 3, 4, fmri["i"]))))
    with pytest.raises(InputValueError, match="is there more than once"):
        lea.decode(xr.concat([fmri, fmri[..., :1]], "unit"))
    with pytest.raises(InputValueError, match=r"need the dimensions \(stimulus, unit\)"):
        lea.decode(fmri.rename(unit="voxel"))


@pytest.mark.parametrize("samples", [0, -1])
def test_no_samples_are_refused_before_anything_is_computed(lea, data, samples):
    with pytest.raises(InputValueError, match=r"n_samples is .*; expected 1 or more"):
        lea.decode(data.part("test")[1], n_samples=samples)


def test_untrained_models_say_so(data):
    lea = bc.LEA(generator="retrieval", fmri_latent="voxels", **GABOR)
    assert "not trained" in repr(lea)
    for use in (lambda: lea.decode(np.zeros((1, 30))), lambda: lea.encode(data.stimuli), lambda: lea.embed([])):
        with pytest.raises(NotTrainedError):
            use()


def test_several_subjects_are_refused_with_what_to_do(data):
    other = bc.Recording("test", "2", data.stimuli, data.responses, data.units, data.split)
    with pytest.raises(InputValueError, match=r"a LEA is of one subject; here are 2 .* pretrain_fmri_autoencoder"):
        bc.LEA(generator="retrieval", fmri_latent="voxels", **GABOR).fit([data, other])


def test_missing_weights_name_the_command_that_fetches_them_and_the_offline_choice(data, monkeypatch, tmp_path):
    import_torchvision()
    pytest.importorskip("open_clip")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr("urllib.request.getproxies", dict)

    def refuse(*_args, **_kwargs):
        raise OSError("no network in this test")

    monkeypatch.setattr("socket.create_connection", refuse)
    with pytest.raises(FileNotFoundError) as caught:
        bc.LEA(generator="retrieval", fmri_latent="voxels").fit(data)
    message = str(caught.value)
    assert "hf download laion/CLIP-ViT-H-14-frozen-xlm-roberta-large-laion5B-s13B-b90k open_clip" in message
    assert "efficientnet_lite:0" in message


def test_settings_are_checked_when_the_model_is_made():
    with pytest.raises(InputValueError, match="unknown image generator 'maskgitt'; did you mean 'maskgit'"):
        bc.LEA(generator="maskgitt")
    with pytest.raises(InputValueError, match="unknown key 'componentz'"):
        bc.LEA(generator={"kind": "pixel_components", "componentz": 3})
    with pytest.raises(InputValueError, match="components belong to fmri_latent 'components'"):
        bc.LEA(components=3, fmri_latent="voxels")
    with pytest.raises(InputValueError, match="unknown key 'sed'"):
        bc.LEA(sed=1)


def test_networks_and_generators_at_hand_are_used(data):
    backbone = bc.get_backbone("gabor:bank")
    embeddings = np.random.default_rng(0).normal(size=(len(data.stimuli), 40)).astype(np.float32)
    generator = IMAGE_GENERATORS.get("retrieval")().fit(data.stimuli, embeddings)
    chosen = {"embedding_layer": "scales.*", "embedding_pooling": "spatial_mean", "fmri_latent": "voxels"}
    lea = bc.LEA(backbone, generator, **chosen).fit(data)
    assert lea.generator.tensors()["images"].shape[0] == len(data.stimuli)
    narrow = IMAGE_GENERATORS.get("retrieval")().fit(data.stimuli, embeddings[:, :9])
    with pytest.raises(InputValueError, match="reads embeddings of 9 values, gabor:bank gives 40"):
        bc.LEA(backbone, narrow, **chosen).fit(data)


def test_a_network_without_a_known_embedding_asks_for_a_layer(data):
    with pytest.raises(InputValueError, match=r"give embedding_layer, 'output' or one of its 5 layers.*scales\.3"):
        bc.LEA("gabor:bank", "retrieval", fmri_latent="voxels").fit(data)


def test_voxels_that_hold_nan_in_training_are_named(data):
    holed = data.responses.copy()
    holed[3, :, 7] = np.nan
    broken = bc.Recording("test", "1", data.stimuli, holed, data.units, data.split)
    with pytest.raises(InputValueError, match=r"1 of 30 voxels of test, subject 1 hold NaN .* 2 of 80 trials: unit 7"):
        bc.LEA(generator="retrieval", fmri_latent="voxels", **GABOR).fit(broken)


@pytest.fixture(scope="module")
def partly_measured(data):
    """Voxels 0, 6 and 12, all of region V2 and V1, and 29, of no region, were never measured."""
    holed = data.responses.copy()
    holed[..., [0, 6, 12, 29]] = np.nan
    return bc.Recording("test", "1", data.stimuli, holed, data.units, data.split)


@pytest.mark.parametrize("latent", ["voxels", "components", "autoencoder"])
def test_voxels_that_were_never_measured_are_left_out_and_predicted_as_nan(partly_measured, latent, tmp_path):
    small = {"size": "small", "epochs": 2} if latent == "autoencoder" else None
    lea = bc.LEA(generator=PIXELS, fmri_latent=latent, autoencoder=small, **GABOR)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lea.fit(partly_measured)
    told = [item for item in caught if issubclass(item.category, UnmeasuredVoxelWarning)]
    assert len(told) == 1
    assert "4 of 30 voxels of test, subject 1 are NaN in every training trial" in str(told[0].message)
    lea.save(tmp_path / "lea")
    seen, fmri = partly_measured.part("test")
    for model in (lea, bc.LEA.load(tmp_path / "lea")):
        responses = model.encode(seen)
        assert responses.sizes["unit"] == 30
        assert np.flatnonzero(np.isnan(responses.values).all(0)).tolist() == [0, 6, 12, 29]
        assert np.isfinite(np.delete(responses.values, [0, 6, 12, 29], axis=1)).all()
        part = model.select(unit=[5, 6, 7]).encode(seen)
        np.testing.assert_array_equal(part.values, responses.values[:, 5:8])
        decoded = model.decode(fmri)
        np.testing.assert_array_equal(pixels(decoded), pixels(model.decode(fmri.mean("repetition").values)))


def test_a_model_of_measured_voxels_is_that_of_a_recording_without_the_others(data, partly_measured):
    there = np.delete(np.arange(30), [0, 6, 12, 29])
    cut = bc.Recording(
        "test", "1", data.stimuli, data.responses.isel(unit=there), data.units.isel(unit=there), data.split
    )
    settings = {"generator": PIXELS, "fmri_latent": "components", **GABOR}
    with pytest.warns(UnmeasuredVoxelWarning):
        whole = bc.LEA(**settings).fit(partly_measured)
    other = bc.LEA(**settings).fit(cut)
    seen, fmri = partly_measured.part("test")
    np.testing.assert_array_equal(whole.encode(seen).values[:, there], other.encode(seen).values)
    np.testing.assert_array_equal(pixels(whole.decode(fmri)), pixels(other.decode(fmri.isel(unit=there))))


def test_a_measured_voxel_may_not_be_nan_where_it_is_decoded(partly_measured):
    with pytest.warns(UnmeasuredVoxelWarning):
        lea = bc.LEA(generator=PIXELS, fmri_latent="voxels", **GABOR).fit(partly_measured)
    _, fmri = partly_measured.part("test")
    values = fmri.mean("repetition").values
    values[2, 7] = np.nan
    with pytest.raises(InputValueError, match=r"1 of 8 patterns hold NaN or infinity, in 1 voxels?: unit 7"):
        lea.decode(values)


def test_both_directions_are_judged_where_voxels_were_never_measured(partly_measured):
    with pytest.warns(UnmeasuredVoxelWarning):
        lea = bc.LEA(generator=PIXELS, fmri_latent="components", **GABOR).fit(partly_measured)
    scores = bc.evaluate(lea, partly_measured, metrics=["correlation", "pixel_correlation"], draws=20, permutations=9)
    assert set(scores.table["direction"]) == {"encoding", "decoding"}
    assert np.isfinite(scores.table["value"]).all()


def test_a_recording_without_any_value_is_refused(data):
    empty = bc.Recording("test", "1", data.stimuli, data.responses * np.nan, data.units, data.split)
    with pytest.raises(InputValueError, match=f"have no response.*first is '{data.split.train[0]}'"):
        bc.LEA(generator="retrieval", fmri_latent="voxels", **GABOR).fit(empty)


def test_a_constant_voxel_predicts_itself(data):
    constant = data.responses.copy()
    constant[..., 5] = 4.25
    seen, _ = data.part("test")
    still = bc.Recording("test", "1", data.stimuli, constant, data.units, data.split)
    lea = bc.LEA(generator="retrieval", fmri_latent="components", **GABOR).fit(still)
    np.testing.assert_allclose(lea.encode(seen).values[:, 5], 4.25, rtol=1e-5)


def test_averaged_trials_train_on_one_pattern_a_stimulus(data):
    lea = bc.LEA(generator="retrieval", fmri_latent="voxels", repetitions="average", **GABOR).fit(data)
    train = data.part("train")[1].mean("repetition")
    order = disjoint_regions(data.units).columns
    stored = lea.tensors()["standardisation.mean"].numpy()
    np.testing.assert_allclose(stored, train.values.mean(0)[order], rtol=1e-5)


def test_a_shorter_set_of_images_is_opened_from_arrays(lea):
    assert lea.encode(np.zeros((2, 32, 32, 3), np.uint8)).sizes["stimulus"] == 2
    assert isinstance(lea.decode(np.zeros((1, 30))), StimulusSet)

"""Models on a model hub, played by a server on loopback."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec import Encoder, open_store
from braincodec.artefact import CHECKSUMS, FILES
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, OutputError, UnreachableError
from braincodec.store import push_artefact
from braincodec.transfer import fetch
from braincodec.transfer.hub import parts_of

from ..small_models import gabor_linear, images
from .hub_server import TOKEN

IMAGES = images(2)
NAMES = {*FILES, CHECKSUMS}


@pytest.fixture
def artefact(tmp_path):
    return gabor_linear(5, model="fmri-test-gabor", licence="mit").save(tmp_path / "model")


@pytest.fixture
def store(tmp_path):
    root = tmp_path / "store"
    for subject in (1, "monkey A"):
        encoder = gabor_linear(5, model="fmri-test-gabor", subject=subject)
        encoder.save(root / "fmri-test-gabor" / ("subject-01" if subject == 1 else "subject-monkey=20A"))
    return open_store(root)


@pytest.fixture
def options(hub):
    return {"endpoint": hub.url, "token": TOKEN}


def test_artefact_becomes_a_repository_in_one_commit(hub, artefact, options):
    done = push_artefact(artefact, "hf://lab/model", private=True, message="first", progress=False, **options)
    assert {file.name for file in done.missing} == NAMES
    files = hub.repositories["lab/model"]
    assert {name: files[name] for name in NAMES} == {name: (artefact / name).read_bytes() for name in NAMES}
    assert hub.private == {"lab/model": True}
    assert hub.commits == ["first"]


def test_pushing_again_sends_nothing(hub, artefact, options):
    push_artefact(artefact, "hf://lab/model", progress=False, **options)
    hub.asked.clear()
    done = push_artefact(artefact, "hf://lab/model", progress=False, **options)
    assert done.missing == ()
    assert hub.count("PUT|commit|batch") == 0


def test_a_dry_run_says_the_size_and_writes_nothing(hub, artefact):
    plan = push_artefact(artefact, "hf://lab/model", dry_run=True, endpoint=hub.url, token=TOKEN)
    assert plan.size == plan.missing_size == sum((artefact / name).stat().st_size for name in NAMES)
    assert hub.repositories == {} and hub.count("create|PUT|commit") == 0


@pytest.mark.parametrize("token", [None, "hf_reader"])
def test_without_the_right_credentials_it_is_refused_before_anything_is_sent(hub, artefact, token):
    options = {"token": token} if token else {}
    words = "no credentials for hf://lab/model: log in" if token is None else "log in with 'hf auth login'"
    with pytest.raises(UnreachableError, match=words):
        push_artefact(artefact, "hf://lab/model", endpoint=hub.url, progress=False, **options)
    assert hub.count("PUT|preupload") == 0


def test_a_push_that_breaks_off_leaves_nothing_that_looks_whole_and_goes_on(hub, artefact, options, tmp_path):
    hub.refuse = "POST .*/commit/"
    with pytest.raises(UnreachableError, match="cannot write to hf://lab/model"):
        push_artefact(artefact, "hf://lab/model", progress=False, **options)
    assert set(hub.repositories["lab/model"]) == {".gitattributes"}
    hub.refuse = ""
    hub.asked.clear()
    push_artefact(artefact, "hf://lab/model", progress=False, **options)
    assert hub.count("PUT lfs") == 0  # the large files were sent before
    fetch("hf://lab/model", tmp_path / "here", cache=tmp_path / "cache", progress=False, **options)
    assert Encoder.load(tmp_path / "here").identity() == Encoder.load(artefact).identity()


def test_another_model_there_is_replaced_only_on_request(hub, artefact, options, tmp_path):
    push_artefact(artefact, "hf://lab/model", progress=False, **options)
    other = gabor_linear(7, model="fmri-test-gabor").save(tmp_path / "other")
    with pytest.raises(OutputError, match="another model lies at hf://lab/model"):
        push_artefact(other, "hf://lab/model", progress=False, **options)
    push_artefact(other, "hf://lab/model", overwrite=True, progress=False, **options)
    assert hub.repositories["lab/model"][CHECKSUMS] == (other / CHECKSUMS).read_bytes()


def test_store_is_opened_from_the_hub(hub, store, options, tmp_path):
    store.push("hf://lab/models/v1", progress=False, **options)
    assert len(hub.commits) == 2
    remote = open_store("hf://lab/models/v1", cache=tmp_path / "cache", **options)
    assert remote.models().subjects.tolist() == [[1, "monkey A"]]
    expected = store.encoder("fmri-test-gabor", "monkey A").encode(IMAGES, device="cpu")
    hub.asked.clear()
    found = remote.encoder("fmri-test-gabor", "monkey A").encode(IMAGES, device="cpu")
    np.testing.assert_array_equal(found, expected)
    assert hub.count("GET .*resolve.*subject-monkey=20A/model.safetensors") >= 1
    hub.asked.clear()
    again = open_store("hf://lab/models/v1", cache=tmp_path / "cache", **options)
    again.encoder("fmri-test-gabor", "monkey A")
    assert hub.count("resolve") == 0


def test_fetched_store_is_the_one_that_was_pushed(hub, store, options, tmp_path):
    store.push("hf://lab/models", progress=False, **options)
    fetch("hf://lab/models", tmp_path / "here", cache=tmp_path / "cache", progress=False, **options)
    one, other = open_store(tmp_path / "here").encoder("fmri-test-gabor", 1), store.encoder("fmri-test-gabor", 1)
    assert one.identity() == other.identity()


def test_spoiled_download_is_refused_and_fetched_anew(hub, artefact, options, tmp_path):
    push_artefact(artefact, "hf://lab/model", progress=False, **options)
    good = (artefact / "model.safetensors").read_bytes()
    hub.spoil["model.safetensors"] = good[:-1] + bytes([good[-1] ^ 1])
    with pytest.raises(DamagedFileError, match="nothing was kept, try again"):
        fetch("hf://lab/model", tmp_path / "here", cache=tmp_path / "cache", progress=False, **options)
    assert not (tmp_path / "here").exists()
    hub.spoil.clear()
    fetch("hf://lab/model", tmp_path / "here", cache=tmp_path / "cache", progress=False, **options)
    assert (tmp_path / "here" / "model.safetensors").read_bytes() == good


def test_what_is_not_there_is_named(hub, options, tmp_path):
    with pytest.raises(MissingFileError, match="hf://lab/absent"):
        fetch("hf://lab/absent", tmp_path / "here", cache=tmp_path / "cache", **options)
    with pytest.raises(MissingFileError, match="store not found: hf://lab/absent"):
        open_store("hf://lab/absent", cache=tmp_path / "cache", **options)


@pytest.mark.parametrize("address", ["hf://lab", "hf://", "hf://datasets/lab/data", "hf://spaces/lab/app"])
def test_addresses_that_are_no_model_repository_are_refused(address):
    with pytest.raises(InputValueError, match="is no model repository"):
        parts_of(address)

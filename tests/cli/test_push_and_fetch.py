"""`braincodec push` and `braincodec fetch`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from braincodec import open_store
from braincodec.artefact import CHECKSUMS, FILES

from ..small_models import gabor_linear
from ..store.hub_server import TOKEN, hub

__all__ = ["hub"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    for model in ("one", "two"):
        gabor_linear(4, model=model).save(root / model / "subject-01")
    return root


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINCODEC_CACHE", str(tmp_path / "cache"))


def test_store_goes_there_and_back(run, store, tmp_path):
    outcome = run("push", store, tmp_path / "there")
    assert outcome.code == 0
    assert "10 files, " in outcome.err.splitlines()[0] and "MB" in outcome.err.splitlines()[0]  # before anything else
    assert "copied" in outcome.out
    outcome = run("fetch", tmp_path / "there", "-o", tmp_path / "here")
    assert outcome.code == 0 and "10 files" in outcome.out
    assert open_store(tmp_path / "here").encoder("two").response_shape == (4,)
    assert "nothing to copy" in run("fetch", tmp_path / "there", "-o", tmp_path / "here").out
    assert "nothing to copy" in run("push", store, tmp_path / "there").out


def test_dry_runs_list_files_and_write_nothing(run, store, tmp_path):
    outcome = run("push", store, tmp_path / "there", "--dry-run", "--model", "one")
    assert outcome.code == 0 and "one/subject-01/model.safetensors" in outcome.out and "two" not in outcome.out
    found = json.loads(run("fetch", store, "-o", tmp_path / "here", "--dry-run", "--json").out)
    assert len(found["files"]) == 10 and not any(file["there"] for file in found["files"])
    assert not (tmp_path / "there").exists() and not (tmp_path / "here").exists()


def test_model_goes_to_the_hub_and_comes_back_by_the_variables_of_its_client(run, store, tmp_path, hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")

    def program(*words):  # its client reads the variables when it is imported
        command = [sys.executable, "-c", "from braincodec.cli.app import main; main()", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    one = store / "one" / "subject-01"
    refused = program("push", one, "hf://lab/one")
    assert refused.returncode == 1 and "no credentials for hf://lab/one: log in" in refused.stderr
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert program("push", one, "hf://lab/one", "--private", "--message", "the first").returncode == 0
    assert hub.private == {"lab/one": True} and hub.commits == ["the first"]
    assert program("fetch", "hf://lab/one", "-o", tmp_path / "here").returncode == 0
    assert {path.name for path in (tmp_path / "here").iterdir()} == {*FILES, CHECKSUMS}
    hub.shutdown()
    offline = run("fetch", "hf://lab/one", "-o", tmp_path / "again", "--offline")
    assert offline.code == 0 and (tmp_path / "again" / CHECKSUMS).is_file()
    absent = run("fetch", "hf://lab/two", "-o", tmp_path / "two", "--offline")
    assert absent.code == 1 and "fetch it once while online" in absent.err


def test_data_set_behind_an_agreement_says_how_to_get_it(run, tmp_path):
    outcome = run("fetch", "nsd", "-o", tmp_path / "nsd")
    assert outcome.code == 1 and "nsd" in outcome.err and "is not fetched automatically" in outcome.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("fetch", "nds", "-o", "here"),
            "unknown data set 'nds' (nor is it a path or an address); did you mean 'nsd'?",
        ),
        (("fetch", "{store}", "-o", "here", "--subject", "1"), "--subject is for data sets"),
        (("fetch", "nsd", "-o", "here", "--offline"), "--offline is for addresses"),
        (("push", "{store}", "memory://x", "--model", "tow"), "did you mean 'two'?"),
        (("push", "{store}", "memory://x", "--private"), "is for model hubs"),
        (("push", "no/such/store", "memory://x"), "store folder not found"),
        (("fetch", "memory://nothing-here", "-o", "here"), "nothing at this place"),
    ],
)
def test_wrong_words_are_answered_in_words(run, store, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    outcome = run(*(word.format(store=store) for word in words))
    assert outcome.code == 1 and said in outcome.err
    assert not (tmp_path / "here").exists()

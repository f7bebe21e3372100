"""`braincodec report`: saved scores to one HTML file."""

from __future__ import annotations

import pytest

from braincodec.report import figures

from ..evaluation.example_scores import decoding_scores


@pytest.fixture
def saved(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "plans", lambda scores: [])
    monkeypatch.setattr(figures, "comparison_plans", lambda scores: [])
    folders = [tmp_path / name for name in ("sharp", "blurred")]
    for folder, noise in zip(folders, (20.0, 90.0), strict=True):
        decoding_scores(folder.name, noise=noise).save(folder)
    return folders


def test_report_of_saved_scores(run, saved, tmp_path):
    outcome = run("report", saved[0], "-o", tmp_path / "page.html", "--title", "My decoder")
    assert outcome.code == 0
    assert outcome.out.startswith(f"{tmp_path / 'page.html'}: report of 1 model, ")
    assert "<h1>My decoder</h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_two_are_compared(run, saved, tmp_path):
    assert run("report", *saved, "-o", tmp_path / "page.html").code == 0
    assert "sharp minus blurred" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_two_that_cannot_be_compared_are_shown_and_the_reason_said(run, saved, tmp_path):
    scores = decoding_scores("other")
    scores.about["settings"]["seed"] = 9
    scores.save(tmp_path / "other")
    outcome = run("report", saved[0], tmp_path / "other", "-o", tmp_path / "page.html")
    assert outcome.code == 0
    assert "the two were not compared: " in outcome.out
    assert "seed" in outcome.out


def test_existing_file_is_refused_and_replaced_on_demand(run, saved, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("mine")
    refused = run("report", saved[0], "-o", page)
    assert (refused.code, page.read_text()) == (1, "mine")
    assert "--overwrite" in refused.err
    assert run("report", saved[0], "-o", page, "--overwrite").code == 0
    assert page.read_text(encoding="utf-8") != "mine"


def test_folder_that_holds_no_scores_is_named(run, saved, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        outcome = run("report", saved[0], tmp_path / name, "-o", tmp_path / "page.html")
        assert outcome.code == 1
        assert name in outcome.err
        assert not (tmp_path / "page.html").exists()


def test_scores_are_asked_for(run):
    outcome = run("report")
    assert outcome.code == 2
    assert "scores" in outcome.err.lower()

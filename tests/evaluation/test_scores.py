"""Scores: what the table may hold, storage, exports, comparison."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, MissingFileError, OutputError
from braincodec.evaluation import Comparison, Scores, evaluate
from braincodec.evaluation.quantities import QUANTITIES
from braincodec.evaluation.scores import TABLE_COLUMNS, make_table

from .example_scores import decoding_scores, eeg_scores, fmri_scores
from .recordings import TRAIN, recording

EXAMPLES = {"fmri": fmri_scores, "eeg": eeg_scores, "decoding": decoding_scores}


@pytest.fixture(params=sorted(EXAMPLES))
def scores(request):
    return EXAMPLES[request.param]()


def test_everything_survives_saving_and_loading(scores, tmp_path):
    scores.generalisation = pd.DataFrame({"scheme": ["random", "distance"], "score": [0.5, np.nan]})
    loaded = Scores.load(scores.save(tmp_path / "scores"))
    pd.testing.assert_frame_equal(loaded.table, scores.table)
    for name in ("units", "stimuli", "curves", "rdms"):
        xr.testing.assert_identical(getattr(loaded, name), getattr(scores, name))
    xr.testing.assert_identical(loaded.replicates, scores.replicates)
    assert loaded.about == scores.about
    assert loaded.generalisation["scheme"].tolist() == ["random", "distance"]
    if scores.images is None:
        assert loaded.images is None
    else:
        for name, array in scores.images.items():
            np.testing.assert_array_equal(loaded.images[name], array)


def test_saved_folder_holds_no_pickle_and_is_not_replaced_unasked(tmp_path):
    folder = decoding_scores().save(tmp_path / "scores")
    assert {path.suffix for path in folder.iterdir()} == {".json", ".nc", ".npz"}
    with pytest.raises(OutputError, match="exists"):
        decoding_scores().save(folder)
    decoding_scores(noise=5).save(folder, overwrite=True)
    assert Scores.load(folder).value("pixel_correlation") > decoding_scores().value("pixel_correlation")


def test_other_files_are_not_replaced_by_scores(tmp_path):
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(OutputError, match=r"no earlier scores \(there is no scores.json in it\)"):
        decoding_scores().save(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "dear"


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        Scores.load(tmp_path / "nowhere")
    folder = fmri_scores().save(tmp_path / "scores")
    (folder / "units.nc").write_bytes(b"not a file of numbers")
    with pytest.raises(DamagedFileError, match=r"units\.nc"):
        Scores.load(folder)
    (folder / "units.nc").unlink()
    with pytest.raises(MissingFileError, match=r"units\.nc"):
        Scores.load(folder)
    (folder / "scores.json").write_text('{"format": "something else"}')
    (folder / "units.nc").write_bytes(b"")
    with pytest.raises(DamagedFileError, match=r"scores\.json"):
        Scores.load(folder)


@pytest.mark.parametrize("damage", [{"table": 3}, {"table": [{"subject": "1"}]}, {"about": None}])
def test_json_of_another_shape_is_damaged(tmp_path, damage):
    folder = eeg_scores().save(tmp_path / "scores")
    content = json.loads((folder / "scores.json").read_text())
    (folder / "scores.json").write_text(json.dumps(content | damage))
    with pytest.raises(DamagedFileError, match="scores"):
        Scores.load(folder)


def test_scores_of_a_newer_version_ask_for_an_update(tmp_path):
    folder = eeg_scores().save(tmp_path / "scores")
    content = json.loads((folder / "scores.json").read_text())
    (folder / "scores.json").write_text(json.dumps(content | {"format_version": 99}))
    with pytest.raises(InputValueError, match="update braincodec"):
        Scores.load(folder)


def test_json_is_strict_and_holds_the_table(scores, tmp_path):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = scores.to_json(tmp_path / "scores.json")
    assert (tmp_path / "scores.json").read_text() == text
    content = json.loads(text, parse_constant=refuse)
    assert [row["metric"] for row in content["table"]] == scores.table["metric"].tolist()
    assert set(content["table"][0]) == set(TABLE_COLUMNS)
    assert content["about"]["name"] == scores.name


def test_latex_has_rules_and_escapes_what_would_be_a_command(tmp_path):
    scores = fmri_scores()
    scores.table.loc[0, "roi"] = "V1_&%$\\input{x}"
    text = scores.to_latex(tmp_path / "table.tex")
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"V1\_\&\%\$\textbackslash{}input\{x\}" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + len(scores.table)
    assert {line.count(" & ") for line in rows} == {10}


def test_shown_tables_have_n_interval_floor_and_ceiling_and_escape_html():
    scores = fmri_scores("<script>alert(1)</script>")
    shown = repr(scores)
    assert all(
        word in shown for word in ("stimuli", "95 % interval", "floor", "ceiling", "normalised", "0.582 to 0.682")
    )
    html = scores._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_value_asks_for_the_subject_where_there_are_several():
    scores = fmri_scores()
    assert (
        scores.value("correlation", roi="V1", subject=2)
        == scores.table.set_index(["subject", "roi", "metric"]).loc[("2", "V1", "correlation"), "value"]
    )
    with pytest.raises(InputValueError, match="choose a subject of 1, 2"):
        scores.value("correlation", roi="V1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="floor"), "missing: floor"),
        (lambda table: table.assign(extra=1), "unknown: extra"),
        (lambda table: pd.concat([table, table]), "twice"),
        (lambda table: table.assign(n_units=-1), "negative"),
        (lambda table: table.assign(p_value=1.5), "between 0 and 1"),
        (lambda table: table.assign(summary="the best unit"), "the best unit"),
        (lambda table: table.assign(floor_of="luck"), "luck"),
    ],
)
def test_impossible_tables_are_refused(change, message):
    with pytest.raises(InputValueError, match=message):
        Scores(change(eeg_scores().table))


def test_parts_of_the_wrong_kind_are_refused():
    table = eeg_scores().table
    with pytest.raises(InputTypeError, match="units"):
        Scores(table, units={"V1": 1})
    with pytest.raises(InputTypeError, match="DataFrame"):
        Scores([1, 2])
    with pytest.raises(InputTypeError, match="numbers"):
        Scores(table.assign(value="high"))
    with pytest.raises(InputValueError, match="replicates of 2 rows"):
        Scores(table, replicates=xr.DataArray(np.zeros((2, 5)), dims=("row", "draw")))
    with pytest.raises(InputValueError, match="uint8"):
        Scores(table, images={"ids": ["a"], "truth": np.zeros((1, 4, 4, 3)), "prediction": np.zeros((1, 4, 4, 3))})
    with pytest.raises(InputValueError, match="keys"):
        Scores(table, images={"ids": ["a"]})


def test_about_can_always_be_stored_as_json():
    scores = Scores(make_table([]), about={"array": np.arange(2), "nan": np.nan, "path": {"a": np.float32(0.5)}})
    assert scores.about == {"array": [0, 1], "nan": None, "path": {"a": 0.5}}


# comparison


def test_better_predictions_win_and_the_sign_is_first_minus_second():
    good, bad = fmri_scores("good", quality=0.9), fmri_scores("bad", quality=0.3)
    comparison = good.compare(bad)
    assert isinstance(comparison, Comparison)
    table = comparison.table.set_index(["subject", "roi", "metric"])
    row = table.loc[("1", "V1", "correlation")]
    assert row.difference == pytest.approx(
        good.value("correlation", roi="V1", subject=1) - bad.value("correlation", roi="V1", subject=1)
    )
    assert (comparison.table.low > 0).all() and (comparison.table.p_value <= 2 / 61 + 1e-9).all()
    assert (comparison.table.n == 40).all()
    reverse = bad.compare(good).table
    np.testing.assert_allclose(reverse.difference, -comparison.table.difference)
    np.testing.assert_allclose(reverse.low, -comparison.table.high)
    assert "good minus bad" in repr(comparison) and "good minus bad" in comparison._repr_html_()


def test_a_model_does_not_differ_from_itself():
    comparison = fmri_scores().compare(fmri_scores())
    assert (comparison.table.difference == 0).all() and (comparison.table.p_value == 1).all()


def test_pairs_narrow_the_interval():
    first, second = fmri_scores(quality=0.8), fmri_scores(quality=0.7)
    table = first.compare(second).table
    position = first.table.index[(first.table.roi == "all") & (first.table.metric == "correlation")][0]
    rng = np.random.default_rng(0)
    unpaired = first.replicates.values[position] - rng.permutation(second.replicates.values[position])
    paired = first.replicates.values[position] - second.replicates.values[position]
    assert paired.std() < unpaired.std()
    assert table.loc[position, "high"] - table.loc[position, "low"] == pytest.approx(
        np.diff(np.quantile(paired, [0.025, 0.975]))[0]
    )


def test_scores_that_cannot_be_paired_say_why():
    first = fmri_scores()
    other = fmri_scores()
    other.about["settings"]["seed"] = 5
    with pytest.raises(InputValueError, match="same seed"):
        first.compare(other)
    with pytest.raises(InputValueError, match="different stimuli of subject 1"):
        other = fmri_scores()
        other.about["split"]["ids_sha256"]["1"] = "another"
        first.compare(other)
    with pytest.raises(InputTypeError, match="DataFrame"):
        first.compare(first.table)
    with pytest.raises(InputValueError, match="draws"):
        fmri_scores().compare(Scores(first.table, about=first.about))


def test_comparison_of_nothing_in_common_is_empty():
    comparison = eeg_scores().compare(decoding_scores_like_eeg())
    assert len(comparison.table) == 0 and "nothing in common" in repr(comparison)


def decoding_scores_like_eeg() -> Scores:
    scores = decoding_scores()
    scores.about = eeg_scores().about
    return scores


def test_every_quantity_is_defined():
    for name in (
        "n_stimuli",
        "n_units",
        "n_excluded",
        "interval",
        "floor",
        "ceiling",
        "normalised",
        "p_value",
        "q_value",
    ):
        assert len(QUANTITIES[name].text) > 30, name
    assert all(name == item.name for name, item in QUANTITIES.items())


def test_examples_know_what_real_scores_know():
    """Figures and reports are tested on the examples: these must have what `evaluate` gives."""
    real = evaluate_example()
    example = fmri_scores()
    assert set(example.about) == set(real.about)
    for part in ("model", "dataset", "split", "settings", "noise_ceiling", "leakage"):
        assert set(example.about[part]) == set(real.about[part]), part
    assert set(example.units.data_vars) - {"vertex", "hemisphere"} <= set(real.units.data_vars)


def evaluate_example() -> Scores:
    known, signal = recording(stimuli=50, units=6)
    return evaluate(signal[TRAIN:], known, metrics=["correlation", "r2_c*", "noise*"], draws=10, permutations=10)

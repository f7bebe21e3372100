"""The parts that a report is made of: verdict, tables, cards, pictures, numbers."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from braincodec.evaluation.scores import Scores, make_table
from braincodec.report.gallery import EXACT_SIDE, MOST_PAIRS, address, gallery
from braincodec.report.glossary import Glossary
from braincodec.report.model_card import card_html
from braincodec.report.numbers import ABSENT, interval, number, probability
from braincodec.report.policy import content_security_policy
from braincodec.report.tables import plain_table, score_tables
from braincodec.report.verdict import beats_floor, cautions, tiles, verdict

from ..evaluation.example_scores import decoding_scores, eeg_scores, fmri_scores

ROW = {
    "subject": "1", "roi": "all", "metric": "correlation", "summary": "median over units", "value": 0.42,
    "low": 0.4, "high": 0.44, "level": 0.95, "n_stimuli": 200, "n_units": 1000, "floor": 0.01,
    "floor_of": "shuffled pairs", "ceiling": 0.8, "normalised": 0.525, "normalised_low": 0.5, "normalised_high": 0.55,
    "chance": 0.0, "p_value": 0.000999,
}  # fmt: skip


def scores(*rows: dict, **about) -> Scores:
    return Scores(make_table(rows), about={"name": "ridge", "dataset": {"name": "lab"}} | about)


def sentence(made: Scores) -> str:
    return "".join(f"{phrase.before}{phrase.text}{phrase.after}" for phrase in verdict(made))


def test_verdict_names_score_interval_sizes_floor_and_ceiling():
    text = sentence(scores(ROW))
    assert text.startswith("ridge predicts responses of the data set lab with a median ")
    for words in (
        "of 0.420 (95 % interval 0.400 to 0.440)",
        "200 test stimuli and 1,000 units",
        "clearly beyond what a trivial predictor gives (shuffled pairs reach 0.010), p < 0.001.",
        "it attains 52%.",
        "was not checked",
    ):
        assert words in text, (words, text)


def test_verdict_says_when_a_score_is_not_better_than_its_floor():
    text = sentence(scores(ROW | {"low": -0.02, "p_value": 0.2}))
    assert "not distinguishable from a trivial predictor" in text
    assert "clearly beyond" not in text


def test_verdict_of_many_subjects_gives_the_least_and_the_greatest():
    many = scores(*(ROW | {"subject": str(n), "value": n / 10} for n in range(1, 7)))
    assert "0.100 (subject 1) to 0.600 (subject 6) in 6 subjects" in sentence(many)


def test_verdict_prefers_all_units_and_the_leading_metric():
    made = scores(
        ROW | {"metric": "r2_correlation", "value": 0.111}, ROW | {"roi": "V1", "value": 0.222}, ROW | {"value": 0.333}
    )
    assert "0.333" in sentence(made)
    assert "0.111" not in sentence(made)


def test_verdict_of_a_decoder_speaks_of_images():
    text = sentence(decoding_scores())
    assert "reconstructs what was seen" in text
    assert "12 test stimuli" in text
    assert "units" not in text


def test_scores_where_lower_is_better_must_lie_below_their_floor():
    row = {"metric": "mse", "low": 0.1, "high": 0.2, "floor": 0.3, "chance": math.nan, "p_value": math.nan}
    assert beats_floor(row) is True
    assert beats_floor(row | {"floor": 0.15}) is False
    assert beats_floor(row | {"floor": math.nan}) is None


def test_clean_scores_need_no_caution():
    assert cautions(fmri_scores()) == []


def test_tiles_show_each_subject():
    labels = [tile.label for tile in tiles([fmri_scores()])]
    assert sum("subject" in label for label in labels) == 2
    assert tiles([eeg_scores()])[0].value == number(eeg_scores().table["value"].iloc[0])


def test_many_regions_make_a_table_for_each_metric_and_many_metrics_one_for_each_region():
    by_metric = score_tables(fmri_scores().table, Glossary())
    assert [table.define for table in by_metric] == ["correlation", "noise_normalised_accuracy"]
    assert [len(table.rows) for table in by_metric] == [10, 10]
    by_place = score_tables(decoding_scores().table, Glossary())
    assert [table.title for table in by_place] == ["Subject 1, decoded images"]
    assert [cells[0].define for cells, _ in by_place[0].rows] == ["pixel_correlation", "two_way_pixels"]


def test_columns_that_no_row_fills_are_left_out():
    bare = {name: ROW[name] for name in ("subject", "roi", "metric", "summary", "value", "n_stimuli")}
    (table,) = score_tables(make_table([bare]), Glossary())
    assert [column.title for column in table.columns] == ["Subject", "Region", "Value", "Stimuli"]


def test_chance_that_differs_between_rows_is_no_single_number():
    (table,) = score_tables(make_table([ROW, ROW | {"roi": "V1", "chance": 0.5}]), Glossary())
    assert table.chance == ""


@given(
    value=st.floats(-1, 1), half=st.floats(0, 0.5), floor=st.one_of(st.just(math.nan), st.floats(-1, 1)),
    ceiling=st.one_of(st.just(math.nan), st.floats(0, 1)),
)  # fmt: skip
def test_bars_keep_the_order_of_what_they_draw_and_stay_in_their_cell(value, half, floor, ceiling):
    row = ROW | {"value": value, "low": value - half, "high": value + half, "floor": floor, "ceiling": ceiling}
    (table,) = score_tables(make_table([row]), Glossary())
    bar = table.rows[0][1]
    places = {
        name: place
        for name in ("value", "low", "high", "floor", "ceiling")
        if (place := getattr(bar, name)) is not None
    }
    assert all(0 <= place <= 100 for place in places.values())
    assert bar.low <= bar.value <= bar.high
    numbers = {name: row[name] for name in places}
    order = sorted(numbers, key=numbers.get)
    assert [places[name] for name in order] == sorted(places.values())
    assert ("floor" in places) == math.isfinite(floor)


def test_floors_of_several_kinds_say_which_each_is():
    rows = [ROW, ROW | {"metric": "r2_determination", "floor_of": "mean training response"}]
    (table,) = score_tables(make_table(rows), Glossary())
    floor = [column.title for column in table.columns].index("Floor")
    assert [cells[floor].beside for cells, _ in table.rows] == ["shuffled pairs", "mean training response"]
    assert "floor" not in table.note
    (table,) = score_tables(make_table(rows[:1]), Glossary())
    assert table.note == "median over units; floor: shuffled pairs"


def test_any_table_is_shown_with_numbers_as_numbers():
    table = plain_table(pd.DataFrame({"scheme": ["random"], "value": [0.25], "n": [5]}), "Splits", Glossary())
    assert [cell.text for cell in table.rows[0][0]] == ["random", "0.250", "5"]
    assert [column.is_number for column in table.columns] == [False, True, True]


def test_card_keeps_tables_and_shows_tags_as_text():
    html = card_html("---\nlicense: mit\n---\n\n# Ridge\n\n| a | b |\n| --- | --- |\n| 1 | <b>2</b> |\n", below=3)
    assert "license" not in html
    assert "<h4>Ridge</h4>" in html
    assert "<td>&lt;b&gt;2&lt;/b&gt;</td>" in html


@pytest.mark.parametrize("text", ["<script>x</script>", "![a](http://example.org/x.png)", "[a](javascript:x)"])
def test_card_runs_and_loads_nothing(text):
    html = card_html(text, below=2)
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


def test_gallery_goes_from_the_best_to_the_worst():
    made = decoding_scores()
    made.table = make_table(
        [dict(row) for row in made.table.to_dict("records") if row["metric"] == "pixel_correlation"]
    )
    made.replicates = made.replicates.isel(row=[0])
    shown = gallery(made)
    expected = made.stimuli["pixel_correlation"].values
    order = np.argsort(-expected)
    assert [pair.id for pair in shown.pairs] == [made.images["ids"][place] for place in order]
    assert shown.pairs[0].score == number(float(expected.max()))
    assert shown.metric == "pixel_correlation"


def test_gallery_of_many_images_shows_some_from_best_to_worst():
    made = decoding_scores(stimuli=70)
    shown = gallery(made)
    assert (len(shown.pairs), shown.total) == (MOST_PAIRS, 70)
    scores_shown = [float(pair.score) for pair in shown.pairs]
    assert scores_shown == sorted(scores_shown, reverse=True)


def test_small_pictures_are_kept_exactly():
    picture = np.random.default_rng(0).integers(0, 256, (EXACT_SIDE, 20, 3), np.uint8)
    kind, _, content = address(picture).partition(";base64,")
    assert kind == "data:image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))), picture)
    assert address(np.zeros((EXACT_SIDE + 1, 20, 3), np.uint8)).startswith("data:image/jpeg")


def test_scores_without_images_have_no_gallery():
    assert gallery(fmri_scores()) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, "1.000"),
        (np.float64(0.5), "0.500"),
        (12.345, "12.3"),
        (1e7, "10,000,000"),
        (math.inf, ABSENT),
        ("x", ABSENT),
    ],
)
def test_numbers_have_few_digits(value, shown):
    assert number(value) == shown


def test_unknown_ends_make_no_interval():
    assert interval(math.nan, 1.0) == ""


def test_p_of_one_thousand_permutations_is_below_a_thousandth():
    assert probability(1 / 1001) == "< 0.001"


def test_policy_without_scripts_allows_none():
    assert "script-src 'none';" in content_security_policy([])

"""A search finds what was planted and confirms it in others; in noise nothing is confirmed."""

from __future__ import annotations

import json

import numpy as np
import pytest

import braincodec as bc
from braincodec.control import LeftOutWarning, load, search
from braincodec.control.confirmation import leave_one_out_null
from braincodec.control.gathering import gather
from braincodec.control.sources import open_source
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, MissingFileError, UnknownNameError

from .population import DRIVERS, MODEL, labelled, noise, planted, write_ned, write_store

QUICK = {"images": 12, "draws": 200, "permutations": 199, "batches": 500}


def find(people, **options):
    return search(people, **{"drive": "A", "suppress": "B", "subjects": [1, 2]} | QUICK | options)


def test_planted_images_are_found_and_confirmed_in_a_held_out_subject():
    found = find(planted())
    assert len(set(found.chosen.tolist()) & set(DRIVERS.tolist())) >= 10
    checked = found.confirm(subject=3)
    assert checked.effect.low > 0.8
    assert checked.effect.p == 1 / 200
    by_region = checked.effects.set_index("response")["effect"]
    assert by_region["A"] > 0.8
    assert by_region["B"] < -0.8
    assert checked.effect.value == pytest.approx((by_region["A"] - by_region["B"]) / 2)


def test_in_noise_the_choice_looks_well_and_is_not_confirmed():
    p_values, values = [], []
    for seed in range(8):
        found = find(noise(seed=seed))
        assert found.effect.value > 0.7  # chosen for it
        assert found.effect.value < 1.2 * found.effect.floor
        effect = found.confirm(subject=3).effect
        values.append(effect.value - effect.floor)
        p_values.append(effect.p)
    assert abs(np.mean(values)) < 0.2
    assert min(p_values) > 0.01
    assert np.mean(p_values) > 0.25


def test_leaving_each_subject_out_agrees_with_the_planted_answer_and_with_noise():
    confirmed = find(planted(), subjects=None).confirm(by="subject")
    assert confirmed.tested_on == ["1", "2", "3"]
    assert confirmed.effect.p == 1 / 200
    assert confirmed.effect.low > 0.3
    assert confirmed.effect.subjects == 3
    assert find(noise(), subjects=None).confirm(by="subject").effect.p > 0.05


def test_a_subject_left_out_is_as_if_it_had_been_held_out():
    people = planted()
    left_out = find(people, subjects=None).confirm(by="subject").effects
    held_out = find(people).confirm(subject=3).effects
    ours = left_out[left_out["subject"] == "3"].reset_index(drop=True)
    np.testing.assert_allclose(ours["effect"], held_out["effect"])


def test_p_values_of_leaving_one_out_are_uniform_where_subjects_share_nothing():
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(60):
        values = rng.normal(size=(2, 1, 80))
        signs, zero = np.array([1.0]), np.zeros((2, 1))
        effects = []
        for own, others in ((0, 1), (1, 0)):
            chosen = np.argsort(-values[others, 0])[:8]
            effects.append(values[own, 0, chosen].mean() - values[own, 0].mean())
        null = leave_one_out_null(values, signs, 8, zero, None, permutations=59)
        p_values.append((1 + (null >= np.mean(effects)).sum()) / 60)
    assert 0.35 < np.mean(p_values) < 0.65
    assert np.mean(np.array(p_values) <= 0.1) < 0.25


def test_of_one_subject_halves_of_the_units_confirm():
    found = find(planted(), subjects=1)
    assert found.effect.p == 1.0
    assert found.effect.floor == pytest.approx(found.effect.value)
    checked = found.confirm(by="units")
    assert checked.effect.p < 0.05
    assert not (checked.effects["over"] == "subjects").any()


def test_what_took_part_in_the_choice_cannot_confirm_it():
    people = planted()
    found = find(people)
    with pytest.raises(InputValueError, match=r"took part in the choice.*held out are 3"):
        found.confirm(subject=1)
    copied = people | {4: people[1]}
    with pytest.raises(InputValueError, match="subjects 1 and 4 have the same responses"):
        find(copied).confirm(subject=4)
    with pytest.raises(InputValueError, match=r"name held-out subjects.*held out are 3"):
        found.confirm()
    with pytest.raises(UnknownNameError, match="subject, units"):
        found.confirm(by="half")
    with pytest.raises(InputValueError, match="leave one out, by='subject'"):
        found.confirm(by="units")


def test_equal_seeds_give_equal_results():
    people = planted()
    first, again, other = find(people, seed=1), find(people, seed=1), find(people, seed=2)
    assert first.effects.equals(again.effects)
    assert first.confirm(subject=3).effects.equals(again.confirm(subject=3).effects)
    assert not np.array_equal(first.baseline_positions, other.baseline_positions)


def test_the_table_ranks_by_contrast_and_has_ids_and_responses():
    people = {s: labelled(r, s) for s, r in planted().items()}
    found = find(people)
    table = found.stimuli
    assert table.columns.tolist() == ["rank", "stimulus", "score", "A", "B"]
    assert table["score"].is_monotonic_decreasing
    np.testing.assert_allclose(table["score"], (table["A"] - table["B"]) / 2)
    assert table["stimulus"][0] == f"image {found.chosen[0]}"


def test_a_store_a_ned_folder_and_arrays_give_the_same_search(tmp_path):
    people = {s: {roi: x.astype(np.float32) for roi, x in r.items()} for s, r in planted((1, 2)).items()}
    arrays = find(people, subjects=1)
    native = find(write_store(tmp_path / "store", people), subjects=1)
    assert native.source.about["model"] == MODEL
    rename = {"A": "V1", "B": "V2"}
    ned = find(bc.open_store(write_ned(tmp_path / "ned", people, rename)), drive="V1", suppress="V2", subjects=1)
    several = find(labelled(people[1], 1), subjects=1)
    for other in (native, ned, several):
        assert np.array_equal(other.chosen, arrays.chosen)
        np.testing.assert_allclose(other.effects["effect"], arrays.effects["effect"], rtol=1e-5)
    assert np.array_equal(native.confirm(2).effects["p"], arrays.confirm(2).effects["p"])


def test_blocks_of_a_store_keep_memory_flat(tmp_path, monkeypatch):
    opened = open_source(write_store(tmp_path, planted((1,), images=300)))
    monkeypatch.setattr("braincodec.control.reading.BLOCK_BYTES", 4 * 15 * 32)
    from braincodec.control import reading

    sizes = [block.shape for _, block in reading.blocks(opened.region(1, "A"))]
    assert max(rows for rows, _ in sizes) == 32
    assert sum(rows for rows, _ in sizes) == 300


def test_saved_and_loaded_it_is_the_same(tmp_path):
    people = planted()
    found = find(people)
    again = load(found.save(tmp_path / "found"), people)
    assert again.stimuli.equals(found.stimuli)
    assert again.effects.equals(found.effects)
    assert again.confirm(3).effects.equals(found.confirm(3).effects)
    assert not list((tmp_path / "found").glob("*.pkl"))
    alone = load(tmp_path / "found")
    assert alone.confirm(by="subject").effect.p == found.confirm(by="subject").effect.p
    with pytest.raises(InputValueError, match="give source="):
        alone.confirm(3)
    (tmp_path / "found" / "control.json").write_text("{")
    with pytest.raises(DamagedFileError):
        load(tmp_path / "found")
    with pytest.raises(MissingFileError):
        load(tmp_path / "nothing")


def test_a_confirmation_is_json_without_nan(tmp_path):
    path = find(planted()).confirm([3]).to_json(tmp_path / "checked.json")
    content = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert content["tested_on"] == ["3"]
    assert content["effect"]["images"] == 12


def test_images_without_responses_are_left_out_and_said(tmp_path):
    people = planted()
    people[1]["A"][3] = np.nan
    with pytest.warns(LeftOutWarning, match="1 of 200 images without responses"):
        found = find(people)
    assert 3 not in found.chosen
    people[3]["B"][DRIVERS[:3]] = np.nan
    with pytest.warns(LeftOutWarning, match="3 of 200 images"):
        checked = find({s: people[s] for s in (2, 3)}, subjects=2).confirm(3)
    assert 0 < checked.effect.images <= 12


def test_subjects_with_other_stimuli_are_refused():
    people = {s: labelled(r, s) for s, r in planted().items()}
    people[2] = people[2].assign_coords(stimulus=[f"picture {n}" for n in range(200)])
    with pytest.raises(InputValueError, match="row 0 of A of subject 1 is 'image 0'"):
        find(people)
    people[2] = people[2][:100]
    with pytest.raises(InputValueError, match="200 images, A of subject 2 to 100"):
        find(people)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"drive": "C"}, UnknownNameError, "available: A, B"),
        ({"subjects": 9}, UnknownNameError, "available: 1, 2, 3"),
        ({"images": 500}, InputValueError, "500 images were asked for, and there are 200 .*ask for fewer"),
        ({"images": 150}, InputValueError, "margin=None"),
        ({"drive": None, "suppress": None}, InputValueError, "give drive= or suppress="),
        ({"drive": "A", "suppress": ["A"]}, InputValueError, "A is named again"),
        ({"drive": 3}, InputTypeError, "name of a region or several, got 3"),
        ({"scale": "log"}, UnknownNameError, "zscored, raw"),
        ({"draws": 0}, InputValueError, "at least 1"),
        ({"model": "x"}, InputValueError, "come as arrays"),
        ({"weights": "noise_ceiling"}, InputValueError, "no noise ceiling"),
    ],
)
def test_mistakes_are_named_with_what_is_possible(options, error, words):
    given = {"subjects": [1, 2]} | options
    with pytest.raises(error, match=words):
        find(planted(), **given)


@pytest.mark.parametrize("given", [3, {}, {1: {}}, {1: "V1"}, {1: {"A": np.array(["a"])}}, {"A": np.zeros(4)}])
def test_what_is_no_response_is_refused(given):
    with pytest.raises((InputTypeError, InputValueError)):
        search(given, drive="A")


def test_sensors_have_no_regions():
    from braincodec.responses import build_sensor_units

    units = build_sensor_units(["Oz", "Cz"], [0.0, 0.1])
    responses = bc.build_responses(np.zeros((5, 2, 2)), list("abcde"), units)
    with pytest.raises(InputValueError, match="of EEG, give channels"):
        search(responses, drive="A")


def test_gather_labels_parts_and_counts_units():
    found = gather(open_source(planted()), [1], ["A"], parts=2)
    assert found["units"].values.tolist() == [[8], [7]]
    assert found["subject"].values.tolist()[0].startswith("1, first half")

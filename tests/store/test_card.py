"""The model card: front matter that hubs can read, and the facts."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest

from braincodec.card import model_card

from ..small_models import eeg, fwrf, gabor_linear


def front_matter(card: str) -> dict[str, object]:
    """The front matter, read as the plain subset of YAML that the card uses."""
    lines = card.split("\n")
    assert lines[0] == "---"
    values: dict[str, object] = {}
    for line in lines[1 : lines.index("---", 1)]:
        key, separator, text = line.partition(": ")
        assert separator, line
        assert re.fullmatch(r"[a-z_]+", key), line
        if text[0] in '["':
            values[key] = json.loads(text)  # JSON is YAML
        else:
            assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", text), line
            values[key] = text
    return values


def table(card: str) -> dict[str, str]:
    """First and second cell of every row."""
    rows = [re.split(r"(?<!\\)\|", line)[1:3] for line in card.split("\n") if line.startswith("| ")]
    return {name.strip(): value.strip() for name, value in rows}


def test_front_matter_states_library_licence_tags_and_data():
    card = model_card(fwrf(3, licence="CC-BY-4.0", simulated=True))
    assert front_matter(card) == {
        "library_name": "braincodec",
        "license": "cc-by-4.0",
        "tags": ["brain-encoding", "fmri", "fwrf", "simulated"],
        "datasets": ["test"],
    }


def test_licence_that_hubs_do_not_know_is_other_and_named():
    assert front_matter(model_card(fwrf(3, licence='NSD "terms": of use')))["license_name"] == "nsd-terms-of-use"
    unstated = front_matter(model_card(fwrf(3)))
    assert (unstated["license"], unstated["license_name"]) == ("other", "not-stated")


@pytest.mark.parametrize("nasty", ["a: [b", 'x"y', "two\nlines", "- &anchor *", "|", "é\u2028ü", "#", "'"])
def test_whatever_names_hold_front_matter_and_tables_stay_whole(nasty):
    about = {"model": nasty, "modality": nasty, "dataset": nasty, "licence": nasty, "citation": nasty}
    card = model_card(fwrf(3, **about, training={nasty: nasty}))
    values = front_matter(card)
    assert "datasets" not in values  # none of a hub's has such a name
    assert values["tags"][1] == nasty
    plain = " ".join(nasty.split()).replace("|", "\\|")
    assert table(card)["cite"] == plain
    assert table(card)["licence"] == plain


def test_facts_of_a_model_of_voxels():
    units = fwrf(4)
    units.units["accuracy_r2"] = ("unit", np.array([0.1, 0.2, 0.3, np.nan]))
    units.description = units.description.model_copy(
        update={
            "roi": "V1",
            "citation": "Somebody 2024",
            "notes": "As published.",
            "seed": 5,
            "training": {"train_img_num": list(range(9000)), "software": "torch 2"},
        }
    )
    card = model_card(units)
    rows = table(card)
    assert "# fmri-test, subject 1, V1" in card
    assert rows["kind"] == "fwrf"
    assert rows["response"] == "4 units"
    assert rows["response units"] == "z-scored within session"
    assert rows["images"].startswith("central square, resized to 227 x 227, divided by 255")
    assert rows["trained on"] == "test, subject 1"
    assert rows["cite"] == "Somebody 2024"
    assert rows["seed"] == "5"
    assert rows["accuracy_r2"] == "0.200"
    assert rows["train_img_num"] == "9,000 entries"
    assert rows["software"] == "torch 2"
    assert "As published." in card
    assert "| accuracy_r2 | 0.200 | 0.110 to 0.290 | 3 |" in card


def test_facts_of_a_model_of_channels_and_its_network():
    rows = table(model_card(eeg()))
    assert rows["response"] == "4 repetitions x 3 channels x 5 times"
    assert rows["response units"] == "microvolt"
    rows = table(model_card(gabor_linear()))
    assert rows["network"] == "gabor:bank"
    assert rows["layers"] == "scales.0, scales.2 (spatial_mean)"


def test_simulated_subjects_are_said_to_be_so_and_others_are_not():
    assert "**Simulated**" in model_card(fwrf(2, simulated=True))
    assert "imulated" not in model_card(fwrf(2))


def test_the_example_on_the_card_is_how_it_is_loaded():
    card = model_card(fwrf(2))
    assert 'encoder = bc.Encoder.load("path/to/this/folder")' in card
    assert card.endswith("```\n")


ROW = {
    "roi": "V1", "metric": "correlation", "summary": "median over units", "value": 0.4567, "low": 0.4, "high": 0.5,
    "level": 0.95, "n_stimuli": 515, "n_units": 1350, "floor": 0.012, "floor_of": "shuffled pairs", "ceiling": 0.7,
    "normalised": None,
}  # fmt: skip


def trained(**training):
    return model_card(fwrf(2, training=training))


def test_split_is_told_as_counts_with_a_hash_that_ignores_order():
    split = {"train": [f"nsd-{number:05d}" for number in range(1200)], "validation": [], "test": ["a", "b"]}
    card = trained(split=split)
    rows = table(card)
    assert rows["train"] == "1,200" and rows["test"] == "2" and "validation" not in rows
    assert "nsd-00001" not in card
    assert hashlib.sha256(b"a\nb").hexdigest()[:16] in card
    assert trained(split={**split, "test": ["b", "a"]}) == card != trained(split={**split, "test": ["a", "c"]})


def test_split_of_several_subjects_is_told_for_each():
    rows = table(trained(split={"1": {"train": ["a"]}, "monkey A": {"train": ["a", "b"], "test": ["c"]}}))
    assert rows["subject 1: train"] == "1" and rows["subject monkey A: test"] == "1"


def test_scores_stand_with_their_size_interval_floor_and_ceiling():
    card = trained(
        scores=[ROW, {"roi": "V2", "metric": "r2_correlation", "value": float("nan")}], scored_on="validation"
    )
    row = next(line for line in card.split("\n") if line.startswith("| V1 |"))
    assert row == (
        "| V1 | correlation (median over units) | 0.457 | 0.400 to 0.500 (95%) | 0.012 (shuffled pairs) | 0.700 |  "
        "| 515 | 1,350 |"
    )
    assert "| V2 | r2 correlation |  |  |  |  |  |  |  |" in card
    assert "Measured on the validation part" in card


def test_learning_curve_in_words_bars_and_a_few_epochs():
    curve = [{"epoch": n, "loss": 1 / n, "validation_correlation": 0.5 - abs(n - 30) / 100} for n in range(1, 41)]
    card = trained(curve=curve)
    assert "40 epochs, best validation correlation 0.500 in epoch 30: `▁" in card
    lines = [line for line in card.split("\n") if re.match(r"\| \d+ \| \d\.\d{3} \| \d\.\d{3} \|", line)]
    assert len(lines) == 8 and lines[0].startswith("| 1 | 1.000 |") and lines[-1].startswith("| 40 |")
    several = trained(curve=[{"roi": roi, "epoch": 1, "validation_correlation": 0.3} for roi in ("V1", "V2")])
    assert "**V1**: 1 epoch, best validation correlation 0.300 in epoch 1." in several
    assert trained(curve=[{"epoch": 1}]).count("1 epoch.") == 1


def test_settings_software_and_warnings_have_tables_of_their_own():
    card = trained(
        settings={"layers": ["a", "b"], "alphas": list(range(20)), "seed": None, "dataset": {"name": "nsd"}},
        software={"torch": "2.13", "python": "3.12"},
        warnings=["Two units | have no variance"],
    )
    rows = table(card)
    assert rows["torch"] == "2.13" and rows["layers"] == "a, b" and rows["alphas"] == "20 entries"
    assert rows["dataset"] == '{"name": "nsd"}' and "seed" not in rows
    assert "- Two units \\| have no variance" in card


@pytest.mark.parametrize(
    "training", [{}, {"split": {}}, {"scores": []}, {"curve": []}, {"curve": [{}]}, {"scores": [{}]}]
)
def test_what_is_not_known_is_left_out(training):
    card = trained(**training)
    assert "nan" not in card and "None" not in card

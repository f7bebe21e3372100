"""The model card: front matter that hubs can read, and the facts."""

from __future__ import annotations

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
    assert front_matter(model_card(fwrf(3, licence='NSD "terms": of use')))["license_name"] == 'NSD "terms": of use'
    unstated = front_matter(model_card(fwrf(3)))
    assert (unstated["license"], unstated["license_name"]) == ("other", "not stated")


@pytest.mark.parametrize("nasty", ["a: [b", 'x"y', "two\nlines", "- &anchor *", "|", "é\u2028ü", "#", "'"])
def test_whatever_names_hold_front_matter_and_tables_stay_whole(nasty):
    about = {"model": nasty, "modality": nasty, "dataset": nasty, "licence": nasty, "citation": nasty}
    card = model_card(fwrf(3, **about, training={nasty: nasty}))
    values = front_matter(card)
    assert values["datasets"] == [nasty]
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
    assert rows["response"] == "4 unit"
    assert rows["response units"] == "zscored within session"
    assert rows["images"].startswith("central square, resized to 227 x 227, divided by 255")
    assert rows["trained on"] == "test, subject 1"
    assert rows["cite"] == "Somebody 2024"
    assert rows["seed"] == "5"
    assert rows["accuracy_r2"] == "0.200"
    assert rows["train_img_num"] == "9000 ids"
    assert rows["software"] == "torch 2"
    assert "As published." in card
    assert "| accuracy_r2 | 0.200 | 0.110 to 0.290 | 3 |" in card


def test_facts_of_a_model_of_channels_and_its_network():
    rows = table(model_card(eeg()))
    assert rows["response"] == "4 repetition x 3 channel x 5 time"
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

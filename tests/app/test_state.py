"""Links to what somebody looks at."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braincodec.app.catalogue import ModelChoice
from braincodec.app.state import HEMISPHERES, VIEWS, State, first_choice, state_from_query, state_to_query
from braincodec.errors import InputValueError

FMRI = ModelChoice(
    "fmri-a", "a", "fmri", "encode", [1, 2, "monkey-A"], {1: ("V1", "FFA-1"), 2: ("V1",), "monkey-A": ()}
)
EEG = ModelChoice("eeg-b", "b", "eeg", "encode", [1], {1: ()})
BROKEN = ModelChoice("fmri-broken", "broken", "fmri", "encode", [1], {1: ()}, has_cortex=True, problem="no weights")
MODELS = [BROKEN, EEG, FMRI]
EXAMPLES = ["coffee", "china & co"]


def query_of(link: str) -> dict[str, str]:
    return dict(parse_qsl(link))


states = st.one_of(
    st.builds(
        State,
        model=st.just(FMRI.id),
        subject=st.sampled_from([1]),
        roi=st.sampled_from([None, "V1", "FFA-1"]),
        hemisphere=st.sampled_from(HEMISPHERES),
        view=st.sampled_from(VIEWS),
        time=st.none(),
        example=st.sampled_from([None, *EXAMPLES]),
    ),
    st.builds(
        State,
        model=st.just(EEG.id),
        subject=st.just(1),
        roi=st.sampled_from([None, "occipital"]),
        time=st.one_of(st.none(), st.integers(-1000, 9999).map(lambda ms: ms / 1000)),
    ),
    st.just(State(FMRI.id, "monkey-A")),
)


@given(states)
def test_a_link_restores_what_it_was_made_of(state):
    assert state_from_query(query_of(state_to_query(state)), MODELS, EXAMPLES) == (state, [])


def test_without_a_link_a_model_that_works_is_shown():
    assert state_from_query({}, MODELS) == (State(FMRI.id, 1), [])


def test_a_model_with_a_cortex_comes_first():
    surface = ModelChoice("z-surface", "z", "fmri", "both", [3], {3: ()}, has_cortex=True)
    assert first_choice([*MODELS, surface]) is surface
    assert first_choice([BROKEN]) is BROKEN
    with pytest.raises(InputValueError):
        first_choice([])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"model": "fmri-c"}, "model 'fmri-c'"),
        ({"model": "fmri-broken"}, "cannot be opened"),
        ({"model": "fmri-a", "subject": "9"}, "subject '9'"),
        ({"model": "fmri-a", "subject": "2", "roi": "FFA-1"}, "region 'FFA-1'"),
        ({"model": "eeg-b", "roi": "V1"}, "region 'V1'"),
        ({"hemisphere": "upper"}, "hemisphere 'upper'"),
        ({"view": "inside"}, "view 'inside'"),
        ({"time": "nan"}, "time 'nan'"),
        ({"time": "1e300"}, "time '1e300'"),
        ({"time": "٣"}, "time"),
        ({"example": "../../etc/passwd"}, "example '../../etc/passwd'"),
    ],
)
def test_what_is_not_here_is_said_and_the_default_is_shown(query, says):
    state, notes = state_from_query(query, MODELS, EXAMPLES)
    assert len(notes) == 1
    assert says in notes[0]
    assert notes[0].endswith(".")
    assert state.model in (FMRI.id, EEG.id)
    assert (state.hemisphere, state.view, state.time, state.example) == ("both", VIEWS[0], None, None)


def test_what_is_quoted_is_short_and_printable():
    _, notes = state_from_query({"roi": "<script>\u202e\x00" + "x" * 10_000}, MODELS)
    assert len(notes[0]) < 200
    assert notes[0].isprintable()


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(["model", "subject", "roi", "hemisphere", "view", "time", "example"]), st.text()),
        st.one_of(
            st.text(), st.none(), st.integers(), st.lists(st.text()), st.sampled_from(["fmri-a", "1", "V1", "0.1"])
        ),
    )
)
def test_hostile_links_give_a_state_that_exists(query):
    state, notes = state_from_query(query, MODELS, EXAMPLES)
    model = next(model for model in MODELS if model.id == state.model)
    assert not model.problem
    assert state.subject in model.subjects
    assert state.roi is None or state.roi in model.rois_of_subject[state.subject] or model is EEG
    assert state.hemisphere in HEMISPHERES
    assert state.view in VIEWS
    assert state.example is None or state.example in EXAMPLES
    assert all(note.isprintable() and len(note) < 250 for note in notes)
    assert state_from_query(query_of(state_to_query(state)), MODELS, EXAMPLES) == (state, [])

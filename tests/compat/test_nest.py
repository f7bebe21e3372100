"""NEST: NED's two-step form under its later names."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.compat import NEST
from ned.ned import NED

from ..legacy.layouts import write_responses


def test_two_steps_give_what_ned_gives(ned_root, pictures):
    nest, ned = NEST(nest_dir=ned_root), NED(ned_root)
    model = nest.get_encoding_model("fmri", "nsd", "fwrf", np.int64(1), "lateral", "cpu")
    responses, metadata = nest.encode(model, pictures)
    expected, _ = ned.encode(pictures, "fmri", "nsd", "fwrf", 1, "lateral")
    assert np.array_equal(responses, expected)
    assert metadata["fmri"]["roi_mask_volume"].sum() == 5
    alone = nest.encode(encoding_model=model, images=pictures, return_metadata=False, device="cpu")
    assert np.array_equal(alone, expected)
    assert nest.nest_dir == ned_root
    assert nest.which_rois("nsd") == ned.which_rois("nsd")


def test_there_is_no_one_step_form(ned_root, pictures):
    with pytest.raises(TypeError):
        NEST(ned_root).encode(pictures, "fmri", "nsd", "fwrf", 1, "V1")
    with pytest.raises(TypeError, match="must be what get_encoding_model returned, got ndarray"):
        NEST(ned_root).encode(pictures, pictures)


def test_responses_of_its_own_place_are_found(tmp_path):
    values = write_responses(tmp_path, place="pregenerated_insilico_neural_responses")
    responses, metadata = NEST(tmp_path).load_insilico_neural_responses("fmri", "nsd", "fwrf", "things", 1, "V1")
    assert np.array_equal(responses[...], values)
    assert "things_labels" in metadata
    assert not hasattr(NEST, "load_synthetic_neural_responses")

"""A network trained here, written in NED's layout, and read back by the published interface."""

from __future__ import annotations

import numpy as np

import braincodec as bc
from braincodec.legacy.to_ned import write_ned
from ned.ned import NED

from ..models.fwrf.learnable import recording

QUICK = {"epochs": 1, "batch_size": 8, "alternating": False, "prefilter": "random"}


def test_each_region_of_a_trained_network_is_read_back_with_equal_predictions(tmp_path):
    data = recording(train=8)
    model = bc.FwRF(**QUICK).fit(data, device="cpu")
    write_ned(model, tmp_path)
    array = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), np.uint8)
    ned = NED(tmp_path)
    about = model.description
    whole = model.encode(array, device="cpu").values
    for roi in ("V1", "V2"):
        found, metadata = ned.encode(array, "fmri", about.dataset, "fwrf", int(about.subject), roi, device="cpu")
        members = model.units["roi_membership"].sel(roi=roi).values
        np.testing.assert_allclose(found, whole[:, members], rtol=1e-5, atol=1e-6)
        splits = metadata["encoding_models"]["train_val_test_nsd_image_splits"]
        assert splits["train_img_num"] == [f"s{number}" for number in range(8)]

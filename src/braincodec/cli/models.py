"""``braincodec models``."""

from __future__ import annotations

from braincodec.cli.options import Anonymous, AsJson, StoreAddress, open_given_store
from braincodec.cli.output import ranges, say_json, say_table


def models(store: StoreAddress = None, as_json: AsJson = False, anonymous: Anonymous = False) -> None:
    """List the models of a store."""
    table = open_given_store(store, anonymous).models()
    rows = table.astype(object).to_dict("records")
    if as_json:
        say_json(rows)
        return
    say_table(
        ["model", "modality", "data set", "subjects", "regions", "accuracy>", "licence"],
        [
            (r["id"], r["modality"], r["dataset"], ranges(r["subjects"]), r["rois"], r["accuracy"], r["licence"])
            for r in rows
        ],
    )

"""The parts of the page that stay."""

from __future__ import annotations

from braincodec.app.views.shell import foot


def test_visitors_are_told_the_store_but_not_where_it_lies():
    words = foot("/home/somebody/secret place/lab-models", host_is_local=False)
    assert "lab-models" in words
    assert "somebody" not in words
    assert "secret" not in words
    assert "s3://bucket/models" in foot("s3://bucket/models", host_is_local=False)
    assert "<b>" not in foot("/x/<b>", host_is_local=True)

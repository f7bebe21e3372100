"""Progress is shown on stderr only."""

from __future__ import annotations

import pytest

from braincodec.progress import progress_bar


def test_bar_goes_to_stderr_with_count_and_rate(capsys):
    with progress_bar("encode", 10, done=4, show=True) as advance:
        advance(6)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "encode" in captured.err
    assert "10/10" in captured.err


@pytest.mark.parametrize("show", [False, None])
def test_no_bar_where_nobody_looks(show, capsys):
    with progress_bar("encode", 10, show=show) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")

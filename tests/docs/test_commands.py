"""Command lines on pages are lines that the program takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..documents import NAMED, all_pages, commands_of, known_commands, read_page

KNOWN = known_commands()
PAGES = [page for page in all_pages() if list(commands_of(page)) or NAMED.search(read_page(page))]


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_on_the_page_exist(page: str) -> None:
    for line, words in commands_of(page):
        if words[0] in ("--help", "--version"):
            continue
        name = " ".join(words[:2]) if " ".join(words[:2]) in KNOWN else words[0]
        assert name in KNOWN, line
        given = {word.partition("=")[0] for word in words if word.startswith("-") and word.strip("-")}
        assert given <= KNOWN[name], f"{line}: unknown {sorted(given - KNOWN[name])}"
    assert set(NAMED.findall(read_page(page))) <= set(KNOWN)


@pytest.mark.slow
def test_trainings_on_pages_have_all_that_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from braincodec.cli.app import main
    from braincodec.training import plan, run
    from braincodec.training.shipped import shipped_text

    resolved = []

    def stop_before_data(config: Any, **overrides: Any) -> None:
        resolved.append(run.resolve(config, overrides))
        raise SystemExit(0)

    monkeypatch.setattr(run, "train", lambda config, **_: stop_before_data(config))
    monkeypatch.setattr(plan, "plan", lambda config, *, allow_import, **given: stop_before_data(config, **given))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(shipped_text("own_template"), encoding="utf-8")
    lines = {
        line: words
        for page in PAGES
        if not page.startswith("docs/contributing")  # these are run
        for line, words in commands_of(page)
        if words[0] == "train" and not {"--list", "--show"} & set(words)
    }
    assert len(lines) > 5
    for line, words in lines.items():
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert not stop.value.code, f"{line}\n{capsys.readouterr().err}"
    assert len(resolved) == len(lines)

"""The command line, from the program itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from braincodec.cli.app import app
from from_code.markdown import table

PROGRAM = "braincodec"


def all_commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, such as `responses list`, in the order of `--help`."""
    yield from _below("", get_command(app))


def command_table() -> str:
    """A row for each command."""
    rows = ((f"`{PROGRAM} {name}`", first_sentence(command.help)) for name, command in all_commands())
    return table(("command", "what it does"), rows)


def first_sentence(text: str | None) -> str:
    """The first sentence of a help text, as Markdown shows it unchanged."""
    return escaped(re.split(r"(?<=\.)\s", (text or "").strip(), maxsplit=1)[0])


def commands() -> str:
    """A section for each command."""
    return "\n\n".join(section(name, command) for name, command in all_commands())


def _below(prefix: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        full = f"{prefix} {name}".strip()
        if getattr(command, "commands", None):
            yield from _below(full, command)
        elif not command.hidden:
            yield full, command


def section(name: str, command: Any) -> str:
    """What a command does, an example, and its arguments and options."""
    context = command.context_class(command, info_name=f"{PROGRAM} {name}")
    lines = [f"## {name}", " ".join((command.help or "").split())]
    example = (command.epilog or "").removeprefix("Example: ")
    if example:
        lines.append(f"```shell\n{example}\n```")
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record and parameter.name != "help":
            names, words = record
            lines.append(f"`{names}`\n: {escaped(words) or 'no more to say'}")
    return "\n\n".join(lines)


def escaped(words: str) -> str:
    """Help text as Markdown shows it unchanged."""
    for character in "\\*_[]<>$#":
        words = words.replace(character, f"\\{character}")
    return " ".join(words.split()).replace("--", "\\-\\-")  # else typographers make a dash of them

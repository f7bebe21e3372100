"""``braincodec doctor``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from braincodec.cli.options import AsJson
from braincodec.cli.output import say, say_json, say_table, size


def doctor(
    as_json: AsJson = False,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Time a matrix product; half a second.")
    ] = True,
) -> None:
    """What this machine has and lacks. Versions, extras, device, threads, memory, speed, weights."""
    from braincodec.doctor import diagnose

    facts = diagnose(measure=measure)
    if as_json:
        say_json(facts)
        return
    _say_machine(facts)
    rows = [
        (name, ", ".join(f"{package} {version or '(absent)'}" for package, version in extra["packages"].items()),
         "" if extra["complete"] else extra["install"])
        for name, extra in facts["extras"].items()
    ]  # fmt: skip
    say_table(["extra", "packages", "to install"], rows, title="optional packages")
    weights = [(item["source"], item["name"], size(item["bytes"]), item["path"]) for item in facts["weights"]]
    say_table(["found in", "weights", "size>", "path"], weights, title="weights of backbones, usable without network")
    for problem in facts["problems"]:
        say(f"problem: {problem}")
    if not facts["problems"]:
        say("no problem found")


def _say_machine(facts: dict[str, Any]) -> None:
    chip, rate = facts["processor"], facts["matrix_product_gflops"]
    rows = [
        ("braincodec", facts["braincodec"]),
        ("python", f"{facts['python']} on {facts['platform']}"),
        ("packages", ", ".join(f"{name} {version or '(absent)'}" for name, version in facts["packages"].items())),
        ("device", facts["device"]),
        (
            "processor",
            f"{chip['cores']} cores ({chip['usable_cores']} usable), {chip['torch_threads']} threads in torch, "
            f"{chip['instructions']}",
        ),
        ("matrix product", "not measured" if rate is None else f"{rate:,.0f} GFLOP/s in float32"),
        ("free memory", size(facts["memory_free_bytes"])),
        ("free disk here", size(facts["disk_free_bytes"])),
        ("cache of fetched files", facts["cache"]),
    ]
    if "device_memory_free_bytes" in facts:
        rows.append(("free memory of the device", size(facts["device_memory_free_bytes"])))
    say_table(["", ""], rows)

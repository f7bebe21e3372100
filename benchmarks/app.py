"""Many people on the explorer's page at once: how long each action takes them, what fails, and the server's memory.

``python benchmarks/app.py [--people 50] [--rounds 2] [--store STORE]``; the page runs in a process of its own, and
is used as a browser uses it, over HTTP. Everybody acts without a pause. Every tenth person sends a file that is no
photograph.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from PIL import Image

from braincodec.app.trial_store import trial_store
from braincodec.simulate import square_photographs
from printing import print_rows

PATIENCE = 300  # seconds
FIRST = 10_000  # number of a person who comes before the others
ALERT = 'role="alert"'
EEG = "eeg-simulated-linear"
SERVER = "from braincodec.app.serve import launch; launch({store!r}, port={port}, say=lambda line: None)"


class Page:
    """What a browser knows of the page.

    Parameters
    ----------
    config : dict
        The page's own description.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        labels = {one["id"]: one["props"].get("label") for one in config["components"]}
        self.action: dict[str, int] = {}
        for dependency in config["dependencies"]:
            for component, event in dependency["targets"]:
                self.action.setdefault(f"{labels.get(component) or ''} {event}".strip(), dependency["id"])


class Person:
    """One visitor.

    Parameters
    ----------
    number : int
    client : httpx.AsyncClient
    seconds : dict of str to list of float
        Gets how long each action took.
    failures : list of str
        Gets what went wrong.
    """

    def __init__(
        self, number: int, client: httpx.AsyncClient, seconds: dict[str, list[float]], failures: list[str]
    ) -> None:
        self.number, self.client, self.seconds, self.failures = number, client, seconds, failures
        self.session = f"person{number}"
        self.page = Page({"components": [], "dependencies": []})

    async def visit(self, rounds: int) -> None:
        """Open the page; then, again and again, send a photograph, choose a region, choose the other model."""
        await self._timed("open the page", self._open(), "")
        for turn in range(rounds):
            if self.number % 10 == 9:
                await self._timed("send what is no photograph", self._send(b"%PDF-1.7 no photograph"), "photograph")
            photograph = photograph_of(self.number * rounds + turn)
            await self._timed("send a photograph", self._send(photograph), "")
            await self._timed("choose a region", self._act("Region input", "V1"), "")
            await self._timed("choose the EEG model", self._act("Model input", EEG), "")
            await self._timed("choose the fMRI model", self._act("Model input", "fmri-simulated-gaussian_fwrf"), "")

    async def _timed(self, name: str, action: Awaitable[str], refusal: str) -> None:
        started = time.perf_counter()
        try:
            said = await action
        except Exception as error:  # noqa: BLE001  whatever it is, it is counted
            said, refusal = f"{type(error).__name__}: {error}", ""
        self.seconds.setdefault(name, []).append(time.perf_counter() - started)
        if bool(said) != bool(refusal) or refusal not in said:
            self.failures.append(f"{name}: {said or 'nothing was said'}"[:200])

    async def _open(self) -> str:
        (await self.client.get("/")).raise_for_status()
        answer = await self.client.get("/config")
        self.page = Page(answer.raise_for_status().json())
        return await self._act("load")

    async def _send(self, content: bytes) -> str:
        answer = await self.client.post("/gradio_api/upload", files={"files": ("photograph.jpg", content)})
        (path,) = answer.raise_for_status().json()
        file = {"path": path, "orig_name": "photograph.jpg", "meta": {"_type": "gradio.FileData"}}
        return await self._act("Choose a photograph upload", file)

    async def _act(self, action: str, *values: Any) -> str:
        """What the page says went wrong; empty where nothing did."""
        # the first input is what the server remembers of the visit
        data = [] if action == "load" else [None, *values]
        request = {"data": data, "fn_index": self.page.action[action], "session_hash": self.session}
        joined = await self.client.post("/gradio_api/queue/join", json=request)
        event = joined.raise_for_status().json()["event_id"]
        async with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as lines:
            async for line in lines.aiter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("event_id") == event and message.get("msg") == "process_completed":
                    said = message["output"].get("data", [])
                    alerts = [piece for piece in said if isinstance(piece, str) and ALERT in piece]
                    return "" if message["success"] and not alerts else f"{alerts or message['output']}"
        return "the answer broke off"


def photograph_of(number: int) -> bytes:
    """A photograph that nobody else sends."""
    squares = list(square_photographs().values())
    rng = np.random.default_rng(number)
    side = int(rng.integers(200, 384))
    top, left = rng.integers(0, 385 - side, 2)
    crop = squares[number % len(squares)][top : top + side, left : left + side]
    file = io.BytesIO()
    Image.fromarray(crop).resize((800, 800)).save(file, "JPEG")
    return file.getvalue()


async def crowd(address: str, people: int, rounds: int) -> tuple[dict[str, list[float]], list[str], float]:
    """Everybody at once: seconds of each action, what failed, and how long it took in all."""
    seconds: dict[str, list[float]] = {}
    failures: list[str] = []
    # connections are let go before the server does, which a browser would not tell its user of
    limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE, limits=limits) as client:
        await Person(FIRST, client, {}, failures).visit(1)  # the models are loaded
        started = time.perf_counter()
        await asyncio.gather(*(Person(number, client, seconds, failures).visit(rounds) for number in range(people)))
        return seconds, failures, time.perf_counter() - started


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Until the page answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        try:
            httpx.get(address, timeout=5)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the page does not answer")


def peak_memory(server: subprocess.Popen[bytes]) -> float:
    """GB, the largest that the process has had; where the system does not tell, what it has now."""
    status = Path(f"/proc/{server.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    return (peaks[0] if peaks else psutil.Process(server.pid).memory_info().rss) / 1e9


def main() -> None:
    """Serve, visit, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--store", default="")
    options = parser.parse_args()
    store = options.store or str(trial_store(print))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", SERVER.format(store=store, port=port)])
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, server)
        seconds, failures, took = asyncio.run(crowd(address, options.people, options.rounds))
        print_rows(
            [
                {"action": name, "times": len(found), "median, s": float(np.median(found)),
                 "95 % within, s": float(np.percentile(found, 95)), "longest, s": max(found)}
                for name, found in seconds.items()
            ]
        )  # fmt: skip
        actions = sum(map(len, seconds.values()))
        print_rows(
            [
                {"people": options.people, "actions": actions, "failed": len(failures), "seconds": took,
                 "actions a second": actions / took, "server's memory, GB": peak_memory(server),
                 "processors": psutil.cpu_count(), "others' load at the end": psutil.getloadavg()[0]}
            ]
        )  # fmt: skip
        for failure in failures[:10]:
            print(failure)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()

"""A page in a real browser, driven over its debugging port: what it says, asks and complains of."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 60.0  # seconds for any answer: machines that test are busy


def browser() -> str:
    """Return the browser's command; skip where there is none."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip(f"no browser here: none of {', '.join(NAMES)} is on the path")
    return found


def headless(profile: Path) -> list[str]:
    """Return the words that start a browser without a window; skip where there is none."""
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [browser(), "--headless", *root, "--disable-gpu", f"--user-data-dir={profile}"]


class Tab:
    """A tab of a browser: it goes to a page, answers expressions, and keeps what went wrong."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket, self.number = socket, 0
        self.problems: list[str] = []
        self.requests: list[str] = []

    async def call(self, method: str, **given: Any) -> dict[str, Any]:
        """Send a command of the Chrome DevTools protocol and return its answer."""
        self.number += 1
        await self.socket.write_message(json.dumps({"id": self.number, "method": method, "params": given}))
        while True:
            text = await asyncio.wait_for(asyncio.ensure_future(self.socket.read_message()), PATIENCE)
            said = json.loads(text)
            if said.get("id") == self.number:
                assert "error" not in said, said
                return said["result"]
            self._keep(said.get("method"), said.get("params", {}))

    def _keep(self, method: str | None, given: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(given["exceptionDetails"])[:500])
        if method == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.problems.append(given["entry"]["text"])
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])

    async def ask(self, expression: str) -> Any:
        """Return what an expression of JavaScript, or its promise, gives."""
        said = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in said, json.dumps(said)[:2000]
        return said["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        for _ in range(int(PATIENCE * 10)):
            found = await self.ask(f"!!({expression})")
            if found:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"never true: {expression}")

    async def go(self, address: str, width: int = 1280, height: int = 900) -> None:
        """Open an address in a window of some size."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
            mobile=width < 600,
        )  # fmt: skip
        await self.call("Page.navigate", url="about:blank")
        await self.call("Page.navigate", url=address)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")


def drive(profile: Path, what: Callable[[Tab], Coroutine[Any, Any, Any]]) -> Any:
    """Start a browser, do something in its tab, end it, and return what came of it."""
    words = [
        *headless(profile),
        "--no-first-run",
        "--remote-debugging-port=0",
        "--hide-scrollbars",
        "about:blank",
    ]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return asyncio.run(_in_tab(profile, what))
    finally:
        running.terminate()
        running.wait(timeout=30)


async def _in_tab(profile: Path, what: Callable[[Tab], Coroutine[Any, Any, Any]]) -> Any:
    """Wait for the browser's port, connect to its first tab, and do something there."""
    from tornado.httpclient import AsyncHTTPClient

    port = profile / "DevToolsActivePort"
    for _ in range(int(PATIENCE * 10)):
        if port.exists() and port.read_text(encoding="utf-8").strip():
            break
        await asyncio.sleep(0.1)
    number = port.read_text(encoding="utf-8").split()[0]
    listed = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{number}/json")
    address = next(tab["webSocketDebuggerUrl"] for tab in json.loads(listed.body) if tab["type"] == "page")
    socket = await websocket_connect(address, max_message_size=1 << 28)
    return await what(Tab(socket))

"""Pictures of every page of the board at two widths, in light and dark, into ``out/board``: to be looked at."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "out" / "board"
CHROMIUM = os.environ.get("HEADWAY_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def served() -> Iterator[str]:
    """Serve the board on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = "from headway.cli.main import main; main()"
    command = [sys.executable, "-c", program, "board", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{base}/static/icon.svg", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield base
    finally:
        server.terminate()
        server.wait()


def main(names: list[str]) -> None:
    """Write the pictures of the pages named, of all of them by default."""
    from playwright.sync_api import sync_playwright

    from headway.web.registry import chapters

    OUT.mkdir(parents=True, exist_ok=True)
    with served() as base, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for scheme in ("light", "dark"):
            for width in (1280, 390):
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                page = context.new_page()
                for name in names or [*chapters(), "claims"]:
                    page.goto(f"{base}/{name}", wait_until="networkidle")
                    page.screenshot(path=str(OUT / f"{name}-{width}-{scheme}.png"), full_page=name != "claims")
                context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])

"""The board in a real browser: repaint of a moved slider, first paint, weight of a page, and the plan endpoint.

Other work on the machine stretches every time: the first paint stands beside that of an empty page from the same
server, a plan beside the processor time of the same searches in this process.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import urllib.request
from typing import Any

from board_pictures import CHROMIUM, FLAGS, served

MOVES = """async (name) => {
  const slider = document.querySelector(`input[type=range][data-name=${name}]`);
  const times = [];
  for (let i = 0; i < 120; i++) {
    slider.value = 100 + ((i * 37) % 800);
    const start = performance.now();
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    document.querySelector('.plot').getBoundingClientRect();
    times.push(performance.now() - start);
    await new Promise((done) => requestAnimationFrame(done));
  }
  return times;
}"""
EMPTY = "<!doctype html><title>Empty</title><p>Empty"
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
WEIGHT = """() => performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))
  .reduce((sum, e) => sum + e.decodedBodySize, 0)"""


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


def post(base: str, body: dict[str, object]) -> float:
    """Milliseconds of one plan."""
    request = urllib.request.Request(f"{base}/api/v1/plan", json.dumps(body).encode(), method="POST")
    start = time.perf_counter()
    urllib.request.urlopen(request, timeout=60).read()
    return 1e3 * (time.perf_counter() - start)


def first_paint(browser: Any, base: str, *, empty: bool) -> tuple[float, float]:
    """Milliseconds to the first paint of a fresh page, and bytes of everything it loaded."""
    fresh = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = fresh.new_page()
    if empty:
        tab.route("**/batch", lambda route: route.fulfill(content_type="text/html", body=EMPTY))
    tab.goto(f"{base}/batch", wait_until="networkidle")
    found = float(tab.evaluate(PAINT)), float(tab.evaluate(WEIGHT))
    fresh.close()
    return found


def searches() -> list[dict[str, Any]]:
    """Plans that nobody has asked for yet."""
    return [
        {"model": model, "on": [system], "isl": isl, "osl": 500, "tpot": 0.05}
        for model in ("llama-3.1-70b", "gpt-oss-120b", "deepseek-v3")
        for system in ("hgx-h200", "gb200-nvl72")
        for isl in (1000, 2000, 4000, 8000)
    ]


def processor() -> list[float]:
    """Milliseconds of processor time of the same searches, with their answers as JSON."""
    from headway.web.deployments import plan_answer

    plan_answer({"model": "llama-3.1-8b", "on": ["hgx-h200"]})
    times = []
    for body in searches():
        start = time.process_time()
        json.dumps(plan_answer(body))
        times.append(1e3 * (time.process_time() - start))
    return times


def main() -> int:
    """Print the figures."""
    from playwright.sync_api import sync_playwright

    with served() as base, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for name, control in (("batch", "batch"), ("context", "context")):
            page.goto(f"{base}/{name}", wait_until="networkidle")
            print(f"{name}: slider to repaint, p95 {p95(page.evaluate(MOVES, control)):.1f} ms of 120 moves")
        pairs = [[first_paint(browser, base, empty=empty) for empty in (False, True)] for _ in range(12)]
        paints, blank = ([pair[side][0] for pair in pairs] for side in (0, 1))
        print(
            f"first paint: least {min(paints):.0f} ms, median {statistics.median(paints):.0f} ms, "
            f"p95 {p95(paints):.0f} ms of {len(paints)}; an empty page: median {statistics.median(blank):.0f} ms"
        )
        print(f"weight of the page with everything in it: {pairs[0][0][1] / 1e3:.1f} kB")
        browser.close()
        for name, times in (("plan", [post(base, body) for body in searches()]), ("processor alone", processor())):
            print(f"{name}: median {statistics.median(times):.0f} ms, p95 {p95(times):.0f} ms of {len(times)} searches")
    return 0


if __name__ == "__main__":
    sys.exit(main())

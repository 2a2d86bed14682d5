"""Every page in a real browser: it opens, moves, agrees with the command line, and complains of nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from headway.web.chapter import Chapter
from headway.web.document import answered
from headway.web.registry import chapters

NAMES = tuple(chapters())
READ = (
    "() => [...document.querySelectorAll('.headlines .value')].map(e => [e.dataset.key, e.dataset.value, e.innerText])"
)


def _moved(one: Chapter) -> str | None:
    """A control with a slider; one that the page evaluates itself where there is one."""
    sliders = [c for c in one.controls if c.choices is None]
    return next((c.name for c in sliders if c.variable), sliders[0].name if sliders else None)


def _slide(page, name: str, share: float) -> None:
    page.eval_on_selector(
        f"input[type=range][data-name={name}]",
        f"e => {{ e.value = {1000 * share}; e.dispatchEvent(new Event('input', {{bubbles: true}})); }}",
    )
    page.wait_for_function("name => location.search.includes(`${name}=`)", arg=name)


def _asked(page) -> dict[str, str]:
    from urllib.parse import parse_qsl, urlsplit

    return dict(parse_qsl(urlsplit(page.url).query))


def _same(page, name: str) -> None:
    """The figures shown are those that ``headway board`` prints at the values of the address."""
    wanted = answered(name, _asked(page))["headlines"]
    shown = page.evaluate(READ)
    assert [key for key, *_ in shown] == [one["key"] for one in wanted]
    for (key, value, _), one in zip(shown, wanted, strict=True):
        if isinstance(one["value"], (int, float)):
            assert float(value) == pytest.approx(one["value"], rel=1e-9), key
        else:
            assert value == str(one["value"] if one["value"] is not None else "null"), key


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter(watched, name: str) -> None:
    page = watched.open(f"/{name}")
    assert page.locator("figure svg[role=img]").count() >= 1
    _same(page, name)
    control = _moved(chapters()[name])
    if control is not None:
        before = page.inner_html(".answer")
        _slide(page, control, 0.63)
        assert page.inner_html(".answer") != before
        assert control in _asked(page)
        _same(page, name)
        figures, address = page.evaluate(READ), page.url
        page.goto(address)
        page.wait_for_selector("figure svg[role=img]")
        assert page.evaluate(READ) == figures
    assert not watched.strangers()
    assert not watched.errors


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_file_needs_no_server(watched, name: str, tmp_path: Path) -> None:
    page = watched.open(f"/{name}")
    figures = page.evaluate(READ)
    with page.expect_download() as waiting:
        page.click("text=Save as one file")
    path = tmp_path / "alone.html"
    waiting.value.save_as(path)
    watched.asked.clear()
    page.goto(path.as_uri())
    page.wait_for_selector("figure svg[role=img]")
    assert page.evaluate(READ) == figures
    live = next((c.name for c in chapters()[name].controls if c.variable), None)
    if live is not None:
        page.eval_on_selector(
            f"input[data-name={live}][type=range]",
            "e => { e.value = 300; e.dispatchEvent(new Event('input', {bubbles: true})); }",
        )
        assert page.evaluate(READ) != figures
    assert [url for url in watched.asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert not watched.errors


@pytest.mark.parametrize("name", [*NAMES, "claims"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_barrier(watched, name: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    watched.page.emulate_media(color_scheme=scheme)
    page = watched.open(f"/{name}")
    page.set_viewport_size({"width": 360, "height": 800} if scheme == "dark" else {"width": 1280, "height": 900})
    page.wait_for_timeout(100)
    found = Axe().run(page).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
    assert not serious
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_first_page_is_a_chapter(watched) -> None:
    page = watched.open("/")
    assert page.locator("h1").inner_text() == next(iter(chapters().values())).title


def test_a_wrong_value_is_said_beside_its_control(watched) -> None:
    page = watched.open("/train?period=20ms")
    figures = page.evaluate(READ)
    page.fill("#text-period", "20 parsecs")
    page.press("#text-period", "Enter")
    page.wait_for_function("() => document.querySelector('#error-period').textContent.includes('parsecs')")
    assert page.evaluate(READ) == figures
    page.fill("#text-period", "40ms")
    page.press("#text-period", "Enter")
    page.wait_for_function("() => !document.querySelector('#error-period').textContent")
    assert page.evaluate(READ) != figures


def test_an_overtaken_question_is_dropped(watched) -> None:
    page = watched.open("/train")
    move = "e => { e.value = %d; e.dispatchEvent(new Event('input', {bubbles: true})); }"
    for position in (900, 700, 200, 500):
        page.eval_on_selector("input[type=range][data-name=period]", move % position)
        page.wait_for_timeout(20)
    page.wait_for_function("() => location.search.includes('period=0.0316')")
    _same(page, "train")
    assert not watched.errors


def test_a_plan_opens_its_breakdown(watched) -> None:
    page = watched.open("/plan?model=llama-3.1-8b&on=hgx-h200,hgx-h100&isl=1000&osl=200&tpot=0.02")
    assert [page.locator(".chosen").nth(i).locator("li").count() for i in (0, 1)] == [1, 2]
    page.locator("svg[role=img] .point").first.click(force=True)
    box = page.locator("dialog.detail")
    assert "operator" in box.inner_text()
    assert "Memory" in box.inner_text()
    box.get_by_text("Close").click()
    page.locator("#table-plans button.link").first.click()
    assert page.locator("dialog.detail").is_visible()
    assert page.locator(".command").inner_text().startswith("headway plan llama-3.1-8b --on hgx-h200,hgx-h100 ")
    assert not watched.errors


def test_every_plan_and_every_column_of_it_is_in_sight(watched) -> None:
    watched.page.set_viewport_size({"width": 1440, "height": 900})
    page = watched.open("/plan")
    assert page.locator("#table-plans tbody tr").count() > 5
    cut = "e => [e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight]"
    assert page.eval_on_selector("#table-plans .scroll", cut) == [0, 0]


def test_an_equation_is_not_cut(watched) -> None:
    page = watched.open("/batch")
    room = "e => parseFloat(getComputedStyle(e).paddingTop) + parseFloat(getComputedStyle(e).paddingBottom)"
    assert page.eval_on_selector(".equations", room) >= 12


def test_figures_of_a_refused_value_are_dimmed(watched) -> None:
    page = watched.open("/train")
    page.fill("#text-period", "20 parsecs")
    page.press("#text-period", "Enter")
    page.wait_for_selector("[data-failed]")
    page.wait_for_function("() => getComputedStyle(document.querySelector('.headlines')).opacity < 0.6")
    assert page.evaluate("getComputedStyle(document.querySelector('.status')).opacity") == "1"


def test_the_end_of_a_slider_is_the_end_of_the_range(watched) -> None:
    page = watched.open("/batch")
    page.locator("input[type=range][data-name=batch]").press("End")
    page.wait_for_function("() => location.search.includes('batch=')")
    assert _asked(page)["batch"] == "65536"


def test_the_text_that_is_shown_is_the_value_that_was(watched) -> None:
    page = watched.open("/memory")
    shown = page.input_value("#text-context")
    page.fill("#text-context", "1k")
    page.fill("#text-context", shown)
    page.locator("#text-context").dispatch_event("change")
    page.wait_for_timeout(300)
    assert page.input_value("#text-context") == shown
    assert "context" not in _asked(page)


def test_a_slider_let_go_asks_for_what_is_no_term(watched) -> None:
    page = watched.open("/batch")
    page.locator("input[type=range][data-name=context]").press("End")
    page.wait_for_function(
        "() => location.search.includes('context=') && document.body.innerText.includes('Does not fit')"
    )
    _same(page, "batch")


def test_the_keyboard_reads_a_curve(watched) -> None:
    page = watched.open("/batch")
    page.locator("figure svg[role=img]").first.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert "binds" in page.locator(".readout").first.inner_text()


@pytest.mark.parametrize("name", ["gate", "plan"])
def test_everything_is_reached_by_the_keyboard(watched, name: str) -> None:
    page = watched.open(f"/{name}")
    page.evaluate("document.activeElement?.blur()")
    seen: list[str] = []
    for _ in range(120):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("() => { const e = document.activeElement; return e.dataset.name || e.textContent.trim(); }")
        )
        if seen[-1] == "Start values":
            break
    assert seen[-1] == "Start values"
    assert {control.name for control in chapters()[name].controls} <= set(seen)
    assert any("Skip to the chapter" in one for one in seen)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_motion_is_reduced_where_that_is_asked(watched) -> None:
    watched.page.emulate_media(reduced_motion="reduce")
    page = watched.open("/train")
    page.evaluate("document.querySelector('#view').classList.add('slow')")
    assert page.evaluate("getComputedStyle(document.querySelector('.headlines')).transitionDuration") == "0s"


def test_equations_are_set_and_can_be_read_out(watched) -> None:
    page = watched.open("/modes")
    math = page.locator(".equations math")
    assert math.count() == 4
    assert math.first.get_attribute("aria-label") == "speed = (1 + r) / (1 + r/f),"
    bar = page.evaluate("document.querySelector('.equations mfrac').getBoundingClientRect().height")
    assert bar > 1.5 * page.evaluate("document.querySelector('.equations mi').getBoundingClientRect().height")


def test_a_band_is_drawn_and_read(watched, tmp_path: Path) -> None:
    page = watched.open("/gate")
    assert page.locator("#chart-score path.band").get_attribute("d").endswith("Z")
    page.locator("#chart-score svg[role=img]").focus()
    page.keyboard.press("ArrowRight")
    assert " to " in page.locator("#chart-score .readout").inner_text()
    with page.expect_download() as waiting:
        page.locator("#chart-score .tools").get_by_text("CSV").click()
    waiting.value.save_as(tmp_path / "score.csv")
    names = {row[0] for row in csv.reader((tmp_path / "score.csv").read_text().splitlines())}
    assert {"interval, low", "interval, high"} <= names


def test_models_are_compared(watched) -> None:
    page = watched.open("/plan?model=llama-3.1-8b,llama-3.1-70b&on=hgx-h200&isl=1000&osl=200")
    assert page.locator(".legend").first.locator("li").all_inner_texts() == ["llama-3.1-8b", "llama-3.1-70b"]
    assert page.locator("#table-plans th").nth(1).inner_text() == "model"
    assert page.locator(".command").inner_text().startswith("headway board plan model=llama-3.1-8b,llama-3.1-70b ")
    assert not watched.errors


def test_files_of_a_chart(watched, tmp_path: Path) -> None:
    page = watched.open("/batch")
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as waiting:
            page.locator(".tools").first.get_by_text(kind).click()
        waiting.value.save_as(tmp_path / kind)
    assert (tmp_path / "SVG").read_text().startswith("<svg")
    assert "class=" not in (tmp_path / "SVG").read_text()
    assert (tmp_path / "PNG").read_bytes()[:4] == b"\x89PNG"
    rows = list(csv.reader((tmp_path / "CSV").read_text().splitlines()))
    assert rows[0][2:] == ["sequences in one pass", "time [s]"]
    assert len(rows) > 100
    assert not watched.errors


def test_the_command_prints_the_same(watched) -> None:
    import shlex
    import subprocess
    import sys

    page = watched.open("/batch?batch=300&context=20000")
    words = shlex.split(page.locator(".command").inner_text())
    program = "import sys; from headway.cli.main import run; sys.exit(run(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", program, *words[1:], "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = {one["key"]: one["value"] for one in json.loads(done.stdout)["headlines"]}
    for key, value, _ in page.evaluate(READ):
        if isinstance(wanted[key], float):
            assert float(value) == pytest.approx(wanted[key], rel=1e-9)


def test_the_claims(watched) -> None:
    page = watched.open("/claims")
    page.wait_for_selector(".claim")
    page.fill("#find", "C60")
    assert page.locator(".claim").count() == 1
    page.locator(".claim summary").click()
    page.wait_for_selector(".inside .equation")
    assert "Sources" in page.locator(".inside").inner_text()
    assert "find=C60" in page.url
    page.fill("#find", "nothing from the balance batch on")
    assert page.locator(".claim .id").all_inner_texts() == ["C17"]
    assert not watched.errors
    assert not watched.strangers()

"""``headway board``: the local page, or one of its chapters in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headway.cli._chart import Axis as TextAxis
from headway.cli._chart import Marker as TextMarker
from headway.cli._chart import Series as TextSeries
from headway.cli._chart import XYChart
from headway.cli._output import output_options
from headway.cli._params import Converted, integer
from headway.cli._report import Cell, Column, Part, Passage, Quantity, Report, Table, facts_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.web.chapter import Answer, Chapter, Chart

LOCAL = "127.0.0.1"


def _chapters() -> Sequence[str]:
    from headway.web.registry import chapters

    return tuple(chapters())


class _Board(click.Command):
    """A command whose help page names the chapters, which are imported for that page alone."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the chapters under the options."""
        from headway.web.registry import chapters

        super().format_options(ctx, formatter)
        with formatter.section("Chapters"):
            formatter.write_dl([(one.id, one.question) for one in chapters().values()])


@click.command(cls=_Board)
@click.argument(
    "chapter",
    required=False,
    metavar="[CHAPTER]",
    type=Converted("chapter", lambda text, _: text, _chapters),
)
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--host", default=LOCAL, show_default=True, help="Address to listen on.")
@click.option("--port", type=integer(0, 65535), default="8321", show_default=True, help="0 takes a free one.")
@click.option("--open", "browser", is_flag=True, help="Open the page in the browser.")
@output_options
def board(chapter: str | None, values: tuple[str, ...], host: str, port: int, browser: bool) -> Report | None:
    """Serve the board on this machine, or print CHAPTER as the page shows it.

    Example: headway board batch model=deepseek-v3 system=gb200-nvl72 batch=512
    """
    if chapter is not None:
        return printed(chapter, values)
    serve(host, port, browser)
    return None


def serve(host: str, port: int, browser: bool) -> None:
    """Listen until interrupted."""
    import socket
    from threading import Thread

    import uvicorn

    from headway.web.server import app, warm

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        port = probe.getsockname()[1]
    where = f"http://{host}:{port}/"
    click.echo(f"Headway board: {where} (Ctrl+C ends it)")
    if browser:
        click.launch(where)
    Thread(target=warm, daemon=True).start()
    uvicorn.run(app(host), host=host, port=port, log_level="warning", access_log=False)


def printed(name: str, values: tuple[str, ...]) -> Report:
    """Print one chapter: the same values, the same answer, the same figures as on the page."""
    from headway.facts.errors import InputError
    from headway.web.document import answer_document, ask

    given: dict[str, str] = {}
    for pair in values:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InputError("values", pair, "NAME=VALUE")
        given[key] = text
    one, read, answer = ask(name, given)
    return Report(
        title=f"{one.title}: {one.question}",
        parts=tuple(_parts(one, read, answer)),
        notes=answer.notes,
        document=answer_document(one, read, answer),
        data=_headlines(one, read, answer),
    )


def _headlines(chapter: Chapter, values: dict[str, Any], answer: Answer) -> Table:
    from headway.web.chapter import Measure

    rows: list[tuple[str, Cell]] = []
    for number in answer.headlines:
        read = number.value.at(values, chapter.controls) if isinstance(number.value, Measure) else number.value
        shown: Cell = Quantity(float(read), number.dimension) if isinstance(read, (int, float)) else read
        rows.append((f"{number.label} ({number.note})" if number.note else number.label, shown))
    return facts_table("headlines", rows)


def _parts(chapter: Chapter, values: dict[str, Any], answer: Answer) -> list[Part]:
    parts: list[Part] = [_headlines(chapter, values, answer)]
    parts += [drawn for drawn in (_chart(chart) for chart in answer.charts) if drawn is not None]
    for table in answer.tables:
        columns = tuple(
            Column(c.key, c.label, c.dimension, align="right" if c.dimension else "left", fold=not c.dimension)
            for c in table.columns
        )
        parts.append(Table(table.key, columns, table.rows, table.title))
    if answer.equations:
        parts.append(Passage("Equations", answer.equations, "code"))
    return parts


def _chart(chart: Chart) -> XYChart | None:
    """The chart of a terminal; curves that only the page evaluates are left to the page."""
    drawn = tuple(
        TextSeries(name, list(s.x), list(y))
        for s in chart.series
        if s.measure is None and len(s.x)
        for name, y in (((f"{s.name}, low", s.y), (f"{s.name}, high", s.top)) if s.kind == "band" else ((s.name, s.y),))
    )
    if not drawn:
        return None
    cloud = any(s.kind == "points" for s in chart.series)
    return XYChart(
        chart.title,
        TextAxis(chart.x.label, chart.x.dimension, log=chart.x.log),
        TextAxis(chart.y.label, chart.y.dimension, log=chart.y.log),
        drawn,
        tuple(TextMarker(m.x, m.label) for m in chart.markers),
        kind="scatter" if cloud else "line",
    )

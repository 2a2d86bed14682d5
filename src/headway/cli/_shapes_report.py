"""Published shapes of serving, as ``headway validate --simulation`` shows them."""

from __future__ import annotations

from headway.cli._report import Cell, Column, Report, Table, Toned


def shapes_report(trace: str | None) -> Report:
    """Published gains of serving techniques beside those of the simulator; routing needs a trace of sessions."""
    from headway.simulation.read import read_trace
    from headway.simulation.shapes import SESSION_GAP_S, shapes

    found = shapes(read_trace(trace, closed=True, session_gap_s=SESSION_GAP_S) if trace else None)
    columns = (
        Column("technique", "technique"),
        Column("setting", "setting", align="left", fold=True),
        Column("without", "without"),
        Column("with", "with"),
        Column("gain", "gain"),
        Column("published", "published", align="left"),
        Column("shape", "", align="left"),
    )
    rows: list[tuple[Cell, ...]] = []
    for shape in found:
        source = f"up to {shape.published.high:g}"
        tone = Toned("holds", "good") if shape.holds else Toned("differs", "bad")
        for k, row in enumerate(shape.rows):
            last = (source, tone) if k == 0 else ("", "")
            numbers = (float(f"{v:.3g}") for v in (row.without, row.with_it, row.gain))
            rows.append((shape.name, row.setting, *numbers, *last))
    table = Table("shapes", columns, tuple(rows), "Gains of techniques, ours beside the source's", group="technique")
    notes = [f"{s.name}: {s.setting}; {s.verdict}; published: {s.published.source.text}" for s in found]
    if not trace:
        notes.append("routing by prefix: skipped, it needs a trace of sessions as FILE")
    failed = not all(s.holds for s in found)
    return Report("Published shapes", (table,), notes=tuple(notes), document={"shapes": found}, exit_code=int(failed))

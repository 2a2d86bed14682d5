"""``headway calibrate``: the constants of the user's own stack, from its own benchmark runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli._deployment import read_system
from headway.cli._output import output_options
from headway.cli._params import CONFIG, MODEL, PRECISION, Converted, integer
from headway.cli._report import Column, Passage, Quantity, Report, Table, Toned

if TYPE_CHECKING:
    from headway.evidence.own_stack import Case, StackFit
    from headway.facts.hardware import System
    from headway.facts.model import Model
    from headway.physics.layout import Layout

_DEGREES = ("tp", "dp", "ep", "pp", "cp")


def _file(text: str, field: str) -> tuple[str, dict[str, int]]:
    """A results file, and the degrees that hold for it alone: ``runs.json@tp=4,dp=2``."""
    from headway.facts.check import whole
    from headway.facts.errors import InputError, unknown
    from headway.facts.units import parse

    path, at, tail = text.rpartition("@")
    if not at or "=" not in tail:
        return str(CONFIG.convert_text(text, field)), {}
    own = {}
    for piece in tail.split(","):
        name, _, value = piece.partition("=")
        if name.strip() not in _DEGREES:
            raise unknown(f"{field}: {path}@", name.strip(), _DEGREES)
        own[name.strip()] = int(whole(f"{field}: {path}@{name}", parse(value, "count", f"{field}: {path}@{name}")))
    if not path:
        raise InputError(field, text, "the path of a file before the @")
    return path, own


@click.command()
@click.argument("results", nargs=-1, required=True, type=Converted("file[@tp=N,...]", _file, files=True))
@click.option("--model", type=MODEL, help="Model of the catalog that was served.")
@click.option("--config", type=CONFIG, help="Its published config.json instead.")
@click.option("--on", required=True, metavar="SYSTEM", help="System it ran on, as 8xh200.")
@click.option("--hardware", type=CONFIG, help="A TOML file with systems of your own, named by --on.")
@click.option("--tp", type=integer(), default="1", show_default=True, help="Tensor parallel degree.")
@click.option("--dp", type=integer(), default="1", show_default=True, help="Attention-data parallel degree.")
@click.option("--ep", type=integer(), default="1", show_default=True, help="Expert parallel degree.")
@click.option("--pp", type=integer(), default="1", show_default=True, help="Pipeline stages.")
@click.option("--cp", type=integer(), default="1", show_default=True, help="Context parallel degree.")
@click.option("--weights", type=PRECISION, help="Format of the linear layers; the model's own by default.")
@click.option("--kv", type=PRECISION, help="Format of the KV cache; the model's own by default.")
@click.option("--engine", help="Engine whose published constants are the start; the files' own by default.")
@click.option("--draft", type=integer(0, 64), default="0", help="Tokens drafted per pass by an MTP module.")
@click.option("--chunk", type=integer(1, 1_000_000), default="8192", help="Tokens per pass and data rank.")
@output_options
def calibrate(
    results: tuple[tuple[str, dict[str, int]], ...],
    model: Model | None,
    config: str | None,
    on: str,
    hardware: str | None,
    tp: int,
    dp: int,
    ep: int,
    pp: int,
    cp: int,
    weights: str | None,
    kv: str | None,
    engine: str | None,
    draft: int,
    chunk: int,
) -> Report:
    """Fit the constants of your own stack to RESULTS: files of vLLM, SGLang, genai-perf or aiperf.

    A file of another layout says so behind an @: runs-tp2.json@tp=2. With -o FILE.toml the constants go to a file that
    plan, curve, modes and size take by --calibration.

    Example: headway calibrate runs/*.json --model llama-3.1-70b --on 8xh200 --tp 8 --engine vllm -o my-stack.toml
    """
    from headway.cli._deployment import read_precision
    from headway.evidence.benchmark_files import read_results
    from headway.evidence.own_stack import Deployment, fit_stack
    from headway.physics.layout import Layout

    served, system = _served(model, config), read_system(hardware, on)
    precision = read_precision(served, weights, kv)
    common = {"tp": tp, "dp": dp, "ep": ep, "pp": pp, "cp": cp}
    read = [(Layout(**(common | own)), read_results(path)) for path, own in results]
    engine = _engine(engine, [run.engine for _, runs in read for run in runs])
    cases: list[Case] = []
    for layout, runs in read:
        where = Deployment(served, system, layout, precision, engine, draft, float(chunk))
        cases.extend((where, run) for run in runs)
    found = fit_stack(cases)
    return _report(found, served, system, engine, tuple(path for path, _ in results), tuple(d.layout for d, _ in cases))


def _served(model: Model | None, config: str | None) -> Model:
    from headway.facts.errors import InputError
    from headway.facts.model import Model

    if (model is None) == (config is None):
        raise InputError("--model", "nothing" if model is None else "both", "either --model or --config")
    return Model.from_config(config) if config is not None else model  # type: ignore[return-value]


def _engine(asked: str | None, named: list[str]) -> str | None:
    """The engine asked for, by its calibrated name; else the one that all files name."""
    from headway.facts.calibration import book, engine_name
    from headway.facts.errors import unknown

    if asked is None:
        return named[0] if len(set(named)) == 1 and named[0] else None
    found = engine_name(asked)
    if found is None:
        raise unknown("--engine", asked, book().names("engine"))
    return found


def _report(
    found: StackFit,
    model: Model,
    system: System,
    engine: str | None,
    files: tuple[str, ...],
    layouts: tuple[Layout, ...],
) -> Report:
    from pathlib import Path

    from headway.evidence.stack_file import calibration_toml

    labels = ", ".join(dict.fromkeys(layout.label() for layout in layouts))
    stack = f"{model.name} {labels} on {system.name}" + (f", {engine}" if engine else "")
    source = "own benchmark runs: " + ", ".join(Path(f).name for f in files)
    percent = "TPOT {:.1%}, TTFT {:.1%}"
    notes = [
        f"Median error with published constants: "
        f"{percent.format(found.tpot_error_published, found.ttft_error_published)}; "
        f"with these: {percent.format(found.tpot_error, found.ttft_error)}.",
        "Intervals are 80% and hold for all constants together; what is not identified stays as published.",
    ]
    parts: list[Table | Passage] = [_constants(found), _runs(found)]
    if found.left_out:
        parts.append(Passage("Left out", tuple(f"{where}: {reason}" for where, reason in found.left_out)))
    return Report(
        title=f"{stack}: {len(found.identified)} of {len(found.constants)} constants identified "
        f"from {len(found.runs)} runs",
        parts=tuple(parts),
        notes=tuple(notes),
        document={"stack": stack, "chip": system.chip.name, "fit": found},
        toml=calibration_toml(system.chip.name, stack, source, found.constants, runs=len(found.runs), engine=engine),
    )


def _constants(found: StackFit) -> Table:
    columns = (
        Column("constant", "constant", align="left"),
        Column("value", "value", mixed=True),
        Column("low", "80% from", mixed=True, priority=2),
        Column("high", "to", mixed=True, priority=2),
        Column("published", "published", mixed=True, priority=3),
        Column("identified", "", align="left"),
        Column("reason", "why", align="left", fold=True, priority=1),
    )

    def shown(value: float, unit: str) -> Quantity:
        return Quantity(value, "seconds" if unit == "s" else "count")

    rows = tuple(
        (
            c.name,
            shown(c.value, c.unit),
            shown(c.low, c.unit),
            shown(c.high, c.unit),
            shown(c.published, c.unit),
            Toned("fitted", "good") if c.identified else Toned("not identified", "dim"),
            c.reason,
        )
        for c in found.constants
    )
    return Table("constants", columns, rows, "Constants")


def _runs(found: StackFit) -> Table:
    columns = (
        Column("run", "run", align="left", fold=True),
        Column("layout", "layout", align="left", priority=4),
        Column("users", "users", "count"),
        Column("isl", "in", "tokens", priority=2),
        Column("osl", "out", "tokens", priority=2),
        Column("tpot_s", "TPOT", "seconds"),
        Column("tpot_published_s", "published", "seconds", priority=3),
        Column("tpot_fitted_s", "fitted", "seconds"),
        Column("ttft_s", "TTFT", "seconds", priority=1),
        Column("ttft_published_s", "published", "seconds", priority=3),
        Column("ttft_fitted_s", "fitted", "seconds", priority=1),
    )
    rows = tuple(
        (
            r.run.where,
            r.layout,
            r.run.users,
            float(r.run.isl),
            float(r.run.osl),
            r.run.tpot,
            r.tpot_published,
            r.tpot_fitted,
            r.run.ttft,
            r.ttft_published,
            r.ttft_fitted,
        )
        for r in found.runs
    )
    return Table("runs", columns, rows, "Runs: measured, and predicted with published and with fitted constants")

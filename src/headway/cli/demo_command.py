"""``headway demo``: the golden claims of the lecture, and one model on two systems."""

from __future__ import annotations

from importlib import resources

import click

from headway.cli._output import output_options
from headway.cli._report import Report
from headway.cli.lecture_command import golden_parts
from headway.cli.plan_command import plan_report

SYSTEMS = ("gb200-nvl72", "hgx-h200")
CONFIG = "deepseek-v3.json"


@click.command()
@output_options
def demo() -> Report:
    """The claims of the lecture's twelve golden tests, and DeepSeek-V3 from its own config.json on two systems."""
    from headway.facts.model import Model
    from headway.facts.systems import system
    from headway.facts.units import parse
    from headway.serving.plan import default_prices, plan
    from headway.serving.workload import Workload

    with resources.as_file(resources.files("headway.facts") / "data" / "models" / CONFIG) as path:
        model = Model.from_config(path, "deepseek-v3")
    work = Workload(4000, 1000, ttft=parse("2 s", "seconds"), tpot=parse("30 ms", "seconds"))
    systems = tuple(system(name) for name in SYSTEMS)
    results = tuple(plan(model, s, work, prices=default_prices(s)) for s in systems)
    planned = plan_report(model, systems, results)
    parts, passed = golden_parts()
    return Report(
        title="Headway: the claims of the lecture's twelve golden tests, then a plan",
        parts=(*parts, *planned.parts),
        notes=planned.notes,
        document={"plan": planned.document},
        exit_code=planned.exit_code if passed else 1,
    )

"""``headway economy``: markets of agents on the rails and racks that carry them."""

from __future__ import annotations

from typing import Final

from headway.cli._lazy import LazyGroup, Row

ROWS: Final = (
    Row("run", "headway.cli.economy_run_command:run", "One market, from the bell to its last delivery.", "Decide"),
    Row("compare", "headway.cli.economy_compare_command:compare", "Policies, rules or attacks side by side.", "Decide"),
    Row("sweep", "headway.cli.economy_sweep_command:sweep", "One number of a market, over several values.", "Decide"),
    Row("names", "headway.cli.economy_names_command:names", "Policies, rules, searches and attacks.", "Decide"),
    Row("agent", "headway.cli.economy_agent_command:agent", "A language model of yours goes shopping.", "Decide"),
    Row("tokens", "headway.cli.economy_tokens_command:tokens", "What a deal takes in tokens, and costs.", "Beneath"),
    Row("racks", "headway.cli.economy_racks_command:racks", "What so many conversations need.", "Beneath"),
    Row("keep", "headway.cli.economy_keep_command:keep", "How long to keep a buyer's KV, and where.", "Beneath"),
    Row("audit", "headway.cli.economy_audit_command:audit", "Every invariant of a ledger's books.", "Check"),
    Row("replay", "headway.cli.economy_audit_command:replay", "A ledger rebuilt from its log.", "Check"),
)

_HELP: Final = "Markets of consumer and business agents: welfare, money, attacks, and what deciding costs."


economy = LazyGroup("economy", ROWS, [], _HELP, "'headway economy COMMAND --help' says more.")

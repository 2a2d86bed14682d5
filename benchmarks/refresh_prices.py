"""Write facts/data/price_snapshot.toml from the installed genai-prices, and list where a second source differs.

    python benchmarks/refresh_prices.py [--litellm model_prices.json]

Needs the extra `prices-refresh`; the package itself does not. Models that the curated table has are left to it.
"""

from __future__ import annotations

import datetime
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import data

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src" / "headway" / "facts" / "data" / "price_snapshot.toml"
# (provider id, model id, name here, provider's name)
WANTED = (
    ("anthropic", "claude-opus-5-5", "claude-opus-5.5", "Anthropic"),
    ("anthropic", "claude-sonnet-5", "claude-sonnet-5", "Anthropic"),
    ("anthropic", "claude-sonnet-5-5", "claude-sonnet-5.5", "Anthropic"),
    ("anthropic", "claude-haiku-4-5", "claude-haiku-4.5", "Anthropic"),
    ("anthropic", "claude-haiku-5-5", "claude-haiku-5.5", "Anthropic"),
    ("anthropic", "claude-fable-5-2", "claude-fable-5.2", "Anthropic"),
    ("openai", "gpt-5.6-luna", "gpt-5.6-luna", "OpenAI"),
    ("openai", "gpt-5.6-terra", "gpt-5.6-terra", "OpenAI"),
    ("openai", "gpt-6-sol", "gpt-6-sol", "OpenAI"),
    ("openai", "gpt-6.1-sol", "gpt-6.1-sol", "OpenAI"),
    ("google", "gemini-4-argon", "gemini-4-argon", "Google"),
    ("google", "gemini-3.8-flash", "gemini-3.8-flash", "Google"),
    ("moonshotai", "kimi-k2.6", "kimi-k2.6", "Moonshot AI"),
    ("moonshotai", "kimi-k3", "kimi-k3", "Moonshot AI"),
    ("mistral", "mistral-large-2512", "mistral-large-3", "Mistral AI"),
)
FIELDS = (
    ("input_mtok", "input", "input_cost_per_token"),
    ("cache_write_mtok", "cache_write_5m", "cache_creation_input_token_cost"),
    ("cache_write_1h_mtok", "cache_write_1h", "cache_creation_input_token_cost_above_1hr"),
    ("cache_read_mtok", "cache_read", "cache_read_input_token_cost"),
    ("output_mtok", "output", "output_cost_per_token"),
)
MODES = {"batch": "batch", "flex": "flex", "priority": "priority", "fast": "fast"}


def figure(value: Any, above: int) -> str | None:
    """A price at the shortest prompts (0) or past a step, as text."""
    if value is None:
        return None
    tiers = {tier.start: tier.price for tier in getattr(value, "tiers", ())}
    if above:
        return None if above not in tiers else f"{tiers[above].normalize():f}"
    return f"{getattr(value, 'base', value).normalize():f}"


def steps(prices: Any) -> list[int]:
    """Prompt lengths at which a sheet has a step, 0 first."""
    found = {tier.start for name, _, _ in FIELDS for tier in getattr(getattr(prices, name, None), "tiers", ())}
    return [0, *sorted(found)]


def rows(model: Any, name: str, provider: str, today: str) -> list[str]:
    """TOML rows of one model: history, steps and modes."""
    dated = model.prices if isinstance(model.prices, list) else [None]
    lines = []
    periods = []
    for one in dated:
        prices = model.prices if one is None else one.prices
        start = getattr(getattr(one, "constraint", None), "start_date", None)
        hours = getattr(getattr(one, "constraint", None), "start_time", None)
        # A price that is announced does not hold yet.
        if hours is None and (start is None or start.isoformat() <= today):
            periods.append((start, prices))
    for number, (_, prices) in enumerate(periods):
        following = periods[number + 1][0] if number + 1 < len(periods) else None
        # The oldest period has no first day: it is known to have held on the day before the next one.
        until = (following - datetime.timedelta(days=1)).isoformat() if following else ""
        first = periods[number][0]
        day = first.isoformat() if first else (until or today)
        lines += [row(name, provider, prices, above, "standard", day, until) for above in steps(prices)]
    for variant in model.price_variants or ():
        mode = next((MODES[value] for value in variant.when.values() if value in MODES), None)
        if mode and not (mode == "fast" and any("service_tier" in key for key in variant.when)):
            start = getattr(variant.constraint, "start_date", None)
            if start and start.isoformat() > today:
                continue
            lines.append(row(name, provider, variant.prices, 0, mode, start.isoformat() if start else today, ""))
    return [line for line in lines if line]


def row(name: str, provider: str, prices: Any, above: int, mode: str, day: str, until: str) -> str:
    """One row, or nothing where the sheet has no figure there."""
    found = [(ours, figure(getattr(prices, theirs, None), above)) for theirs, ours, _ in FIELDS]
    if not any(value for _, value in found):
        return ""
    cells = [f'model = "{name}"', f'provider = "{provider}"']
    cells += [f'mode = "{mode}"'] if mode != "standard" else []
    cells += [f'above = "{above} tok"'] if above else []
    cells += [f'{field} = "${value}/Mtok"' for field, value in found if value is not None]
    cells += [f'date = "{day}"'] + ([f'until = "{until}"'] if until else [])
    return "  { " + ", ".join([*cells, 'source = "genai-prices"']) + " },"


def differences(path: Path) -> list[str]:
    """Figures of the standard mode that litellm's table has otherwise by more than 1%."""
    table, found = json.loads(path.read_text(encoding="utf-8")), []
    providers = {one.id: one for one in data.providers}
    for provider, model_id, name, _ in WANTED:
        model = next((m for m in providers[provider].models if m.id == model_id), None)
        other = table.get(model_id)
        if model is None or other is None or isinstance(model.prices, list):
            found.append(f"{name}: not compared")
            continue
        for theirs, ours, key in FIELDS:
            mine, second = figure(getattr(model.prices, theirs, None), 0), other.get(key)
            if mine and second and abs(float(mine) / (second * 1e6) - 1) > 0.01:
                found.append(f"{name} {ours}: {mine} against {second * 1e6:g}")
    return found


def main() -> None:
    """Write the table."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    providers = {one.id: one for one in data.providers}
    lines = []
    for provider, model_id, name, label in WANTED:
        model = next((m for m in providers[provider].models if m.id == model_id), None)
        if model is None:
            print(f"{name}: not in genai-prices", file=sys.stderr)
            continue
        lines += rows(model, name, label, today)
    text = f"pydantic genai-prices {version('genai-prices')} (which cites the provider's price page)"
    source = f'{{ text = "{text}", retrieved = "{today}", kind = "reported" }}'
    head = "# Written by benchmarks/refresh_prices.py from genai-prices; corrections belong in api_prices.toml.\n"
    body = "\n".join(["sheet = [", *lines, "]", "", "[sources]", f"genai-prices = {source}", ""])
    TARGET.write_text(f"{head}\n{body}", encoding="utf-8")
    print(f"{len(lines)} rows", file=sys.stderr)
    if "--litellm" in sys.argv:
        print("\n".join(differences(Path(sys.argv[sys.argv.index("--litellm") + 1]))))


if __name__ == "__main__":
    main()

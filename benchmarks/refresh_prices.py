"""Write facts/data/price_snapshot.toml from the installed genai-prices, and list where a second source differs.

    python benchmarks/refresh_prices.py [--litellm model_prices.json]

Needs the extra `prices-refresh`; the package itself does not. Models that the curated table has are left to it.
"""

from __future__ import annotations

import datetime
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import data

from headway.facts.day_hours import written
from headway.facts.prices import price_facts
from headway.pricing.second_source import read_second_source, second_opinion

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
    ("deepseek", "deepseek-v4-pro", "deepseek-v4-pro", "DeepSeek"),
    ("deepseek", "deepseek-v4-flash", "deepseek-v4-flash", "DeepSeek"),
    ("mistral", "mistral-large-2512", "mistral-large-3", "Mistral AI"),
)
FIELDS = (
    ("input_mtok", "input"),
    ("cache_write_mtok", "cache_write_5m"),
    ("cache_write_1h_mtok", "cache_write_1h"),
    ("cache_read_mtok", "cache_read"),
    ("output_mtok", "output"),
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
    found = {tier.start for name, _ in FIELDS for tier in getattr(getattr(prices, name, None), "tiers", ())}
    return [0, *sorted(found)]


def rows(model: Any, name: str, provider: str, today: str) -> list[str]:
    """TOML rows of one model: history, steps, hours of the day and modes."""
    dated = model.prices if isinstance(model.prices, list) else [None]
    lines = []
    periods = []
    by_hour: list[tuple[Any, Any, Any]] = []
    for one in dated:
        prices = model.prices if one is None else one.prices
        start = getattr(getattr(one, "constraint", None), "start_date", None)
        first = getattr(getattr(one, "constraint", None), "start_time", None)
        if first is not None:
            by_hour.append((first, one.constraint.end_time, prices))
        # A price that is announced does not hold yet.
        elif start is None or start.isoformat() <= today:
            periods.append((start, prices))
    for number, (_, prices) in enumerate(periods):
        following = periods[number + 1][0] if number + 1 < len(periods) else None
        # The oldest period has no first day: it is known to have held on the day before the next one.
        until = (following - datetime.timedelta(days=1)).isoformat() if following else ""
        first_day = periods[number][0]
        day = first_day.isoformat() if first_day else (until or today)
        lines += [row(name, provider, prices, above, "standard", day, until) for above in steps(prices)]
    since, base = periods[-1]
    lines += hour_rows(by_hour, base, name, provider, since.isoformat() if since else today)
    for variant in model.price_variants or ():
        mode = next((MODES[value] for value in variant.when.values() if value in MODES), None)
        if mode and not (mode == "fast" and any("service_tier" in key for key in variant.when)):
            start = getattr(variant.constraint, "start_date", None)
            if start and start.isoformat() > today:
                continue
            lines.append(row(name, provider, variant.prices, 0, mode, start.isoformat() if start else today, ""))
    return [line for line in lines if line]


def hour_rows(by_hour: list[tuple[Any, Any, Any]], base: Any, name: str, provider: str, day: str) -> list[str]:
    """Rows that hold at some hours of the day: windows of one price share a row."""
    windows: dict[str, list[tuple[int, int]]] = {}
    prices_of = {}
    for first, last, prices in by_hour:
        windows.setdefault(str(prices), []).append((minute(first), minute(last)))
        prices_of[str(prices)] = prices
    lines = []
    for key, held in windows.items():
        dearer = prices_of[key].output_mtok > base.output_mtok
        hours = written(held)
        lines.append(row(name, provider, prices_of[key], 0, "peak" if dearer else "off-peak", day, "", hours))
    return lines


def minute(time: datetime.time) -> int:
    """Minutes from midnight UTC."""
    if time.utcoffset() != datetime.timedelta(0):
        raise SystemExit(f"{time}: only hours in UTC are read")
    return time.hour * 60 + time.minute


def row(name: str, provider: str, prices: Any, above: int, mode: str, day: str, until: str, hours: str = "") -> str:
    """One row, or nothing where the sheet has no figure there."""
    found = [(ours, figure(getattr(prices, theirs, None), above)) for theirs, ours in FIELDS]
    if not any(value for _, value in found):
        return ""
    cells = [f'model = "{name}"', f'provider = "{provider}"']
    cells += [f'mode = "{mode}"'] if mode != "standard" else []
    cells += [f'above = "{above} tok"'] if above else []
    cells += [f'hours = "{hours}"'] if hours else []
    cells += [f'{field} = "${value}/Mtok"' for field, value in found if value is not None]
    cells += [f'date = "{day}"'] + ([f'until = "{until}"'] if until else [])
    return "  { " + ", ".join([*cells, 'source = "genai-prices"']) + " },"


def differences(path: Path) -> list[str]:
    """Figures that litellm's table has otherwise by more than 1%."""
    found = second_opinion(price_facts(), read_second_source(path)).differences
    return [f"{d.fact.model} {d.fact.field} {d.fact.mode}: {d.fact.value:g}, {d.other_usd_per_mtok:g}" for d in found]


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

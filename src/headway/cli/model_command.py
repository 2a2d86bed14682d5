"""``headway model`` and ``headway models``: what a model is, what it weighs and what it remembers."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._output import output_options
from headway.cli._params import CONFIG, MODEL, model_names

if TYPE_CHECKING:
    from headway.cli._report import Cell, Report, Table
    from headway.facts.model import Model

# Formats that the table of weights compares, with the cache formats that it is usual to store beside them.
_FORMATS: Final = ("bf16", "fp8", "nvfp4")
_CACHES: Final = ("bf16", "fp8")


@click.command()
@click.argument("name", required=False, type=MODEL)
@click.option("--config", type=CONFIG, help="Read a published config.json instead of the catalog.")
@output_options
def model(name: Model | None, config: str | None) -> Report:
    """Show a model's layers, parameters, weight bytes and KV cache, from the catalog or its config.json.

    Totals are of the text tower, without multi-token-prediction modules.
    """
    from headway.facts.errors import InputError
    from headway.facts.model import Model

    if (name is None) == (config is None):
        raise InputError(
            "NAME", "none" if name is None else f"{name.name} and --config", "a model's name or --config PATH"
        )
    found = name if name is not None else Model.from_config(str(config))
    return describe(found)


@click.command()
@output_options
def models() -> Report:
    """List the models of the catalog."""
    from headway.cli._describe import attention_kinds
    from headway.cli._report import Column, Report, Table, records
    from headway.facts.models import model as look_up
    from headway.physics.attention import kv_bytes_per_token, state_bytes
    from headway.physics.memory import weight_bytes

    columns = (
        Column("model", "model", align="left"),
        Column("total_params", "total", "count"),
        Column("active_params", "active", "count"),
        Column("layers", "layers", priority=4),
        Column("attention", "attention", align="left", fold=True, priority=1),
        Column("weight_bytes", "weights", "bytes"),
        Column("kv_bytes_per_token", "KV/token", "bytes"),
        Column("state_bytes", "constant state", "bytes", priority=2),
        Column("max_context_tokens", "longest context", "tokens", priority=3),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            entry.name,
            entry.total_params,
            entry.active_params,
            entry.n_layers,
            attention_kinds(entry),
            weight_bytes(entry),
            kv_bytes_per_token(entry),
            state_bytes(entry) or None,
            entry.max_context or None,
        )
        for entry in map(look_up, model_names())
    )
    table = Table("models", columns, rows)
    notes = ("Weights and cache in the formats each model is published with. 'headway model NAME' says more.",)
    return Report(f"{len(rows)} models", (table,), notes, {"models": records(table)})


# --- one model ----------------------------------------------------------------------------------


def describe(found: Model) -> Report:
    """Build the report on one model."""
    from headway.cli._describe import attention_kinds, sources_table
    from headway.cli._report import Quantity, Report, facts_table

    counts = (
        ("parameters", Quantity(found.total_params, "count")),
        ("as published", Quantity(found.published_total, "count")),
        ("active per token", Quantity(found.active_params, "count")),
        ("as published, active", Quantity(found.published_active, "count")),
        ("in matrix products", Quantity(found.matmul_params, "count")),
        ("in routed experts", Quantity(found.routed_params, "count")),
        ("total over active", found.sparsity),
        ("hidden width", found.hidden),
        ("vocabulary", found.vocab),
        ("embeddings", "tied" if found.tied_embeddings else "input and output apart"),
        ("prediction modules", found.mtp_layers),
        ("longest context", Quantity(found.max_context or None, "tokens")),
    )
    facts = facts_table("facts", tuple(row for row in counts if row[1] not in (0, Quantity(None, "count"))))
    parts = (facts, _layers(found), _weights(found), _cache(found), sources_table(found.sources))
    title = f"{found.name}: {found.n_layers} layers, {attention_kinds(found)}"
    return Report(title, tuple(part for part in parts if part.rows), found.notes, _document(found), data=facts)


def _layers(found: Model) -> Table:
    from headway.cli._describe import attention_text, ffn_text
    from headway.cli._report import Column, Table

    columns = (
        Column("count", "layers"),
        Column("attention", "attention", align="left", fold=True),
        Column("window_tokens", "window", "tokens", priority=2),
        Column("kv_elements_per_token", "KV elements", priority=1),
        Column("state_elements", "state elements", priority=3),
        Column("ffn", "feed-forward", align="left", fold=True),
    )
    rows: list[tuple[Cell, ...]] = []
    for group in found.layers:
        look = group.attention
        numbers = (look.window, look.kv_elements, look.state_elements or None) if look is not None else (None,) * 3
        rows.append((group.count, attention_text(look), *numbers, ffn_text(group.ffn)))
    return Table("layers", columns, tuple(rows), "Layers")


def _weights(found: Model) -> Table:
    from headway.cli._describe import precision_text
    from headway.cli._report import Column, Table
    from headway.facts.precision import Precision
    from headway.physics.memory import weight_bytes

    columns = (
        Column("format", "weights", align="left"),
        Column("weight_bytes", "bytes", "bytes"),
        Column("parts", "parts", align="left", fold=True, priority=1),
    )
    choices = [("checkpoint", found.precision)]
    choices += [(f"all {name}" if name == "bf16" else name, Precision.uniform(name)) for name in _FORMATS]
    rows = tuple((label, weight_bytes(found, choice), precision_text(choice)) for label, choice in choices)
    return Table("weights", columns, rows, "Weights")


def _cache(found: Model) -> Table:
    from headway.cli._report import Column, Table
    from headway.physics.attention import kv_bytes, kv_bytes_per_token, kv_read_bytes, state_bytes

    columns = (
        Column("cache_format", "KV cache", align="left"),
        Column("kv_bytes_per_token", "per token", "bytes"),
        Column("state_bytes", "constant", "bytes"),
        Column("kv_bytes_at_4k", "stored at 4k", "bytes", priority=1),
        Column("kv_bytes_at_128k", "stored at 128k", "bytes"),
        Column("kv_read_bytes_at_128k", "read at 128k", "bytes"),
    )
    formats = dict.fromkeys((found.precision.kv, *_CACHES))
    rows: list[tuple[Cell, ...]] = []
    for name in formats:
        label = f"{name} (as published)" if name == found.precision.kv else name
        stored = [kv_bytes(found, context, name) for context in (4e3, 128e3)]
        read = kv_read_bytes(found, 128e3, name)
        rows.append((label, kv_bytes_per_token(found, name), state_bytes(found, name), *stored, read))
    return Table("cache", columns, tuple(rows), "Memory of one sequence")


def _document(found: Model) -> dict[str, Any]:
    from headway.physics.attention import cache_shapes, kv_bytes_per_token, state_bytes
    from headway.physics.memory import weight_bytes

    return {
        "model": found.name,
        "total_params": found.total_params,
        "active_params": found.active_params,
        "matmul_params": found.matmul_params,
        "routed_params": found.routed_params,
        "published_total_params": found.published_total,
        "published_active_params": found.published_active,
        "layers": [
            {
                "count": group.count,
                "attention": None
                if group.attention is None
                else {"kind": _kind(group.attention), **_fields(group.attention)},
                "ffn": None if group.ffn is None else {"kind": _kind(group.ffn), **_fields(group.ffn)},
            }
            for group in found.layers
        ],
        "hidden": found.hidden,
        "vocab": found.vocab,
        "tied_embeddings": found.tied_embeddings,
        "mtp_layers": found.mtp_layers,
        "max_context_tokens": found.max_context,
        "precision": _fields(found.precision),
        "weight_bytes": _by_format(found, weight_bytes),
        "kv_bytes_per_token": {name: kv_bytes_per_token(found, name) for name in _cache_formats(found)},
        "state_bytes": {name: state_bytes(found, name) for name in _cache_formats(found)},
        "cache_by_kind": cache_shapes(found),
        "sources": found.sources,
        "notes": found.notes,
    }


def _cache_formats(found: Model) -> tuple[str, ...]:
    return tuple(dict.fromkeys((found.precision.kv, *_CACHES)))


def _by_format(found: Model, size: Any) -> dict[str, float]:
    from headway.facts.precision import Precision

    uniform = {name: size(found, Precision.uniform(name)) for name in _FORMATS}
    return {"published": size(found, found.precision), **uniform}


def _fields(value: Any) -> dict[str, Any]:
    return {entry.name: getattr(value, entry.name) for entry in fields(value)}


def _kind(value: object) -> str:
    return type(value).__name__

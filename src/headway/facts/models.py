"""The catalog of models: layouts as published, with what their makers state about them.

A model is read when it is asked for; importing this module opens no file.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

from headway.facts.counting import StatedCount
from headway.facts.errors import ConfigError, unknown
from headway.facts.huggingface import read_config
from headway.facts.model import Model
from headway.facts.sources import Kind, Source
from headway.facts.spellings import model_name, plain_name


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the catalog.

    Parameters
    ----------
    name : str
        Catalog name.
    hf_id : str
        Name on the Hugging Face hub.
    config : str
        Layout file, without ending; empty where the layout was not read.
    source : Source
        Where the layout comes from.
    maker, released : str
        Who made it and when (``YYYY-MM``); empty where not read.
    aliases : tuple of str
        Further names.
    total, active : StatedCount or None
        Counts as the maker states them.
    total_counts, active_counts : str
        Counting conventions of the two (:mod:`headway.facts.counting`).
    towers_total, towers_active : int
        Parameters outside the text tower that the stated counts include [1].
    counts_source, residual, note : str
        Where the counts come from, what remains unexplained, and what the reader should know.
    active_residual : float
        Unexplained error of the active count, computed over stated less one [1]; 0 where it agrees.
    """

    name: str
    hf_id: str
    config: str
    source: Source
    maker: str = ""
    released: str = ""
    aliases: tuple[str, ...] = ()
    total: StatedCount | None = None
    active: StatedCount | None = None
    total_counts: str = "all"
    active_counts: str = "all"
    towers_total: int = 0
    towers_active: int = 0
    counts_source: str = ""
    residual: str = ""
    note: str = ""
    active_residual: float = 0.0

    @property
    def sources(self) -> tuple[Source, ...]:
        """Sources of the layout and of the counts."""
        if not self.counts_source:
            return (self.source,)
        return self.source, Source(self.counts_source, self.source.retrieved, "reported")


def _read_text(*parts: str) -> str:
    # Deferred: the start of a command should not wait for it.
    from importlib import resources

    return resources.files("headway.facts").joinpath("data", *parts).read_text(encoding="utf-8")


@functools.cache
def entries() -> MappingProxyType[str, Entry]:
    """Read all rows of the catalog, by name.

    >>> entries()["deepseek-v3"].total.text
    '671B'
    """
    import tomllib

    rows = tomllib.loads(_read_text("models.toml"))["model"]
    return MappingProxyType({row["name"]: _entry(row) for row in rows})


def _entry(row: Mapping[str, Any]) -> Entry:
    total, active = row.get("published_total"), row.get("published_active")
    return Entry(
        name=row["name"],
        hf_id=row["hf_id"],
        config=row.get("config", row["name"]),
        source=Source(row["source"], row["retrieved"], cast("Kind", row["kind"])),
        maker=row.get("maker", ""),
        released=row.get("released", ""),
        aliases=tuple(row.get("aliases", ())),
        total=StatedCount.parse(total) if total else None,
        active=StatedCount.parse(active) if active else None,
        total_counts=row.get("total_counts", "all"),
        active_counts=row.get("active_counts", "all"),
        towers_total=row.get("towers_total", 0),
        towers_active=row.get("towers_active", 0),
        counts_source=row.get("counts_source", ""),
        residual=row.get("count_residual_note", ""),
        note=row.get("note", ""),
        active_residual=row.get("active_residual", 0.0),
    )


@functools.cache
def _names() -> MappingProxyType[str, str]:
    """Catalog name by every accepted spelling, in lower case."""
    found: dict[str, str] = {}
    for entry in entries().values():
        spellings = (entry.hf_id, entry.hf_id.rpartition("/")[2], *entry.aliases)
        for spelling in spellings:
            found.setdefault(spelling.lower(), entry.name)
    # A catalog name is never taken over by another row's alias.
    found.update({name.lower(): name for name in entries()})
    return MappingProxyType(found)


@functools.cache
def _layouts() -> MappingProxyType[str, str]:
    """Catalog name by what decides the layout in each accepted spelling; a catalog name goes before an alias."""
    found: dict[str, str] = {}
    for spelling, name in sorted(_names().items(), key=lambda item: item[0] != item[1]):
        found.setdefault(model_name(spelling).layout, name)
    return MappingProxyType(found)


def model_names() -> tuple[str, ...]:
    """Names of all models whose layout is known, sorted.

    >>> "deepseek-v3" in model_names()
    True
    """
    return tuple(sorted(name for name, entry in entries().items() if entry.config))


def find(name: str) -> Entry:
    """Find a row by catalog name, hub name or alias, or by the name of a copy of it in another format or tuning.

    Case, blanks, underscores and hyphens do not matter.

    Raises
    ------
    UnknownNameError
        If no row has the name; the message has the nearest one.

    Examples
    --------
    >>> find("deepseek-ai/DeepSeek-R1").name, find("nvidia/DeepSeek-R1-0528-FP4").name
    ('deepseek-r1', 'deepseek-r1')
    >>> find("Qwen/Qwen3-235B-A22B-Instruct-2507").name
    'qwen3-235b-a22b'
    """
    names = _names()
    key = plain_name(str(name)[:200])
    found = names.get(str(name).strip().lower()) or names.get(key) or _layouts().get(model_name(key).layout)
    if found is None:
        raise unknown(
            "model", str(name), names, f"one of {len(model_names())} known models, or the path of a config.json"
        )
    return entries()[found]


def model(name: str) -> Model:
    """Read one model of the catalog.

    Parameters
    ----------
    name : str
        Catalog name (``"deepseek-v3"``), hub name or alias. A number format in the name of a copy
        (``"Qwen3-32B-FP8"``) becomes that of the weights.

    Returns
    -------
    Model
        With the counts its maker states and the sources of both.

    Raises
    ------
    UnknownNameError
        If the catalog has no such model; the message has the nearest name.
    ConfigError
        If the catalog knows the model by its size only.

    Examples
    --------
    >>> model("deepseek-v3").total_params
    671026419200
    >>> model("Llama-3.3-70B-Instruct").name
    'llama-3.3-70b'
    >>> copy = model("nvidia/Llama-3.3-70B-Instruct-FP4")
    >>> copy.name, copy.precision.ffn
    ('llama-3.3-70b-nvfp4', 'nvfp4')
    """
    found = _read(find(name).name)
    if str(name).strip().lower() in _names():
        return found
    label = model_name(str(name)).label
    formats = found.precision.stored_as(label) if label else found.precision
    return found if formats == found.precision else replace(found, name=f"{found.name}-{label}", precision=formats)


def layout(name: str) -> Model:
    """The model of that name as its maker published it, whatever format the name states.

    Raises
    ------
    UnknownNameError, ConfigError
        As :func:`model`.

    Examples
    --------
    >>> layout("nvidia/Llama-3.3-70B-Instruct-FP4").precision.ffn
    'bf16'
    """
    return _read(find(name).name)


@functools.cache
def _read(name: str) -> Model:
    entry = entries()[name]
    if not entry.config:
        size = entry.total.text if entry.total else "unknown"
        expected = f"a model whose layout was read; known of it: {size} parameters in total ({entry.source.text})"
        raise ConfigError("model", name, expected)
    found = read_config(json.loads(_read_text("models", f"{entry.config}.json")), entry.name)
    notes = (entry.note,) if entry.note else ()
    return replace(
        found,
        published_total=entry.total.value if entry.total else None,
        published_active=entry.active.value if entry.active else None,
        sources=entry.sources,
        notes=notes or found.notes,
    )

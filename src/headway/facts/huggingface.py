"""Read a published Hugging Face ``config.json`` (or Mistral's ``params.json``) as a model; nothing is downloaded.

The layers are read by the family's own reader (:mod:`headway.facts.families`), the formats by
:mod:`headway.facts.quantization`. Every failure is one :class:`~headway.facts.errors.ConfigError` that names the field.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headway.facts.errors import ConfigError, nearest
from headway.facts.families import FAMILIES, Family
from headway.facts.families.fields import MOST, Fields
from headway.facts.families.latent import from_params
from headway.facts.model import Model
from headway.facts.quantization import read_precision

MOST_BYTES = 4 * 1024 * 1024
# Where multimodal configurations keep the tower that writes text.
TOWERS = ("text_config", "llm_config", "language_config", "thinker_config")
SIDES = ("vision_config", "audio_config", "vision_encoder", "visual")

_UNDERSTOOD = (
    ("hidden size", ("hidden_size", "dim", "n_embd")),
    ("layers", ("num_hidden_layers", "n_layers", "n_layer")),
    ("query heads", ("num_attention_heads", "n_heads", "n_head")),
    ("key/value heads", ("num_key_value_heads", "n_kv_heads")),
    ("head width", ("head_dim",)),
    ("feed-forward width", ("intermediate_size", "hidden_dim")),
    ("experts", ("num_experts", "n_routed_experts", "num_local_experts")),
    ("vocabulary", ("vocab_size",)),
)


def read_config(config: str | Path | Mapping[str, Any], name: str | None = None, *, formats: bool = True) -> Model:
    """Read a published configuration.

    Parameters
    ----------
    config : str, Path or mapping
        Path of a ``config.json`` of at most 4 MiB, or its contents. An ``hf_quant_config.json`` beside
        the file is read too where the configuration has no ``quantization_config``.
    name : str, optional
        Name of the model; otherwise the folder of the file, or the family.
    formats : bool
        Read the formats of the weights; all are in the base type otherwise.

    Returns
    -------
    Model
        The text tower; vision and audio towers and prediction modules are not counted.

    Raises
    ------
    ConfigError
        If the file cannot be read as a configuration, the family is unknown (the message lists what was
        understood and what is missing) or a field is missing, of the wrong type or absurd.

    Examples
    --------
    >>> read_config(
    ...     {
    ...         "model_type": "llama",
    ...         "hidden_size": 4096,
    ...         "num_hidden_layers": 32,
    ...         "num_attention_heads": 32,
    ...         "num_key_value_heads": 8,
    ...         "intermediate_size": 14336,
    ...         "vocab_size": 128256,
    ...     },
    ...     name="llama-3.1-8b",
    ... ).total_params
    8030261248
    """
    if isinstance(config, Mapping):
        return _from_mapping(config, name or "", formats)
    if not isinstance(config, (str, os.PathLike)):
        raise ConfigError("config", config, "a path of a config.json or its contents as a mapping")
    path = Path(config)
    data = read_json(path)
    if "quantization_config" not in data and path.name.endswith("config.json"):
        beside = path.with_name(path.name.removesuffix("config.json") + "hf_quant_config.json")
        if beside.is_file():
            data = {**data, "quantization_config": read_json(beside)}
    stem = path.parent.name if path.name in ("config.json", "params.json") else path.stem
    return _from_mapping(data, name or stem, formats)


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object from a file of bounded size; duplicate keys, deep nesting and other types are refused.

    >>> read_json(Path("absent.json"))
    Traceback (most recent call last):
    headway.facts.errors.ConfigError: absent.json: 'absent' is not accepted: expected a config.json file
    """
    field = str(path)
    try:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "absent" if not path.exists() else "not a regular file"
            raise ConfigError(field, found, "a config.json file")
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(field, str(error), "a config.json file that can be read") from None
    if len(raw) > MOST_BYTES:
        raise ConfigError(field, f"more than {MOST_BYTES:,} bytes", f"a config.json of at most {MOST_BYTES:,} bytes")
    try:
        data = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise ConfigError(field, "binary data", "a config.json in UTF-8") from None
    except RecursionError:
        raise ConfigError(field, "JSON nested too deeply", "a config.json") from None
    except _DuplicateKeyError as error:
        raise ConfigError(field, f"key {error} twice", "a config.json with each key once") from None
    except ValueError as error:
        raise ConfigError(field, f"not JSON ({error})", "a whole config.json") from None
    if not isinstance(data, dict):
        raise ConfigError(field, f"JSON {type(data).__name__}", "a JSON object")
    return data


class _DuplicateKeyError(Exception):
    """A JSON object names one key twice: which one counts would be a guess."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key[:60])
            seen.add(key)
    return found


def _from_mapping(data: Mapping[str, Any], name: str, formats: bool) -> Model:
    if "dim" in data and "n_layers" in data and "model_type" not in data:
        data = from_params(data)
    outer = Fields(data)
    kind, family, text = _family(outer)
    fields = Fields({**family.defaults, **text.data}, text.label)
    stack = family.read(fields)
    layers = sum(group.count for group in stack.layers)
    if not layers:
        raise fields.refuse("num_hidden_layers", 0, f"a whole number from 1 to {MOST['num_hidden_layers']:,}")
    notes = stack.notes
    if text is not outer or any(isinstance(data.get(side), Mapping) for side in SIDES):
        notes = (*notes, "text tower only")
    return Model(
        name=name or kind,
        hidden=fields.whole("hidden_size"),
        vocab=fields.whole("vocab_size"),
        layers=stack.layers,
        tied_embeddings=_tied(outer, fields),
        max_context=fields.count("max_position_embeddings", "model_max_length", "max_seq_len", "seq_length"),
        precision=read_precision(fields, _quantization(outer, text) if formats else None, layers),
        mtp_layers=stack.mtp_layers,
        extra_params=stack.extra_params,
        notes=notes,
    )


def _tied(outer: Fields, fields: Fields) -> bool:
    """Tell whether embeddings are tied: multimodal files say it outside the text tower, and that counts first."""
    if outer.data.get("tie_word_embeddings") is not None:
        return outer.flag("tie_word_embeddings")
    return fields.flag("tie_word_embeddings")


def _quantization(outer: Fields, text: Fields) -> Mapping[str, Any] | None:
    for place in (text, outer):
        section = place.section("quantization_config")
        if section is not None:
            return section.data
    return None


def _text_tower(outer: Fields) -> Fields:
    for key in TOWERS:
        inner = outer.section(key)
        if inner is not None:
            return inner
    return outer


def _family(outer: Fields) -> tuple[str, Family, Fields]:
    """Find the family: the text tower's own kind first, then the whole model's, then the class that loads it."""
    text = _text_tower(outer)
    kinds = [place.word("model_type") for place in (text, outer)]
    for kind in kinds:
        for candidate in (kind, kind.removesuffix("_text")):
            if candidate in FAMILIES:
                return candidate, FAMILIES[candidate], text
    for place in (text, outer):
        for candidate in _from_class(place):
            return candidate, FAMILIES[candidate], text
    raise _unknown(next((kind for kind in kinds if kind), ""), text)


def _from_class(place: Fields) -> list[str]:
    """Families whose name is the loader's class without its ending (``DeepseekV4ForCausalLM``)."""
    classes = place.data.get("architectures")
    if not isinstance(classes, (list, tuple)) or not classes or not isinstance(classes[0], str):
        return []
    short = classes[0][:200].split("For")[0].lower()
    return [name for name in FAMILIES if name.replace("_", "") == short]


def _unknown(kind: str, text: Fields) -> ConfigError:
    found, missing = [], []
    for label, keys in _UNDERSTOOD:
        value = text.find(*keys)[1]
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**12:
            found.append(f"{label} {value:,}")
        else:
            missing.append(label)
    closest = nearest(kind, FAMILIES) if kind else None
    expected = (
        f"one of {len(FAMILIES)} known families; understood: {', '.join(found) or 'nothing'}"
        f"; missing: {', '.join(['how its layers are built', *missing])}"
    )
    return ConfigError(f"{text.label}: model_type", kind or "absent", expected, closest)

"""Formats of a model's parts, from the ``quantization_config`` that is published with its weights.

Understood: DeepSeek's block FP8, per-tensor FP8, MXFP4 of gpt-oss, ModelOpt (``quantization_config`` or
the contents of ``hf_quant_config.json``), compressed-tensors, AWQ, GPTQ, AutoRound, bitsandbytes, torchao and Quark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from headway.facts.errors import ConfigError, nearest
from headway.facts.families.fields import Fields
from headway.facts.module_names import Patterns
from headway.facts.precision import Precision

ALGORITHMS: MappingProxyType[str, str] = MappingProxyType(
    {
        "FP8": "fp8",
        "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
        "FP8_PB_WO": "fp8-block",
        "FP8_BLOCK_SCALES": "fp8-block",
        "NVFP4": "nvfp4",
        "NVFP4_AWQ": "nvfp4",
        "W4A16_NVFP4": "nvfp4",
        "W4A8_NVFP4_FP8": "nvfp4",
        "MXFP4": "mxfp4",
        "W4A8_MXFP4_FP8": "mxfp4",
        "MXFP8": "mxfp8",
        "INT8": "int8",
        "W8A8_SQ_PER_CHANNEL": "int8",
        "W4A16": "int4-g128",
        "W4A16_AWQ": "int4-g128",
        "W4A8_AWQ": "int4-g128",
        "INT4": "int4-g128",
    }
)
METHODS = (
    "auto-round",
    "awq",
    "bitsandbytes",
    "compressed-tensors",
    "fbgemm_fp8",
    "fp8",
    "gptq",
    "modelopt",
    "modelopt_fp4",
    "mxfp4",
    "quark",
    "torchao",
)

# Keys that list what a tool left alone: compressed-tensors, ModelOpt, transformers, AutoFP8, Quark, GPTQModel and
# bitsandbytes.
_EXCLUDED = (
    "ignore",
    "exclude_modules",
    "modules_to_not_convert",
    "ignored_layers",
    "exclude",
    "dynamic",
    "llm_int8_skip_modules",
)
# Beginnings of names of formats and types as AutoRound, torchao and Quark write them; the first that is found counts.
_SPELLED = MappingProxyType(
    {
        "mx_fp8": "mxfp8",
        "mx_fp": "mxfp4",
        "nv_fp": "nvfp4",
        "int4": "int4-g128",
        "uint4": "int4-g128",
        "float8": "fp8",
        "fp8": "fp8",
        "fp4": "mxfp4",
        "int8": "int8",
    }
)

# Where the bulk of each part's weights sits, under the names that published checkpoints use.
_PARTS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "attention": ("self_attn.o_proj", "linear_attn.out_proj", "attn.wo_b", "mixer.o_proj", "mixer.out_proj"),
        "ffn": (
            "mlp.down_proj",
            "mlp.shared_experts.down_proj",
            "mlp.shared_expert.down_proj",
            "ffn.shared_experts.w2",
            "block_sparse_moe.shared_experts.down_proj",
            "mixer.shared_experts.down_proj",
        ),
        "experts": (
            "mlp.experts.0.down_proj",
            "experts.0.down_proj",
            "ffn.experts.0.w2",
            "block_sparse_moe.experts.0.w2",
            "mixer.experts.0.down_proj",
        ),
    }
)
_PREFIXES = (
    "model.layers.",
    "model.language_model.layers.",
    "language_model.model.layers.",
    "layers.",
    "backbone.layers.",
)
_SAMPLES = 5


def read_precision(fields: Fields, quantization: Mapping[str, Any] | None, layers: int) -> Precision:
    """Read the format of each part.

    Parameters
    ----------
    fields : Fields
        The text tower, for its base type and DeepSeek V4's ``expert_dtype``.
    quantization : mapping or None
        ``quantization_config`` as published, or the contents of ``hf_quant_config.json``.
    layers : int
        Layers of the stack [1].

    Returns
    -------
    Precision
        Embedding and head stay in the base type; tools quantize neither by default.

    Raises
    ------
    ConfigError
        If the method or a format is not understood.

    Examples
    --------
    >>> read_precision(Fields({}), {"quant_method": "fp8", "weight_block_size": [128, 128]}, 61).experts
    'fp8-block'
    """
    base = _base(fields)
    if quantization is None:
        return Precision(base, base, base, base, base)
    outer = Fields(quantization, f"{fields.label}: quantization_config")
    inner = outer.section("quantization")
    config = Fields({**outer.data, **inner.data}, outer.label) if inner is not None else outer
    formats = dict.fromkeys(_PARTS, base)
    default = _default_format(config)
    # Where a tool requantizes part of an FP8 checkpoint, its own lists say what it left in FP8.
    requantized = _method(config) == "fp8" and "quantized_layers" in config.data
    keys = ("modules_to_not_convert",) if requantized else _EXCLUDED
    excluded = [Patterns.of(config, key) for key in keys]
    for part, modules in _PARTS.items():
        if default is not None and not _mostly(modules, layers, lambda name: any(p.match(name) for p in excluded)):
            formats[part] = default
    if _method(config) == "mxfp4":
        formats["attention"] = formats["ffn"] = base
    formats |= _by_group(config, layers) | _by_layer(config, layers)
    experts = fields.word("expert_dtype")
    if experts and config.find("moe_quant_algo")[1] is None:
        formats["experts"] = {"fp4": "mxfp4", "fp8": formats["ffn"]}.get(experts, base)
    return Precision(base, formats["attention"], formats["ffn"], formats["experts"], base, kv=_cache(config))


def _base(fields: Fields) -> str:
    name = fields.word("torch_dtype", "dtype", default="bfloat16").removeprefix("torch.")
    return "fp32" if name == "float32" else "bf16"


def _method(config: Fields) -> str:
    stated = config.word("quant_method").lower()
    if stated:
        return stated
    return "modelopt" if config.find("quant_algo", "kv_cache_quant_algo", "quantized_layers")[1] is not None else ""


def _default_format(config: Fields) -> str | None:
    """Return the format of everything that is not excluded; None where formats are listed layer by layer."""
    method = _method(config)
    if method not in METHODS:
        expected = f"one of {', '.join(METHODS)}"
        raise config.refuse("quant_method", method or "absent", expected, nearest(method, METHODS))
    if method in ("fp8", "fbgemm_fp8"):
        return "fp8-block" if config.data.get("weight_block_size") else "fp8"
    if method == "mxfp4":
        return "mxfp4"
    if method in ("awq", "gptq"):
        return _integer(config)
    if method in ("auto-round", "bitsandbytes", "torchao", "quark"):
        return _by_tool(config, method)
    algorithm = config.word("quant_algo")
    if method.startswith("modelopt") and algorithm and algorithm != "MIXED_PRECISION":
        return _algorithm(config, algorithm)
    return None


def _by_tool(config: Fields, method: str) -> str:
    """Format under the keys of AutoRound, bitsandbytes, torchao and Quark."""
    if method == "auto-round":
        kind = config.word("data_type", default="int")
        return _integer(config) if kind == "int" else _spelled(config, "data_type", kind)
    if method == "bitsandbytes":
        if not config.flag("load_in_4bit"):
            return "int8"
        # Blocks of 64 with a 32-bit scale take as much as 16 bits per 32; scales that are quantized again, a quarter.
        return "int4-g128" if config.flag("bnb_4bit_use_double_quant") else "int4"
    if method == "torchao":
        given = config.data.get("quant_type")
        if isinstance(given, Mapping):
            given = given.get("default")
        named = given.get("_type") if isinstance(given, Mapping) else given
        # A type names the activations first: Int8DynamicActivationInt4Weight has weights of four bits.
        text = str(named).lower().replace("_", "").rpartition("activation")[2]
        return _spelled(config, "quant_type", text)
    every = config.section("global_quant_config")
    weight = every.section("weight") if every is not None else None
    if every is None or weight is None:
        raise config.refuse("global_quant_config", "absent", "the format of the weights")
    return _spelled(weight, "dtype", weight.word("dtype"))


def _spelled(config: Fields, key: str, text: str) -> str:
    for spelling, name in _SPELLED.items():
        if text.startswith(spelling):
            return name
    raise config.refuse(key, text or "absent", f"a type that begins with one of {', '.join(_SPELLED)}")


def _algorithm(config: Fields, name: str) -> str:
    try:
        return ALGORITHMS[name.upper()]
    except KeyError:
        expected = f"one of {', '.join(ALGORITHMS)}"
        raise config.refuse("quant_algo", name, expected, nearest(name, ALGORITHMS)) from None


def _integer(config: Fields) -> str:
    bits = config.whole("bits", "w_bit", default=4, most=8)
    if bits == 8:
        return "int8"
    if bits != 4:
        raise config.refuse("bits", bits, "4 or 8")
    return "int4" if config.whole("group_size", default=128, least=-1) == 32 else "int4-g128"


def _weights(group: Fields) -> str | None:
    """Format that one of compressed-tensors' or ModelOpt's groups gives to weights."""
    weights = group.section("weights")
    if weights is None:
        return None
    bits, kind = weights.whole("num_bits", most=64), weights.word("type", default="int")
    size = weights.count("group_size", default=0)
    if kind == "float" and bits == 8:
        block = weights.word("strategy") == "block"
        return "mxfp8" if size == 32 else "fp8-block" if block else "fp8"
    if kind == "float" and bits == 4:
        return "nvfp4" if size == 16 else "mxfp4"
    if kind == "int" and bits == 8:
        return "int8"
    if kind == "int" and bits == 4:
        return "int4" if size == 32 else "int4-g128"
    raise weights.refuse("num_bits", f"{bits} ({kind})", "4 or 8 bits of type int or float")


def _by_group(config: Fields, layers: int) -> dict[str, str]:
    """Formats of ``config_groups``: each names the modules it covers, or all linear ones that no other names."""
    section = config.section("config_groups")
    if section is None or config.word("quant_algo"):
        return {}
    excluded = Patterns.of(config, "ignore")
    named: dict[str, str] = {}
    rest: dict[str, str] = {}
    for key in list(section.data)[:1000]:
        group = section.section(key) if isinstance(key, str) else None
        chosen = _weights(group) if group is not None else None
        if group is None or chosen is None:
            continue
        targets = Patterns.of(group, "targets")
        for part, modules in _PARTS.items():
            if _mostly(modules, layers, excluded.match):
                continue
            if _mostly(modules, layers, targets.match):
                named.setdefault(part, chosen)
            elif "Linear" in targets.plain:
                rest.setdefault(part, chosen)
    return rest | named


def _by_layer(config: Fields, layers: int) -> dict[str, str]:
    """Formats of ModelOpt's ``quantized_layers``, which names every module."""
    section = config.section("quantized_layers")
    if section is None:
        return {}
    found: dict[str, str] = {}
    for part, modules in _PARTS.items():
        for name in _names(modules, layers):
            entry = next((section.data[n] for n in _with_parents(name) if n in section.data), None)
            if isinstance(entry, Mapping) and isinstance(entry.get("quant_algo"), str):
                found[part] = _algorithm(section, entry["quant_algo"])
    return found


def _with_parents(name: str) -> Iterable[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _sampled(layers: int) -> list[int]:
    return sorted({i * (layers - 1) // max(_SAMPLES - 1, 1) for i in range(_SAMPLES)})


def _names(modules: Iterable[str], layers: int) -> Iterable[str]:
    for layer in _sampled(layers):
        for prefix in _PREFIXES:
            for module in modules:
                yield f"{prefix}{layer}.{module}"


def _mostly(modules: tuple[str, ...], layers: int, listed: Any) -> bool:
    """Tell whether a part is listed on most of a few layers spread over the stack."""
    votes = [any(listed(f"{p}{i}.{m}") for p in _PREFIXES for m in modules) for i in _sampled(layers)]
    return 2 * sum(votes) > len(votes)


def _cache(config: Fields) -> str:
    """Format of the KV cache: what the publisher calibrated, else bfloat16."""
    name = config.find("kv_cache_quant_algo")[1]
    if isinstance(name, str):
        return _algorithm(config, name)
    if name is not None:
        raise config.refuse("kv_cache_quant_algo", name, "the name of a format")
    scheme = config.find("kv_cache_scheme")[1]
    if isinstance(scheme, str):
        # AutoFP8 only says how the scales of its FP8 cache are found.
        return "fp8" if scheme in ("static", "dynamic") else _algorithm(config, scheme)
    if scheme is None:
        return "bf16"
    section = config.section("kv_cache_scheme")
    bits = section.whole("num_bits", most=64) if section is not None else 0
    if bits == 8:
        return "int8" if section is not None and section.word("type") == "int" else "fp8"
    if bits == 4:
        return "nvfp4"
    raise ConfigError(f"{config.label}: kv_cache_scheme", bits, "4 or 8 bits")

"""Names as people write them: what in a name decides which model or device it is, and what only describes a copy.

A published model stands on the hub under many names: by tuning, by number format, by whoever converted it. The
layout is the same, so one row of the catalog answers for all of them. Devices carry makers, memory sizes and blanks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_LABELS_OF: Final = MappingProxyType(
    {
        "bf16": ("bf16", "fp16", "bf16/fp16", "float16", "bfloat16"),
        "fp8": ("fp8", "float8"),
        "mxfp8": ("mxfp8",),
        "int8": ("int8", "w8a8", "w8a16", "8bit"),
        "nvfp4": ("nvfp4", "nvfp4a16", "fp4"),
        "mxfp4": ("mxfp4",),
        "int4-g128": ("int4", "awq", "gptq", "w4a16", "4bit"),
    }
)
LABELS: Final = MappingProxyType({label: name for name, labels in _LABELS_OF.items() for label in labels})
"""Labels of the formats of a checkpoint, with the number format each one means."""

# Methods, not formats: most copies made by them have four bits, and those that have not say so in another word.
_METHODS: Final = frozenset({"awq", "gptq"})
_TUNED: Final = frozenset(
    {"instruct", "chat", "it", "hf", "base", "thinking", "preview", "meta", "nvidia", "sft", "rl"}
)
_PACKED: Final = frozenset({"kv", "dynamic", "static", "block", "blockwise", "quantized", "g32", "g64", "g128"})
_DATE: Final = re.compile(r"2[3-6](0[1-9]|1[0-2])|(0[1-9]|1[0-2])[0-3][0-9]", re.ASCII)
_VERSION_OF_COPY: Final = re.compile(r"v[0-9]", re.ASCII)
_MAKER: Final = re.compile(r"(nvidia|amd|google|aws|intel|cerebras)-(?=.)", re.ASCII)
_MEMORY: Final = re.compile(r"(.+?)-([0-9]{1,4})-?gi?b(-hbm[0-9]e?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's name, taken apart.

    Parameters
    ----------
    layout : str
        What decides the layout: no maker, tuning, date or format, and no signs between the words.
    label : str
        Number format that the name states (:class:`~headway.facts.precision.Format`); empty where none is.
    """

    layout: str
    label: str


@dataclass(frozen=True, slots=True)
class DeviceName:
    """A device's name, taken apart.

    Parameters
    ----------
    whole : str
        Without its maker, with the memory that it states.
    bare : str
        Without that memory.
    memory_gb : float or None
        The memory [GB].
    """

    whole: str
    bare: str
    memory_gb: float | None


def plain_name(name: str) -> str:
    """A name in lower case, with hyphens for blanks and underscores.

    >>> plain_name(" GB200 NVL72 ")
    'gb200-nvl72'
    """
    return re.sub(r"[\s_-]+", "-", name.strip().lower())


def model_name(name: str) -> ModelName:
    """Take the name of a model apart.

    Parameters
    ----------
    name : str
        As on the hub (``"nvidia/DeepSeek-R1-0528-FP4-v2"``), in a table, or as typed.

    Examples
    --------
    >>> model_name("nvidia/DeepSeek-R1-0528-FP4-v2")
    ModelName(layout='deepseekr1', label='nvfp4')
    >>> model_name("Qwen/Qwen3-30B-A3B-Instruct-2507").layout == model_name("qwen3-30b-a3b").layout
    True
    >>> model_name("Mistral-7B-Instruct-v0.3").layout, model_name("llama2-70b").layout
    ('mistral7bv0.3', 'llama270b')
    """
    kept: list[str] = []
    label = usual = ""
    for word in plain_name(name).rpartition("/")[2].split("-"):
        bare = word.removeprefix("quantized.")
        if bare in _METHODS:
            usual = usual or LABELS[bare]
        elif bare in LABELS:
            label = label or LABELS[bare]
        elif (
            word in _TUNED
            or word in _PACKED
            or _DATE.fullmatch(word)
            or ((label or usual) and _VERSION_OF_COPY.fullmatch(word))
        ):
            continue
        else:
            kept.append(word)
    return ModelName("".join(kept), label or usual)


def device_name(name: str) -> DeviceName:
    """Take the name of a device apart.

    Examples
    --------
    >>> device_name("NVIDIA H100 80GB HBM3")
    DeviceName(whole='h100-80gb', bare='h100', memory_gb=80.0)
    >>> device_name("A100-SXM4-40GB").whole, device_name("TPU v6e (Trillium)").bare
    ('a100-sxm-40gb', 'tpu-v6e')
    """
    found = plain_name(re.sub(r"\([^()]*\)\s*$", "", name, flags=re.ASCII))
    found = _MAKER.sub("", found, count=1)
    found = re.sub(r"-sxm[0-9]\b", "-sxm", found, flags=re.ASCII)
    sized = _MEMORY.fullmatch(found)
    if sized is None:
        return DeviceName(found, found, None)
    return DeviceName(f"{sized[1]}-{sized[2]}gb", sized[1], float(sized[2]))

"""Formats of a model's parts, from what publishers write."""

from __future__ import annotations

from typing import Any

import pytest

from headway.facts.errors import ConfigError
from headway.facts.families.fields import Fields
from headway.facts.models import model
from headway.facts.module_names import globs
from headway.facts.precision import Precision
from headway.facts.quantization import read_precision


def read(quantization: dict[str, Any] | None, layers: int = 32, **text: Any) -> Precision:
    return read_precision(Fields(text), quantization, layers)


@pytest.mark.parametrize(
    ("name", "attention", "ffn", "experts", "kv"),
    [
        ("deepseek-v3", "fp8-block", "fp8-block", "fp8-block", "bf16"),
        ("deepseek-v4-pro", "fp8-block", "fp8-block", "mxfp4", "bf16"),
        ("kimi-k2.5", "bf16", "bf16", "int4", "bf16"),
        ("kimi-k3", "bf16", "bf16", "mxfp4", "bf16"),
        ("gpt-oss-120b", "bf16", "bf16", "mxfp4", "bf16"),
        ("gemma-4-31b", "bf16", "nvfp4", "nvfp4", "fp8"),
        ("mistral-large-3", "fp8-block", "fp8-block", "fp8-block", "bf16"),
        ("minimax-m2.5", "fp8-block", "fp8-block", "fp8-block", "bf16"),
        ("nemotron-3-super-120b-a12b", "fp8", "fp8", "fp8", "fp8"),
        ("llama-3.1-70b", "bf16", "bf16", "bf16", "bf16"),
    ],
)
def test_published_formats(name: str, attention: str, ffn: str, experts: str, kv: str) -> None:
    found = model(name).precision
    assert (found.attention, found.ffn, found.experts, found.kv) == (attention, ffn, experts, kv)
    assert (found.embedding, found.head) == ("bf16", "bf16")


def test_modelopt_as_a_separate_file() -> None:
    found = read(
        {
            "producer": {"name": "modelopt"},
            "quantization": {
                "quant_algo": "NVFP4",
                "kv_cache_quant_algo": "FP8",
                "group_size": 16,
                "exclude_modules": ["lm_head", *(f"model.layers.{i}.self_attn*" for i in range(32))],
            },
        }
    )
    assert (found.attention, found.ffn, found.experts, found.kv) == ("bf16", "nvfp4", "nvfp4", "fp8")


def test_formats_listed_layer_by_layer() -> None:
    layers = {
        f"model.language_model.layers.{i}.{module}": {"quant_algo": algorithm}
        for i in range(32)
        for module, algorithm in (("self_attn.o_proj", "FP8"), ("mlp.down_proj", "W4A16_NVFP4"))
    }
    found = read({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers})
    assert (found.attention, found.ffn, found.experts) == ("fp8", "nvfp4", "bf16")


def test_experts_requantized_inside_an_fp8_checkpoint() -> None:
    found = read(
        {
            "quant_method": "fp8",
            "weight_block_size": [128, 128],
            "moe_quant_algo": "NVFP4",
            "ignore": ["*.attn.*"],
            "quantized_layers": {f"layers.{i}.ffn.experts": {"quant_algo": "NVFP4"} for i in range(32)},
        },
        expert_dtype="fp4",
    )
    assert (found.attention, found.ffn, found.experts) == ("fp8-block", "fp8-block", "nvfp4")


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"num_bits": 4, "type": "int", "group_size": 32}, "int4"),
        ({"num_bits": 4, "type": "int", "group_size": 128}, "int4-g128"),
        ({"num_bits": 4, "type": "float", "group_size": 16}, "nvfp4"),
        ({"num_bits": 4, "type": "float", "group_size": 32}, "mxfp4"),
        ({"num_bits": 8, "type": "float", "strategy": "channel"}, "fp8"),
        ({"num_bits": 8, "type": "float", "strategy": "block"}, "fp8-block"),
        ({"num_bits": 8, "type": "float", "group_size": 32}, "mxfp8"),
        ({"num_bits": 8, "type": "int"}, "int8"),
    ],
)
def test_groups_of_compressed_tensors(weights: dict[str, Any], expected: str) -> None:
    group = {"targets": ["Linear"], "weights": weights}
    found = read({"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, "ignore": ["lm_head"]})
    assert (found.attention, found.ffn, found.experts) == (expected, expected, expected)


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "int4-g128"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32}, "int4"),
        ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "auto-round", "bits": 4, "group_size": 128, "data_type": "int"}, "int4-g128"),
        ({"quant_method": "auto-round", "bits": 4, "group_size": 32, "data_type": "mx_fp"}, "mxfp4"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "int4"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True}, "int4-g128"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
        ({"quant_method": "torchao", "quant_type": "int4_weight_only"}, "int4-g128"),
        (
            {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8DynamicActivationInt4WeightConfig"}}},
            "int4-g128",
        ),
        (
            {
                "quant_method": "torchao",
                "quant_type": {"default": {"_type": "Float8DynamicActivationFloat8WeightConfig"}},
            },
            "fp8",
        ),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4", "group_size": 32}}}, "mxfp4"),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}}, "fp8"),
        ({"quant_method": "fbgemm_fp8", "modules_to_not_convert": ["lm_head"]}, "fp8"),
    ],
)
def test_other_methods(quantization: dict[str, Any], expected: str) -> None:
    assert read(quantization).ffn == expected


@pytest.mark.parametrize(
    "quantization",
    [
        {},
        {"quant_method": "magic"},
        {"quant_method": 3},
        {"quant_method": "modelopt", "quant_algo": "NVFP5"},
        {"quant_method": "fp8", "modules_to_not_convert": 5},
        {"quant_method": "fp8", "modules_to_not_convert": ["x" * 1000]},
        {"quant_method": "gptq", "bits": 3},
        {"quant_method": "quark"},
        {"quant_method": "torchao", "quant_type": 3},
        {"quant_method": "auto-round", "data_type": "fp2"},
        {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": ["FP8"]},
        {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_scheme": {"num_bits": 3}},
        {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": {"num_bits": 5}}}},
        {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": 4}}},
        {"quant_method": "modelopt", "quantization": "NVFP4"},
    ],
)
def test_what_is_not_understood_is_one_error(quantization: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        read(quantization)
    assert "\n" not in str(caught.value)


ATTENTION = [f"model.layers.{i}.self_attn.{x}_proj" for i in range(32) for x in "qkvo"]


@pytest.mark.parametrize(
    "quantization",
    [
        {"quant_method": "fp8", "ignored_layers": ["lm_head", *ATTENTION]},
        {"quant_method": "gptq", "bits": 4, "dynamic": {"lm_head": {}, "-:.*attn.*": {}}},
        {"quant_method": "quark", "exclude": ATTENTION, "global_quant_config": {"weight": {"dtype": "fp4"}}},
        {"quant_method": "fp8", "ignore": [r"re:model\.layers\.([0-9]|[1-7][0-9])\.self_attn\..*"]},
        {"quant_method": "fp8", "ignore": [r"re:.*self_attn\.[qkvo]_proj$"]},
        {"quant_method": "fp8", "ignore": [r"re:(model\.)?layers\.\d{1,2}\.(?:self|linear)_attns?.*"]},
    ],
)
def test_attention_that_a_tool_left_alone(quantization: dict[str, Any]) -> None:
    found = read(quantization)
    assert found.attention == "bf16"
    assert found.ffn != "bf16"
    assert found.experts != "bf16"


def test_expressions_name_a_group_before_the_class_does() -> None:
    experts = {"targets": ["re:.*experts.*"], "weights": {"num_bits": 4, "type": "float", "group_size": 16}}
    rest = {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}
    for groups in ({"a": experts, "b": rest}, {"a": rest, "b": experts}):
        found = read({"quant_method": "compressed-tensors", "config_groups": groups})
        assert (found.attention, found.experts) == ("fp8", "nvfp4")


def test_the_scales_of_an_eight_bit_cache() -> None:
    assert read({"quant_method": "fp8", "kv_cache_scheme": "static"}).kv == "fp8"


def test_hostile_expressions_are_not_run() -> None:
    evil = ["re:(a+)+$", "re:(.*)*#", "re:" + "(a|" * 60 + "b" + ")" * 60, "re:["]
    assert read({"quant_method": "fp8", "modules_to_not_convert": evil}).experts == "fp8"
    # A pattern that matches every name excludes every module, however it is written.
    for everything in ("*" * 300, "re:" + ".*" * 140):
        assert read({"quant_method": "fp8", "modules_to_not_convert": [everything]}).experts == "bf16"
    assert globs("re:(a+)+$") == []


def test_float32_checkpoints() -> None:
    assert read(None, torch_dtype="float32").ffn == "fp32"
    assert read(None, dtype="torch.float16").ffn == "bf16"

"""Published configurations: exact counts against an independent implementation, and hostile files."""

from __future__ import annotations

import copy
import json
import math
import os
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.facts.errors import ConfigError, InputError
from headway.facts.families import FAMILIES
from headway.facts.huggingface import MOST_BYTES, read_config
from headway.facts.layers import CompressedAttention, ExpertFFN, LatentAttention, LinearAttention, SoftmaxAttention
from headway.facts.model import Model
from headway.facts.models import model

# Parameters of the modules that transformers 5.23.0 builds from the same files without weights, with the
# router biases and scalars that it keeps as buffers.
EXACT = {
    "deepseek-v3": 671_026_419_200,
    "deepseek-v3.2": 671_877_944_064,
    "deepseek-v4-flash": 284_332_240_471,
    "deepseek-v4-pro": 1_572_997_201_763,
    "gemma-2-27b": 27_227_128_320,
    "gemma-3-27b": 27_009_346_304,
    "gemma-4-26b-a4b": 25_233_141_790,
    "gemma-4-31b": 30_697_345_340,
    "glm-4.5": 352_797_829_024,
    "glm-4.5-air": 106_852_251_264,
    "glm-5": 743_911_218_432,
    "glm-5.1": 743_911_218_432,
    "glm-5.2": 743_377_019_904,
    "glm-5.3": 743_377_019_904,
    "gpt-oss-120b": 116_829_156_672,
    "gpt-oss-20b": 20_914_757_184,
    "kimi-k2": 1_026_408_232_448,
    "kimi-k2.5": 1_026_408_232_448,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-8b": 8_030_261_248,
    "llama-4-maverick": 400_711_848_960,
    "llama-4-scout": 107_769_861_120,
    "mimo-v2-flash": 308_778_780_864,
    "minimax-m1": 456_089_655_296,
    "minimax-m2.5": 228_689_764_864,
    "minimax-m2.7": 228_689_764_864,
    "minimax-m3": 426_174_572_928,
    "mistral-7b": 7_241_732_096,
    "mistral-large-3": 673_421_089_792,
    "mixtral-8x22b": 140_620_634_112,
    "mixtral-8x7b": 46_702_792_704,
    "muse-spark-open": 819_990_552_064,
    "nemotron-3-nano-30b-a3b": 31_577_940_288,
    "nemotron-3-super-120b-a12b": 120_668_707_840,
    "nemotron-3-ultra-550b-a55b": 549_308_993_536,
    "phi-3-mini": 3_821_079_552,
    "phi-3.5-moe": 41_873_153_344,
    "phi-4": 14_659_507_200,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-235b-a22b": 235_093_634_560,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-32b": 32_762_123_264,
    "qwen3-8b": 8_190_735_360,
    "qwen3-coder-480b-a35b": 480_154_875_392,
    "qwen3-next-80b-a3b": 79_674_391_296,
    "qwen3.5-122b-a10b": 122_111_526_912,
    "qwen3.5-27b": 26_895_998_464,
    "qwen3.5-35b-a3b": 34_660_610_688,
    "qwen3.5-397b-a17b": 396_346_350_336,
}

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}

# Families without a row in the catalog, or with switches that no row uses; counts from the same source.
FURTHER: list[tuple[dict[str, Any], int]] = [
    (
        {
            **LLAMA,
            "num_key_value_heads": 32,
            "intermediate_size": 11008,
            "vocab_size": 32000,
            "attention_bias": True,
            "mlp_bias": True,
            "tie_word_embeddings": True,
        },
        6_608_703_488,
    ),
    (
        {
            **LLAMA,
            "model_type": "qwen3",
            "num_key_value_heads": 32,
            "intermediate_size": 22016,
            "vocab_size": 151936,
            "head_dim": 128,
            "attention_bias": True,
        },
        12_049_985_536,
    ),
    (
        {
            "model_type": "phi",
            "hidden_size": 2560,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "intermediate_size": 10240,
            "vocab_size": 51200,
        },
        2_779_683_840,
    ),
    (
        {
            "model_type": "qwen2_moe",
            "hidden_size": 2048,
            "intermediate_size": 5632,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "decoder_sparse_step": 1,
            "moe_intermediate_size": 1408,
            "shared_expert_intermediate_size": 5632,
            "num_experts": 60,
            "num_experts_per_tok": 4,
            "vocab_size": 151936,
        },
        14_315_784_192,
    ),
    (
        {
            "model_type": "deepseek_v2",
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "moe_intermediate_size": 1407,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "kv_lora_rank": 512,
            "q_lora_rank": 1536,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "n_routed_experts": 64,
            "n_shared_experts": 2,
            "num_experts_per_tok": 6,
            "first_k_dense_replace": 0,
            "vocab_size": 102400,
        },
        38_612_307_968,
    ),
    (
        {
            "model_type": "kimi_linear",
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "moe_intermediate_size": 1024,
            "num_hidden_layers": 27,
            "num_attention_heads": 32,
            "kv_lora_rank": 512,
            "q_lora_rank": None,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "num_experts": 256,
            "num_experts_per_token": 8,
            "num_shared_experts": 1,
            "first_k_dense_replace": 1,
            "layer_types": ["full_attention" if i and i % 4 == 0 else "linear_attention" for i in range(27)],
            "linear_head_dim": 128,
            "linear_num_heads": 32,
            "linear_conv_kernel_dim": 4,
            "vocab_size": 163840,
        },
        49_133_081_120,
    ),
    (
        {
            "model_type": "gemma4_text",
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_hidden_layers": 30,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "hidden_size_per_layer_input": 256,
            "num_kv_shared_layers": 10,
            "use_double_wide_mlp": True,
            "vocab_size": 262144,
            "vocab_size_per_layer_input": 262144,
            "sliding_window": 512,
            "max_position_embeddings": 131072,
        },
        5_657_561_630,
    ),
]


def layout(name: str) -> dict[str, Any]:
    text = resources.files("headway.facts").joinpath("data", "models", f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


LAYOUTS = [*sorted(EXACT), "kimi-k3"]


@pytest.mark.parametrize("name", sorted(EXACT))
def test_total_is_exact(name: str) -> None:
    assert model(name).total_params == EXACT[name]


@pytest.mark.parametrize(("config", "expected"), FURTHER, ids=lambda v: v["model_type"] if isinstance(v, dict) else "")
def test_total_is_exact_for_further_families(config: dict[str, Any], expected: int) -> None:
    assert Model.from_config(config).total_params == expected


def test_every_family_has_a_layout_that_is_checked() -> None:
    covered = set()
    for config in (*(layout(name) for name in LAYOUTS), *(config for config, _ in FURTHER)):
        inner = config.get("text_config", config)
        covered |= {str(place.get("model_type")).removesuffix("_text") for place in (config, inner)}
    same_reader = {family.read for kind, family in FAMILIES.items() if kind in covered} | {FAMILIES["mistral4"].read}
    missing = {kind for kind, family in FAMILIES.items() if kind not in covered and family.read not in same_reader}
    assert missing == {"gemma"}


def test_layers_are_of_the_published_kinds() -> None:
    kinds = {
        "deepseek-v4-pro": CompressedAttention,
        "deepseek-v3.2": LatentAttention,
        "qwen3.5-27b": LinearAttention,
        "llama-4-scout": SoftmaxAttention,
    }
    for name, kind in kinds.items():
        assert any(isinstance(group.attention, kind) for group in model(name).layers)
    assert sum(g.count for g in model("qwen3.5-27b").layers if isinstance(g.attention, LinearAttention)) == 48
    assert [g.count for g in model("deepseek-v3").layers] == [3, 58]
    k3 = [g for g in model("kimi-k3").layers if isinstance(g.ffn, ExpertFFN)]
    assert {(g.ffn.latent, g.ffn.experts, g.ffn.top_k) for g in k3} == {(3584, 896, 16)}
    assert {g.attention.window for g in model("muse-spark-open").layers} == {None, 2048}


def test_prediction_modules_are_counted_apart() -> None:
    assert model("deepseek-v3").mtp_layers == 1
    assert model("minimax-m2.5").mtp_layers == 3
    assert model("qwen3.5-27b").mtp_layers == 1


def test_reading_from_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "My-Model"
    folder.mkdir()
    path = folder / "config.json"
    path.write_text(json.dumps(LLAMA), encoding="utf-8")
    found = Model.from_config(path)
    assert found.name == "My-Model"
    assert found.total_params == 8_030_261_248
    assert Model.from_config(str(path), name="mine").name == "mine"
    (folder / "hf_quant_config.json").write_text(
        json.dumps({"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}), encoding="utf-8"
    )
    assert read_config(path).precision.kv == "fp8"


def test_a_byte_order_mark_and_infinity_are_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({**LLAMA, "time_step_limit": [0.0, math.inf]}).encode())
    assert read_config(path).n_layers == 32


def test_multimodal_files_give_the_text_tower() -> None:
    inner = {key: value for key, value in LLAMA.items() if key != "model_type"}
    config = {"model_type": "llava_like", "text_config": {**inner, "model_type": "qwen3_text"}, "vision_config": {}}
    found = read_config({**config, "tie_word_embeddings": True})
    assert found.tied_embeddings
    assert "text tower only" in found.notes
    by_class = {**inner, "architectures": ["LlamaForCausalLM"]}
    assert read_config(by_class).n_layers == 32


def test_windows_that_never_bind_are_none() -> None:
    wide = read_config({**LLAMA, "model_type": "phi3", "sliding_window": 262_144})
    assert wide.layers[0].attention.window is None
    off = read_config({**LLAMA, "model_type": "qwen2", "use_sliding_window": False, "sliding_window": 4096})
    assert off.layers[0].attention.window is None
    tail = read_config(
        {**LLAMA, "model_type": "qwen2", "use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 20}
    )
    assert [(g.count, g.attention.window) for g in tail.layers] == [(20, None), (12, 4096)]


def test_an_unknown_family_lists_what_was_understood() -> None:
    with pytest.raises(ConfigError) as caught:
        read_config({**LLAMA, "model_type": "qwen3_moes"})
    message = str(caught.value)
    for part in (
        "model_type",
        "hidden size 4,096",
        "layers 32",
        "key/value heads 8",
        "missing",
        "did you mean qwen3_moe",
    ):
        assert part in message
    assert "experts" in message.split("missing")[1]
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hidden_size": "4096"}, "hidden_size"),
        ({"hidden_size": True}, "hidden_size"),
        ({"hidden_size": -1}, "hidden_size"),
        ({"hidden_size": 10**9}, "hidden_size"),
        ({"hidden_size": math.nan}, "hidden_size"),
        ({"hidden_size": 4096.5}, "hidden_size"),
        ({"hidden_size": [4096] * 1_000_000}, "hidden_size"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"num_hidden_layers": 10_001}, "num_hidden_layers"),
        ({"num_attention_heads": None}, "num_attention_heads"),
        ({"num_key_value_heads": 7}, "num_key_value_heads"),
        ({"num_attention_heads": 33, "num_key_value_heads": 33}, "head_dim"),
        ({"vocab_size": {}}, "vocab_size"),
        ({"attention_bias": "yes"}, "attention_bias"),
        ({"torch_dtype": 16}, "torch_dtype"),
        ({"model_type": ["llama"]}, "model_type"),
        (
            {"model_type": "qwen3_moe", "num_experts": 8, "num_experts_per_tok": 9, "head_dim": 128},
            "num_experts_per_tok",
        ),
        ({"model_type": "gemma3", "layer_types": ["full_attention"]}, "layer_types"),
        ({"model_type": "gemma3", "layer_types": ["sideways"] * 32}, "layer_types"),
        ({"model_type": "gemma3", "layer_types": "full"}, "layer_types"),
        ({"text_config": 5}, "text_config"),
        ({"quantization_config": "fp8"}, "quantization_config"),
    ],
)
def test_absurd_fields_are_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=field) as caught:
        read_config({**LLAMA, **change})
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"model_type": "llama", "hidden_size": 40',
        b"[1, 2, 3]",
        b"null",
        b'"llama"',
        b"\x00\x01\x02\xff\xfe" * 100,
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"hidden_size": 1, "hidden_size": 2}',
        b'{"text_config": {"a": 1, "a": 2}}',
        b'{"hidden_size": ' + b"9" * 10_000 + b"}",
        b'{"hidden_size": 1e999}',
        b" " * (MOST_BYTES + 1),
        json.dumps({**LLAMA, "hidden_size": None}).encode(),
        json.dumps({**LLAMA, "text_config": {}}).encode(),
    ],
    ids=range(16),
)
def test_hostile_files_are_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder"):
        read_config(tmp_path)
    with pytest.raises(ConfigError, match="absent"):
        read_config(tmp_path / "config.json")
    os.mkfifo(tmp_path / "pipe")
    for bad in (tmp_path / "pipe", "\0", "x" * 5000, "", 5, None, b"config.json", ["config.json"]):
        with pytest.raises(ConfigError):
            read_config(bad)  # type: ignore[arg-type]


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.sampled_from([0, 1, 2, 3, 7, 64, 128, 10_000, 10_001]),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.one_of(st.integers(-2, 200), st.text(max_size=5), st.none()), max_size=70),
    st.dictionaries(st.text(max_size=10), st.integers(), max_size=3),
)


def places(config: dict[str, Any]) -> list[tuple[str, ...]]:
    """Keys of a configuration and of its sections."""
    found: list[tuple[str, ...]] = []
    for key, value in config.items():
        found.append((key,))
        if isinstance(value, dict):
            found.extend((key, *rest) for rest in places(value))
    return found


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_configurations_give_a_model_or_one_clear_error(data: st.DataObject) -> None:
    config = copy.deepcopy(layout(data.draw(st.sampled_from(LAYOUTS))))
    for _ in range(data.draw(st.integers(1, 4))):
        keys = places(config)
        if not keys:
            break
        *outer, key = data.draw(st.sampled_from(keys))
        inner = config
        for step in outer:
            inner = inner[step]
        if data.draw(st.booleans()):
            inner[key] = data.draw(ODD)
        else:
            del inner[key]
    if data.draw(st.booleans()):
        config["model_type"] = data.draw(st.sampled_from(sorted(FAMILIES)))
    outcome: Model | InputError
    try:
        outcome = read_config(config)
    except InputError as error:
        outcome = error
    if isinstance(outcome, InputError):
        assert "\n" not in str(outcome)
        assert len(str(outcome)) < 2000
    else:
        assert outcome.total_params >= outcome.active_params > 0
        assert 1 <= outcome.n_layers <= 10_000
        assert outcome.matmul_params > 0


def test_seed_oss_has_biases_on_queries_keys_and_values_alone() -> None:
    """ByteDance-Seed/Seed-OSS-36B: 36.15 B parameters as published."""
    found = read_config(
        {
            "model_type": "seed_oss",
            "attention_bias": True,
            "attention_out_bias": False,
            "head_dim": 128,
            "hidden_size": 5120,
            "intermediate_size": 27648,
            "max_position_embeddings": 524288,
            "num_attention_heads": 80,
            "num_hidden_layers": 64,
            "num_key_value_heads": 8,
            "tie_word_embeddings": False,
            "vocab_size": 155136,
        }
    )
    assert found.total_params == 36_151_104_512
    assert found.max_context == 524288

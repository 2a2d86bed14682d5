"""Names as people write them find the row they mean, and no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import UnknownNameError
from headway.facts.models import entries, find, layout, model
from headway.facts.spellings import LABELS, device_name, model_name
from headway.facts.systems import chip, system

COPIES = {
    "Qwen/Qwen3-32B-FP8": ("qwen3-32b", "fp8"),
    "nvidia/DeepSeek-R1-0528-FP4-v2": ("deepseek-r1", "nvfp4"),
    "amd/DeepSeek-R1-0528-MXFP4-Preview": ("deepseek-r1", "mxfp4"),
    "amd/Llama-3.3-70B-Instruct-FP8-KV": ("llama-3.3-70b", "fp8"),
    "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16": ("llama-3.1-8b", "int4-g128"),
    "Qwen/Qwen2.5-72B-Instruct-GPTQ-Int8": ("qwen2.5-72b", "int8"),
    "Qwen/Qwen2.5-72B-Instruct-GPTQ-Int4": ("qwen2.5-72b", "int4-g128"),
    "QuixiAI/Llama-3.3-70B-Instruct-AWQ-8bit": ("llama-3.3-70b", "int8"),
    "casperhansen/llama-3.3-70b-instruct-awq": ("llama-3.3-70b", "int4-g128"),
    "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a16": ("llama-3.1-8b", "int8"),
    "RedHatAI/Llama-3.3-70B-Instruct-NVFP4A16": ("llama-3.3-70b", "nvfp4"),
    "Qwen/Qwen3-235B-A22B-Instruct-2507": ("qwen3-235b-a22b", ""),
    "moonshotai/Kimi-K2-Thinking": ("kimi-k2", ""),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": ("mixtral-8x7b", ""),
    "meta-llama/Llama-3.1-8B": ("llama-3.1-8b", ""),
    "meta-llama/Llama-2-70b-chat-hf": ("llama-2-70b", ""),
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": ("llama-3.3-70b", ""),
    "GPT OSS 120B": ("gpt-oss-120b", ""),
    "llama2_70b": ("llama-2-70b", ""),
}
DEVICES = {
    "h200_sxm": "hgx-h200",
    "NVIDIA H100 80GB HBM3": "hgx-h100",
    "A100-SXM4-80GB": "hgx-a100",
    "B200 192GB": "hgx-b200",
    "GB200-NVL72 (per GPU)": "gb200-nvl72",
    "gb200_sxm": "gb200-nvl72",
    "Google TPU v6e": "tpu-v6e-pod",
    "AMD MI300X": "mi300x-8",
    "8 x H100 SXM": "hgx-h100",
    "A100-SXM4-40GB": "hgx-a100-40gb",
    "NVIDIA L40S": "l40s-8",
    "Intel Gaudi 3": "gaudi3-8",
    "NVIDIA RTX PRO 6000": "rtx-pro-6000-8",
}


@pytest.mark.parametrize(("name", "found"), COPIES.items())
def test_a_copy_finds_its_layout_and_format(name: str, found: tuple[str, str]) -> None:
    assert (find(name).name, model_name(name).label) == found


@pytest.mark.parametrize(
    "name", ["Mistral-7B-Instruct-v0.3", "qwen4-32b", "deepseek-v9", "llama-3.1-9b", "fp8", "-", ""]
)
def test_another_model_is_not_a_copy(name: str) -> None:
    with pytest.raises(UnknownNameError):
        find(name)


def test_no_two_rows_of_another_layout_share_a_spelling() -> None:
    found: dict[str, str] = {}
    for entry in entries().values():
        for name in (entry.name, entry.hf_id, *entry.aliases):
            config = found.setdefault(model_name(name).layout, entry.config)
            assert config == entry.config, name


def test_a_format_in_the_name_is_that_of_the_weights() -> None:
    plain, narrow = model("llama-3.3-70b"), model("Llama-3.3-70B-Instruct-FP8")
    assert narrow.name == "llama-3.3-70b-fp8"
    assert model(narrow.name) == narrow
    assert narrow.precision.ffn == "fp8"
    assert narrow.total_params == plain.total_params
    assert layout(narrow.name) == plain
    # The published checkpoint under another label of its own format is that checkpoint.
    assert model("deepseek-v3-fp8") == model("deepseek-v3")


@pytest.mark.parametrize("label", sorted(LABELS))
@pytest.mark.parametrize("name", ["deepseek-v3", "gpt-oss-120b", "llama-3.1-8b"])
def test_every_label_gives_a_model(name: str, label: str) -> None:
    if "/" not in label:
        found = model(f"{name}-{label}")
        assert found.precision.experts in (LABELS[label], layout(name).precision.experts)


@pytest.mark.parametrize(("name", "found"), DEVICES.items())
def test_a_device_as_people_write_it(name: str, found: str) -> None:
    assert system(name).name == found


@pytest.mark.parametrize("name", ["A100-SXM4-96GB", "NVIDIA H100 NVL 94GB", "H20-141GB"])
def test_another_memory_is_another_device(name: str) -> None:
    with pytest.raises(UnknownNameError):
        system(name)
    with pytest.raises(UnknownNameError):
        chip(name)


@given(st.text(max_size=40))
def test_any_text_is_taken_apart(name: str) -> None:
    assert model_name(name).label in ("", *LABELS.values())
    device_name(name)

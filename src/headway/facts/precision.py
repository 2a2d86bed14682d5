"""Number formats: bits per element with their block scales, and the rate at which a chip multiplies them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from headway.facts.errors import unknown


@dataclass(frozen=True, slots=True)
class Format:
    """A number format as stored.

    Parameters
    ----------
    name : str
        Name used everywhere.
    bits : float
        Bits of one element [bit].
    scale_bits, block : float
        Bits of one scale and the number of elements that share it; 0 where there are no block scales.
    compute : str
        Key of the peak rate used when both operands have this format.
    note : str
        What it is.
    """

    name: str
    bits: float
    scale_bits: float
    block: int
    compute: str
    note: str

    @property
    def bytes(self) -> float:
        """Bytes per element with its share of the scale [B].

        >>> FORMATS["nvfp4"].bytes
        0.5625
        """
        return (self.bits + (self.scale_bits / self.block if self.block else 0.0)) / 8.0


FORMATS: MappingProxyType[str, Format] = MappingProxyType(
    {
        f.name: f
        for f in (
            Format("fp32", 32, 0, 0, "bf16", "IEEE single"),
            Format("bf16", 16, 0, 0, "bf16", "bfloat16 (or IEEE half)"),
            Format("fp8", 8, 0, 0, "fp8", "E4M3, one scale per tensor or channel"),
            Format("fp8-block", 8, 32, 128 * 128, "fp8", "E4M3 with an FP32 scale per 128 x 128 block"),
            Format("int8", 8, 0, 0, "int8", "8-bit integer, one scale per channel"),
            Format("mxfp8", 8, 8, 32, "fp8", "OCP MX: E4M3 with an E8M0 scale per 32"),
            Format("nvfp4", 4, 8, 16, "fp4", "E2M1 with an E4M3 scale per 16"),
            Format("mxfp4", 4, 8, 32, "fp4", "OCP MX: E2M1 with an E8M0 scale per 32"),
            Format("int4", 4, 16, 32, "bf16", "4-bit weights, 16-bit scale per 32, multiplied in 16 bit"),
            Format("int4-g128", 4, 16, 128, "bf16", "4-bit weights, 16-bit scale per 128, multiplied in 16 bit"),
        )
    }
)


def number_format(name: str, field: str = "precision") -> Format:
    """Look a format up by name.

    >>> number_format("mxfp4").bytes
    0.53125
    """
    try:
        return FORMATS[name]
    except (KeyError, TypeError):
        raise unknown(field, str(name), FORMATS) from None


@dataclass(frozen=True, slots=True)
class Precision:
    """The format of each part of a model, and of its cache.

    Parameters
    ----------
    embedding, attention, ffn, experts, head : str
        Formats of the input embedding, the attention projections, dense and shared feed-forward
        blocks, routed experts, and the output head.
    kv : str
        Format of the KV cache.
    activation : str
        Format in which activations move between chips and through memory.
    """

    embedding: str = "bf16"
    attention: str = "bf16"
    ffn: str = "bf16"
    experts: str = "bf16"
    head: str = "bf16"
    kv: str = "bf16"
    activation: str = "bf16"

    def __post_init__(self) -> None:
        """Refuse a format that is not in the table."""
        for entry in fields(self):
            number_format(getattr(self, entry.name), f"precision.{entry.name}")

    @classmethod
    def uniform(cls, weights: str, kv: str = "bf16", *, ends: str = "bf16") -> Precision:
        """One format for all linear layers; embedding and head stay in `ends`.

        >>> Precision.uniform("fp8", kv="fp8").experts
        'fp8'
        """
        return cls(embedding=ends, attention=weights, ffn=weights, experts=weights, head=ends, kv=kv)

    def stored_as(self, label: str) -> Precision:
        """The formats of a copy of the published checkpoint, by the format that its label states.

        FP8 of a model published in FP8 blocks is that checkpoint. FP4 of such a model is NVIDIA's: experts, shared
        experts and dense layers in NVFP4, attention as it was, in 16 bit (model card of DeepSeek-R1-0528-FP4; its v2
        narrows the output projection too); MXFP4 of such a model is taken for the same parts. MXFP4 of a model
        published in it is that checkpoint. Any other label is taken for all linear layers.

        Parameters
        ----------
        label : str
            Name of a number format.

        Examples
        --------
        >>> Precision().stored_as("fp8").ffn
        'fp8'
        >>> blocks = Precision.uniform("fp8-block")
        >>> blocks.stored_as("fp8") == blocks, blocks.stored_as("nvfp4").attention
        (True, 'bf16')
        """
        blocks = self.experts == "fp8-block"
        if label == self.experts or (label == "fp8" and blocks):
            return self
        if label in ("nvfp4", "mxfp4") and blocks:
            return replace(self, attention="bf16", ffn=label, experts=label)
        return Precision.uniform(label, kv=self.kv)

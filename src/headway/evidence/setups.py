"""From a row as its source spells it to a setup that the physics can be asked about, or a reason why not.

What a source leaves out is filled by the documented default of its engine, and the setup says so in ``assumed``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from headway.evidence.launched import MEAN_LENGTH, chunk_of, drawn, launch_of, poll_of
from headway.evidence.measurements import Measurement
from headway.facts.errors import InputError, UnknownNameError
from headway.facts.hardware import System
from headway.facts.layers import ExpertFFN
from headway.facts.model import Model
from headway.facts.models import layout as catalog_layout
from headway.facts.precision import Precision
from headway.facts.spellings import LABELS, model_name
from headway.facts.systems import load_system_toml
from headway.facts.systems import system as catalog_system
from headway.physics.layout import Layout, check_layout
from headway.serving.scheduler import Scheduler

#: What the open rows call a model and no rule of spelling finds; the layouts are the same.
SPELLINGS: Final = MappingProxyType({"deepseek-v3/r1": "deepseek-v3"})

_UNSTATED: Final = ("", "not stated", "not stated in summary")
_TOKEN: Final = re.compile(r"(DEP|TP|DP|EP|PP|CP)([0-9]{1,5})", re.ASCII)
_POOL: Final = re.compile(r"(?:([0-9]{1,4})\s*x\s*)?\(?([^()]*)\)?", re.ASCII)
_BATCH: Final = re.compile(r"([0-9]{1,9})\s*(requests total|requests|tokens)?", re.ASCII)

#: Engines and sources known to run two micro-batches at once: DeepSeek (profile-data @4496024, README; claim C26) and
#: SGLang on 96 H100 (two-batch overlap, by the post's own account; not in the rows, so assumed).
_TWO_BATCHES: Final = ("deepseek in-house", "deepseek profile-data", "lmsys-96h100")


@dataclass(frozen=True, slots=True)
class Pool:
    """Workers that do the same work.

    Parameters
    ----------
    workers : int
        Replicas [1].
    layout : Layout
        Of each.
    """

    workers: int
    layout: Layout


@dataclass(frozen=True, slots=True)
class Setup:
    """A measurement's deployment and load, in the terms of the rooms below.

    Parameters
    ----------
    model, system, precision
        What runs, where, in which formats.
    engine, mode, metric : str
        As in the row.
    decode : Pool or None
        Workers that decode, or do everything where there are no others; None where the layout is not stated.
    prefill : Pool or None
        Workers that only prefill.
    isl, osl : int or None
        Tokens of a request, the mean where they are drawn [token].
    concurrency : float or None
        Requests in flight [1].
    batch : float or None
        Sequences per chip, as stated [1].
    batch_total : float or None
        Sequences of the whole system, as stated [1].
    batch_tokens : float or None
        Prompt tokens per chip and pass, as stated [token].
    n_gpus : int
        Chips of the system [1].
    dataset : bool
        Lengths are those of a data set, not of one request.
    chunk : float or None
        Tokens that a pass may carry on one rank, where the source's scripts say [token].
    poll : float
        Passes from one look for new requests to the next [1].
    assumed : tuple of str
        What the source does not say and was taken from elsewhere.
    """

    model: Model
    system: System
    precision: Precision
    engine: str
    mode: str
    metric: str
    decode: Pool | None
    prefill: Pool | None
    isl: int | None
    osl: int | None
    concurrency: float | None
    batch: float | None
    batch_total: float | None
    batch_tokens: float | None
    n_gpus: int
    dataset: bool
    chunk: float | None = None
    poll: float = 1.0
    assumed: tuple[str, ...] = ()

    def scheduled(self, plan: Scheduler) -> Scheduler:
        """The scheduler as the source's scripts set it; of a chunk that divides no prompt nothing depends.

        >>> from headway.evidence.measurements import open_serving
        >>> row = next(row for row in open_serving() if row.source_id == "inferencex-dump")
        >>> setup_of(row).scheduled(Scheduler()).chunk
        8192.0
        """
        chunk = plan.chunk if self.chunk is None else self.chunk
        whole = self.isl is not None and self.isl <= min(chunk, plan.chunk)
        return replace(plan, poll=self.poll, chunk=plan.chunk if whole else chunk)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row has no prediction; `missing` is true where its source does not state the setup."""

    reason: str
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where models and systems come from: a user's own files first, then the catalog.

    Parameters
    ----------
    configs : str
        Directory of config.json files named ``<model>.json``; empty for none.
    hardware : str
        TOML file with systems; empty for none.
    """

    configs: str = ""
    hardware: str = ""

    def check(self) -> Shelf:
        """Return the shelf itself if its files are there and can be read.

        Raises
        ------
        InputError
        """
        if self.configs:
            _own_config(Path(self.configs), "")
        if self.hardware:
            try:
                load_system_toml(self.hardware)
            except InputError as error:
                # Several systems in one file are what a shelf is for.
                if error.field != "system":
                    raise
        return self

    def model(self, name: str) -> Model:
        """The model of that name.

        Raises
        ------
        UnknownNameError, ConfigError
        """
        return _model(self.configs, name)

    def system(self, name: str) -> System:
        """The system that chips of that name come in.

        Raises
        ------
        UnknownNameError, InputError
        """
        return _system(self.hardware, name)


@lru_cache(maxsize=256)
def _model(configs: str, name: str) -> Model:
    if configs:
        own = _own_config(Path(configs), name)
        if own is not None:
            return Model.from_config(own, name)
    return catalog_layout(SPELLINGS.get(name.lower(), name))


def _own_config(folder: Path, name: str) -> Path | None:
    """The user's file for a model: as the row spells it, without the maker, in any case."""
    if not folder.is_dir():
        raise InputError("--config", str(folder), "a directory of config.json files named <model>.json")
    wanted = {f"{spelt}.json".lower() for spelt in (name, name.rpartition("/")[2], name.replace("/", "-"))}
    return next((path for path in sorted(folder.iterdir()) if path.name.lower() in wanted), None)


@lru_cache(maxsize=256)
def _system(hardware: str, name: str) -> System:
    if hardware:
        for spelt in dict.fromkeys((name, name.lower())):
            try:
                return load_system_toml(hardware, spelt)
            except UnknownNameError as error:
                # A broken file is the user's business; a name it lacks is looked up in the catalog.
                if error.field.endswith(".chip"):
                    raise
    return catalog_system(name)


def setup_of(row: Measurement, shelf: Shelf | None = None) -> Setup | Refusal:
    """What was run, or why it cannot be told.

    Examples
    --------
    >>> from headway.evidence.measurements import open_serving
    >>> found = setup_of(open_serving()[0])
    >>> found.model.name, found.system.name, found.decode.layout.label(), found.precision.kv
    ('deepseek-r1', 'hgx-b200', 'DP4 EP4', 'fp8')
    """
    place = shelf or Shelf()
    try:
        model, system = place.model(row.model), place.system(row.hardware)
        launch = launch_of(row, model, system)
        precision, assumed = _precision(row, model, launch.kv if launch is not None else "")
        isl, osl, drawing = _lengths(row)
        prefill, decode = parallelism(row.parallelism)
        for pool in (prefill, decode):
            if pool is not None:
                check_layout(model, pool.layout)
        if decode is not None and {row.engine.lower(), row.source_id} & set(_TWO_BATCHES):
            decode = Pool(decode.workers, replace(decode.layout, micro_batches=2))
            assumed += ("two micro-batches at once, by the source's own account",)
        decode = _spread(decode, prefill, row)
        batch, total, tokens = _batch(row)
    except InputError as error:
        return Refusal(str(error))
    return Setup(
        model=model,
        system=system,
        precision=precision,
        engine=row.engine,
        mode=row.mode,
        metric=row.metric,
        decode=decode,
        prefill=prefill,
        isl=isl,
        osl=osl,
        concurrency=row.concurrency,
        batch=batch,
        batch_total=total,
        batch_tokens=tokens,
        n_gpus=row.n_gpus,
        dataset=bool(row.dataset),
        chunk=chunk_of(launch, row, model) if launch is not None else None,
        # Where prefill has workers of its own, they have nothing else to do than to look.
        poll=poll_of(launch, row) if launch is not None and prefill is None else 1.0,
        assumed=assumed + drawing,
    )


def _lengths(row: Measurement) -> tuple[int | None, int | None, tuple[str, ...]]:
    """Mean lengths of a request, and what was assumed about them."""
    if not drawn(row):
        return row.isl, row.osl, ()
    isl, osl = (None if length is None else max(round(MEAN_LENGTH * length), 1) for length in (row.isl, row.osl))
    return isl, osl, ("lengths drawn from 80% to 100% of those stated, by the source's scripts",)


def _precision(row: Measurement, model: Model, launched: str) -> tuple[Precision, tuple[str, ...]]:
    """Formats of the checkpoint that such a label means, and of the cache its engine then keeps.

    See :meth:`~headway.facts.precision.Precision.stored_as`; where no format is stated, the name of the model may.
    TensorRT-LLM reads the cache format of a checkpoint, and NVIDIA's FP8 and FP4 checkpoints state FP8
    (``kv_cache_quant_algo``); MLPerf's closed submissions calibrate an FP8 cache. Other engines keep ``auto``: the
    activations' format; `launched` is that of the source's own scripts, empty where it has none.
    """
    given = row.weight_precision.lower()
    stated = LABELS.get(given, given) or model_name(row.model).label
    assumed: tuple[str, ...] = ()
    if not stated:
        formats = model.precision
        assumed = ("weights as published",)
    else:
        formats = model.precision.stored_as(stated)
        if not row.weight_precision:
            assumed = (f"weights in {stated}, by the model's name",)
    kv = LABELS.get(row.kv_precision.lower(), row.kv_precision.lower())
    if not kv and launched:
        kv = launched
        assumed += (f"cache in {kv}, by the source's scripts",)
    if not kv:
        narrow = stated in ("fp8", "nvfp4") and ("tensorrt" in row.engine.lower() or row.mode.startswith("mlperf"))
        kv = "fp8" if narrow else "bf16"
        assumed += (f"cache in {kv}, the engine's default",)
    return replace(formats, kv=kv), assumed


def parallelism(text: str) -> tuple[Pool | None, Pool | None]:
    """Prefill and decode pools of a spelling; both None where it is not stated.

    Raises
    ------
    InputError
        If the spelling is none of the known ones.

    Examples
    --------
    >>> parallelism("DEP4")[1].layout.label()
    'DP4 EP4'
    >>> prefill, decode = parallelism("prefill 4x(TP1 DP4 EP4) + decode 1x(TP1 DP32 EP32)")
    >>> prefill.workers, decode.layout.chips
    (4, 32)
    """
    plain = " ".join(text.split())
    if plain.lower() in _UNSTATED:
        return None, None
    if not plain.lower().startswith("prefill"):
        return None, _pool(text, plain)
    sides = re.split(r"\s*[+;]\s*", plain)
    found = {side.split()[0].lower(): _pool(text, side.partition(" ")[2]) for side in sides if side}
    if set(found) != {"prefill", "decode"}:
        raise InputError("parallelism", text, "prefill ... + decode ...")
    return found["prefill"], found["decode"]


def _pool(text: str, part: str) -> Pool:
    expected = "TPn, DPn, EPn, DEPn, PPn or CPn, or 'prefill kx(...) + decode kx(...)'"
    # What stands after the degrees in parentheses explains them: "(18 nodes/unit)", "(DP attention)".
    bare = re.sub(r"\((?![^()]*(?:TP|DP|EP)[0-9])[^()]*\)", "", part).strip()
    matched = _POOL.fullmatch(bare)
    if matched is None:
        raise InputError("parallelism", text, expected)
    degrees: dict[str, int] = {}
    rest = matched[2]
    for name, number in _TOKEN.findall(matched[2]):
        for key in ("dp", "ep") if name == "DEP" else (name.lower(),):
            if key in degrees or int(number) < 1:
                raise InputError("parallelism", text, expected)
            degrees[key] = int(number)
    rest = _TOKEN.sub("", matched[2])
    if not degrees or re.sub(r"[0-9]+ GPU|[,\s]", "", rest):
        raise InputError("parallelism", text, expected)
    if "dp" not in degrees and degrees.get("ep", 1) > degrees.get("tp", 1) * degrees.get("cp", 1):
        # Experts wider than the tensor group stand on attention-data ranks ("EP32 TP1 (DP attention)").
        degrees["dp"] = max(degrees["ep"] // degrees.get("tp", 1), 1)
    return Pool(int(matched[1] or 1), Layout(**degrees))


def _spread(decode: Pool | None, prefill: Pool | None, row: Measurement) -> Pool | None:
    """As many replicas as the chips hold, where the source counts chips and not workers."""
    if decode is None or prefill is not None or row.mode in ("prefill-only", "decode-only"):
        return decode
    chips = int(decode.layout.chips)
    if row.n_gpus % chips:
        raise InputError("n_gpus", row.n_gpus, f"a multiple of the {chips} chips of {row.parallelism}")
    return decode if decode.workers > 1 else Pool(row.n_gpus // chips, decode.layout)


def _batch(row: Measurement) -> tuple[float | None, float | None, float | None]:
    """Sequences per chip, of the system, and prompt tokens per chip, whichever is stated."""
    if not row.batch_per_gpu:
        return None, None, None
    matched = _BATCH.fullmatch(row.batch_per_gpu.strip())
    if matched is None or int(matched[1]) == 0:
        raise InputError("batch_per_gpu", row.batch_per_gpu, "a number of requests, of requests total or of tokens")
    number = float(matched[1])
    if matched[2] == "tokens":
        return None, None, number
    return (None, number, None) if matched[2] == "requests total" else (number, None, None)


def has_experts(model: Model) -> bool:
    """Whether the model routes tokens to experts."""
    return any(isinstance(group.ffn, ExpertFFN) for group in model.layers)

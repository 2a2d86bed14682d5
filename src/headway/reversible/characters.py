"""A small character model trained with stored and with recomputed activations, to see whether its loss curves coincide.

The text is generated: sentences of a little grammar about the trains of a timetable, drawn by seed. Both runs of a
seed see the same weights, batches and dropout; what parts them is rounding, which training amplifies. The measure is
the gap between the two curves of a seed beside the spread of the curves of different seeds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from headway.facts.check import whole
from headway.reversible.layers import Memory, require_torch
from headway.reversible.transformer import Shape, reversible_transformer

_SUBJECTS = ("the express", "the local", "the night train", "the freight", "the shuttle")
_VERBS = ("leaves", "passes", "reaches", "misses", "waits at")
_PLACES = ("north dock", "the junction", "mill road", "the depot", "old harbour", "the bridge")
_TIMES = ("at noon", "at dawn", "on time", "a minute late", "every hour", "before the mail")
_SHAPE = Shape(vocabulary=27, width=32, heads=2, layers=2, context=32, dropout=0.1)


@cache
def text(characters: int = 20_000, seed: int = 0) -> str:
    """Text of a small grammar.

    Parameters
    ----------
    characters : int
        Length.
    seed : int
        Of the sentences.

    Examples
    --------
    >>> text(64)
    'the shuttle misses the depot at dawn. the local leaves north doc'
    """
    whole("characters", characters)
    rng = np.random.default_rng(seed)
    parts: list[str] = []
    length = 0
    while length < characters:
        sentence = " ".join(str(rng.choice(words)) for words in (_SUBJECTS, _VERBS, _PLACES, _TIMES)) + ". "
        parts.append(sentence)
        length += len(sentence)
    return "".join(parts)[:characters]


@dataclass(frozen=True, slots=True)
class Training:
    """Loss curves of one network trained several times.

    Parameters
    ----------
    memories : tuple of str
        How activations were kept.
    seeds : tuple of int
        Of weights, batches and dropout.
    losses : ndarray
        Cross-entropy by (memory, seed, step) [nat].
    gap : float
        Largest difference, over steps and seeds, between the curves of one seed [nat].
    spread : float
        Mean over steps of the standard deviation between seeds, with stored activations [nat].
    """

    memories: tuple[str, ...]
    seeds: tuple[int, ...]
    losses: np.ndarray
    gap: float
    spread: float

    def mean_curve(self, memory: str) -> tuple[float, ...]:
        """Loss by step, mean of the seeds [nat]."""
        return tuple(self.losses[self.memories.index(memory)].mean(axis=0).tolist())

    def last(self, memory: str, seed: int) -> float:
        """Loss of the last step [nat]."""
        return float(self.losses[self.memories.index(memory), self.seeds.index(seed), -1])

    @property
    def coincide(self) -> bool:
        """Whether the ways of keeping activations differ by less than the seeds do."""
        return self.gap < self.spread


def train(
    seeds: tuple[int, ...] = (0, 1, 2),
    steps: int = 80,
    *,
    memories: tuple[Memory, ...] = ("store", "reversible"),
    shape: Shape | None = None,
) -> Training:
    """Train the character model by every policy and seed.

    Parameters
    ----------
    seeds : tuple of int
        Two or more.
    steps : int
        Steps of AdamW.
    memories : tuple of str
        Policies; the first is the reference.
    shape : Shape, optional
        Sizes; two layers of width 32 with dropout where not given. The vocabulary is set from the text.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("torch")
    >>> found = train((0, 1), steps=3)
    >>> found.losses.shape, found.gap < 1e-3
    ((2, 2, 3), True)
    """
    whole("steps", steps, most=100_000)
    whole("seeds", len(seeds), least=2)
    letters = sorted(set(text()))
    data = np.array([letters.index(letter) for letter in text()])
    sizes = replace(shape or _SHAPE, vocabulary=len(letters))
    losses = np.array([[_curve(data, sizes, memory, seed, steps) for seed in seeds] for memory in memories])
    gap = float(np.abs(losses - losses[:1]).max())
    spread = float(losses[0].std(axis=0, ddof=1).mean())
    return Training(tuple(memories), tuple(seeds), losses, gap, spread)


def _curve(data: np.ndarray, shape: Shape, memory: Memory, seed: int, steps: int) -> list[float]:
    torch = require_torch()
    torch.manual_seed(seed)
    net = reversible_transformer(shape, memory).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    tokens = torch.as_tensor(data)
    losses = []
    for _ in range(steps):
        starts = torch.randint(0, len(data) - shape.context - 1, (4, 1))
        window = tokens[starts + torch.arange(shape.context + 1)]
        logits = net(window[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses

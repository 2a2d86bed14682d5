"""Reversible layers in torch: gradients, dropout, memory, precision, training, growth; skipped without torch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'headway[torch]'")

from headway.facts.errors import HeadwayError  # noqa: E402
from headway.facts.reversible_overheads import memory_policy, policy_names  # noqa: E402
from headway.reversible import feistel  # noqa: E402
from headway.reversible.characters import train  # noqa: E402
from headway.reversible.growth import growth  # noqa: E402
from headway.reversible.layers import MEMORIES, residual_rounds, reversible_sequence, run_rounds  # noqa: E402
from headway.reversible.memory import _step, peak_bytes, peak_memory  # noqa: E402
from headway.reversible.overheads import gradient_error  # noqa: E402
from headway.reversible.precision import reconstruction  # noqa: E402
from headway.reversible.transformer import Shape, reversible_transformer, transformer_rounds  # noqa: E402

POLICIES = [memory for memory in MEMORIES if memory != "store"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@settings(max_examples=25)
@given(depth=st.integers(1, 24), width=st.integers(1, 33), seed=st.integers(0, 2**31))
def test_inverse_of_forward_is_the_identity(depth, width, seed):
    """Random non-invertible rounds of tensors, any width and depth, to float64's rounding."""
    generator = torch.Generator().manual_seed(seed)
    gains = torch.randn(depth, generator=generator, dtype=torch.float64)
    rounds = [lambda x, g=g: torch.relu(g * x).cos() for g in gains]
    x, y = torch.randn(2, 3, width, generator=generator, dtype=torch.float64)
    back = feistel.inverse(*feistel.forward(x, y, rounds, feistel.ADDITION), rounds, feistel.ADDITION)
    bound = 1e-13 * depth
    for gain in gains.abs():
        bound *= 1 + float(gain)
    torch.testing.assert_close(back[0], x, atol=bound, rtol=0)
    torch.testing.assert_close(back[1], y, atol=bound, rtol=0)


@settings(max_examples=25)
@given(depth=st.integers(1, 12), width=st.integers(1, 9), seed=st.integers(0, 2**31))
def test_integer_tensors_come_back_exactly(depth, width, seed):
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randint(-1000, 1000, (2, 4, width), generator=generator)
    rounds = [lambda t, k=k: (t * t + k) // 3 for k in range(depth)]
    mixed = [lambda t, f=f: f(t) % 1009 for f in rounds]
    back = feistel.inverse(*feistel.forward(x, y, mixed, feistel.ADDITION), mixed, feistel.ADDITION)
    assert torch.equal(back[0], x)
    assert torch.equal(back[1], y)


@pytest.mark.parametrize("memory", POLICIES)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradients_equal_the_stored_ones(memory, dropout):
    assert gradient_error(memory, 6, width=32, dropout=dropout) < 1e-5


def _loss_and_gradients(net, memory, tokens, seed):
    net.body.memory = memory
    net.zero_grad()
    torch.manual_seed(seed)
    loss = torch.nn.functional.cross_entropy(net(tokens).flatten(0, 1), tokens.flatten())
    loss.backward()
    return loss.item(), [weight.grad.clone() for weight in net.parameters()], torch.rand(3)


@pytest.mark.parametrize("memory", POLICIES)
def test_each_parameter_and_the_generator_with_dropout(memory):
    torch.manual_seed(0)
    net = reversible_transformer(Shape(23, 32, 4, 5, 16, dropout=0.2)).train()
    tokens = torch.randint(0, 23, (3, 16))
    loss, exact, after = _loss_and_gradients(net, "store", tokens, 7)
    again, found, after_too = _loss_and_gradients(net, memory, tokens, 7)
    assert loss == again
    assert torch.equal(after, after_too)
    for one, other in zip(found, exact, strict=True):
        assert (one - other).norm() <= 1e-5 * other.norm()
    different, _, _ = _loss_and_gradients(net, memory, tokens, 8)
    assert different != loss


@pytest.mark.parametrize("memory", POLICIES)
def test_gradients_under_autocast(memory):
    torch.manual_seed(0)
    rounds = residual_rounds(16, 4, dropout=0.1)
    x, y, toward = torch.randn(3, 5, 16)
    weights = [w for f in rounds for w in f.parameters()]

    def gradient(policy):
        torch.manual_seed(1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            u, v = run_rounds(x, y, rounds, policy, training=True)
        return torch.cat([g.flatten() for g in torch.autograd.grad(((u + v) * toward).sum(), weights)])

    exact = gradient("store")
    assert (gradient(memory) - exact).norm() < 0.02 * exact.norm()


def test_frozen_and_unused_parameters_second_backward_and_no_grad():
    torch.manual_seed(0)
    rounds = residual_rounds(8, 3)
    for weight in rounds[2].parameters():
        weight.requires_grad_(False)
    x, y = torch.randn(2, 4, 8)
    grads = {}
    for memory in MEMORIES:
        leaf = x.clone().requires_grad_()
        u, _ = run_rounds(leaf, y, rounds, memory)
        first = torch.autograd.grad(u.sin().sum(), leaf, retain_graph=True)[0]
        second = torch.autograd.grad(u.sin().sum(), leaf)[0]
        assert torch.equal(first, second)
        grads[memory] = first
    for memory in POLICIES:
        torch.testing.assert_close(grads[memory], grads["store"], rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        assert not run_rounds(x, y, rounds)[0].requires_grad


def test_misuse_is_named():
    with pytest.raises(HeadwayError, match=r"did you mean reversible\?"):
        reversible_sequence([], "reversable")  # type: ignore[arg-type]
    with pytest.raises(HeadwayError, match="two tensors of one shape"):
        run_rounds(torch.zeros(2), torch.zeros(3), [])
    with pytest.raises(HeadwayError, match="call eval"):
        reversible_sequence(residual_rounds(4, 1)).train().inverse((torch.zeros(1, 4), torch.zeros(1, 4)))
    with pytest.raises(HeadwayError, match="divisor of the width"):
        Shape(5, width=10, heads=3)


def test_transformer_gives_its_input_back_and_sees_no_future():
    torch.manual_seed(0)
    body = reversible_sequence(transformer_rounds(Shape(2, 32, 4, 4))).eval()
    x, y = torch.randn(2, 2, 9, 32)
    back = body.inverse(body((x, y)))
    torch.testing.assert_close(back[0], x, rtol=0, atol=1e-5)
    net = reversible_transformer(Shape(11, 16, 2, 2, 8)).eval()
    tokens = torch.randint(0, 11, (1, 8))
    changed = tokens.clone()
    changed[0, 5] = (changed[0, 5] + 1) % 11
    apart = (net(tokens) - net(changed)).abs().sum(-1)[0]
    assert apart[:5].max() == 0
    assert apart[5:].min() > 0


def test_peak_memory_by_policy():
    found = peak_memory((6, 48), width=16, batch=4, context=16)
    assert found.growth("reversible") <= 1.15
    assert found.growth("store") >= 6
    # Checkpoints of every sqrt(2L)-th round: sqrt(8) times the memory for 8 times the depth.
    assert 2 < found.growth("checkpoint") < 3.5
    assert found.saved("reversible")[-1] > 20


def test_the_account_is_the_allocators():
    """Peak bytes of the watcher against torch's own record of allocations."""
    from torch.profiler import ProfilerActivity, profile

    net, step = _step(3, 32, 4, 32)
    step()
    for memory in MEMORIES:
        net.body.memory = memory
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as watched:
            step()
        events = [e for e in watched.profiler.kineto_results.events() if e.name() == "[memory]"]
        sizes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]
        assert peak_bytes(step) == pytest.approx(max(np.cumsum(sizes)), rel=0.01)


def test_precision_by_depth():
    single = reconstruction("float32", (8, 64))
    assert single.fails_at is None
    assert max(single.gradient_error) < 1e-5
    half = reconstruction("bfloat16", (8, 16), gain=4.0)
    assert half.fails_at == 16
    assert all(a < b for a, b in pairwise(half.input_error))
    mixed = reconstruction("bfloat16 rounds, float32 sums", (8, 16), gain=4.0)
    assert max(mixed.gradient_error) < min(half.gradient_error) / 10


def test_training_curves_coincide():
    found = train((0, 1, 2), steps=25, shape=Shape(2, 16, 2, 1, 16, dropout=0.1))
    assert found.coincide
    assert found.gap < 1e-3
    assert found.mean_curve("reversible")[-1] < found.mean_curve("reversible")[0] - 0.5


def test_growth_of_perturbations():
    trained = growth(steps=60)
    assert trained.accuracy > 0.95
    assert trained.accuracy_random > 0.9
    assert trained.accuracy_adversarial < 0.5
    assert trained.adversarial[0] == pytest.approx(trained.random[0], rel=1e-5)
    assert trained.adversarial[-1] > 2 * trained.random[-1]
    fresh = growth(False)
    assert fresh.accuracy < 0.5
    assert abs(fresh.exponent) < 0.02


def test_overheads_are_measured_facts():
    assert set(policy_names()) == set(MEMORIES)
    assert all(memory_policy(name).sources[0].kind == "measured" for name in policy_names())

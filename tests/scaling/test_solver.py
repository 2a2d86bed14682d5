"""The solver on problems with certified answers (NIST StRD, nonlinear regression), from both published starts."""

from __future__ import annotations

import numpy as np
import pytest

from headway.facts.errors import InputError
from headway.scaling.solver import Smooth, huber, log_sum, solve

MISRA1A_X = [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0]
MISRA1A_Y = [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78]
# fmt: off
THURBER_X = [
    -3.067, -2.981, -2.921, -2.912, -2.840, -2.797, -2.702, -2.699, -2.633, -2.481, -2.363, -2.322, -1.501, -1.460,
    -1.274, -1.212, -1.100, -1.046, -0.915, -0.714, -0.566, -0.545, -0.400, -0.309, -0.109, -0.103, 0.010, 0.119,
    0.377, 0.790, 0.963, 1.006, 1.115, 1.572, 1.841, 2.047, 2.200,
]
THURBER_Y = [
    80.574, 84.248, 87.264, 87.195, 89.076, 89.608, 89.868, 90.101, 92.405, 95.854, 100.696, 101.060, 401.672, 390.724,
    567.534, 635.316, 733.054, 759.087, 894.206, 990.785, 1090.109, 1080.914, 1122.643, 1178.351, 1260.531, 1273.514,
    1288.339, 1327.543, 1353.863, 1414.509, 1425.208, 1421.384, 1442.962, 1464.350, 1468.705, 1447.894, 1457.628,
]
# fmt: on
MGH09_X = [4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625]
MGH09_Y = [0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]
BOXBOD_X, BOXBOD_Y = [1, 2, 3, 5, 7, 10], [109, 149, 149, 191, 213, 224]


def rise(p, x):
    return p[:, 0] * (1 - np.exp(-p[:, 1] * x))


def cubics(p, x):
    top = p[:, 0] + x * (p[:, 1] + x * (p[:, 2] + x * p[:, 3]))
    return top / (1 + x * (p[:, 4] + x * (p[:, 5] + x * p[:, 6])))


def quadratics(p, x):
    return p[:, 0] * (x**2 + x * p[:, 1]) / (x**2 + x * p[:, 2] + p[:, 3])


# name, form, x, y, starts, certified parameters, certified residual sum of squares; NIST's files of the same names
PROBLEMS = [
    (
        "Misra1a", rise, MISRA1A_X, MISRA1A_Y, [[500, 1e-4], [250, 5e-4]],
        [2.3894212918e02, 5.5015643181e-04], 1.2455138894e-01,
    ),
    (
        "Thurber", cubics, THURBER_X, THURBER_Y,
        [[1000, 1000, 400, 40, 0.7, 0.3, 0.03], [1300, 1500, 500, 75, 1, 0.4, 0.05]],
        [
            1.2881396800e03, 1.4910792535e03, 5.8323836877e02, 7.5416644291e01, 9.6629502864e-01, 3.9797285797e-01,
            4.9727297349e-02,
        ],
        5.6427082397e03,
    ),
    (
        "MGH09", quadratics, MGH09_X, MGH09_Y, [[25, 39, 41.5, 39], [0.25, 0.39, 0.415, 0.39]],
        [1.9280693458e-01, 1.9128232873e-01, 1.2305650693e-01, 1.3606233068e-01], 3.0750560385e-04,
    ),
    ("BoxBOD", rise, BOXBOD_X, BOXBOD_Y, [[1, 1], [100, 0.75]], [2.1380940889e02, 5.4723748542e-01], 1.1680088766e03),
]  # fmt: skip


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize(
    ("name", "form", "x", "y", "starts", "certified", "squares"), PROBLEMS, ids=lambda v: str(v)[:8]
)
def test_certified_problems(name, form, x, y, starts, certified, squares, start):
    del name
    axis = np.array(x, dtype=float)
    found = solve(Smooth(lambda p: form(p, axis)), y, [starts[start]], most=3000, tolerance=1e-16, polish=30)
    assert found.converged[0]
    assert found.theta[0] == pytest.approx(certified, rel=1e-10)
    assert 2 * found.objective[0] == pytest.approx(squares, rel=1e-9)


def test_gradient_and_curvature_of_a_sum_of_powers_agree_with_complex_steps():
    rng = np.random.default_rng(1)
    design = rng.normal(size=(3, 7, 4))
    design[0, :, 1:] = 0.0
    exact = log_sum(design)
    theta = rng.normal(size=(2, 4))

    def function(p):
        return np.log(np.exp(np.einsum("tnp,bp->btn", design, p[:, :, 0])).sum(axis=1))

    _, slopes, kept = exact.jacobian(theta)
    _, stepped, _ = Smooth(function).jacobian(theta)
    assert slopes == pytest.approx(stepped, rel=1e-10, abs=1e-12)
    weights = rng.normal(size=(2, 7))
    bend = exact.curvature(kept, weights)
    step = 1e-6
    for column in range(4):
        moved = theta.copy()
        moved[:, column] += step
        _, ahead, _ = exact.jacobian(moved)
        numeric = np.einsum("bnp,bn->bp", (ahead - slopes) / step, weights)
        assert bend[:, :, column] == pytest.approx(numeric, abs=1e-4)


def test_a_batch_equals_its_parts():
    x = np.linspace(0, 1, 20)
    form = Smooth(lambda p: p[:, 0] * np.exp(p[:, 1] * x))
    y = 2.0 * np.exp(0.5 * x)
    weights = np.random.default_rng(0).integers(0, 3, size=(5, 20)).astype(float)
    batch = solve(form, y + 0.01 * np.sin(20 * x), [[1.0, 0.0]] * 5, weights=weights, delta=0.005)
    for i in range(5):
        one = solve(form, y + 0.01 * np.sin(20 * x), [[1.0, 0.0]], weights=weights[i], delta=0.005)
        assert batch.theta[i] == pytest.approx(one.theta[0], rel=1e-7)


def test_huber_is_half_the_square_and_then_a_line():
    assert huber(0.1, np.inf) == pytest.approx(0.005)
    assert huber(np.array([1.0, 2.0]), 1.0).tolist() == [0.5, 1.5]


def test_shapes_have_to_agree():
    with pytest.raises(InputError, match="observed"):
        solve(Smooth(lambda p: p[:, 0] + np.zeros(3)), [1.0, 2.0], [[0.0]])

"""The additive model: what it recovers from tables whose truth is known, and its closed forms."""

from __future__ import annotations

import random

import numpy as np
import pytest
from contest_tables import SPACE, candidates, known_score

from degas.space.graph import SearchSpace
from degas_lab.contest.candidates import choices, options
from degas_lab.contest.effects import Model, _Ridge, as_json, fit, one_hot

TABLE = options(SearchSpace(2))
Truth = dict[str, dict[str, float]]


def synthetic(seed: int, count: int = 64) -> tuple[Truth, Model, list[dict[str, str]], list[float]]:
    """Normal effects about the mean of their decision, and noise of a third to three of their standard deviations."""
    rng, draws = random.Random(seed), np.random.default_rng(seed)
    noise = float(np.exp(draws.uniform(np.log(0.3), np.log(3.0))))
    rows = [{name: rng.choice(names) for name, names in TABLE.items()} for _ in range(count)]
    truth: Truth = {}
    for name, names in TABLE.items():
        values = draws.normal(size=len(names))
        truth[name] = dict(zip(names, values - values.mean(), strict=True))
    scores = [50 + sum(truth[name][row[name]] for name in TABLE) + noise * draws.normal() for row in rows]
    return truth, fit(TABLE, rows, scores), rows, scores


def test_effects_are_recovered_within_two_standard_errors_in_95_of_100_tables() -> None:
    """Of each effect, in how many of 100 tables: on average over the effects in 95 or more. A blind model would not do:
    its standard errors are narrow enough to tell effects from zero."""
    inside, clear = [], []
    for seed in range(100):
        truth, model, _, _ = synthetic(seed)
        pairs = [(*model.effect(name, option), truth[name][option]) for name in TABLE for option in TABLE[name]]
        inside.append(np.mean([abs(value - true) <= 2 * se for value, se, true in pairs]))
        clear.append(np.mean([abs(value) > 2 * se for value, se, _ in pairs]))
    assert np.sum(inside) >= 95
    assert np.mean(clear) > 0.25


def test_effects_of_a_decision_sum_to_zero() -> None:
    _, model, _, _ = synthetic(0)
    for name, names in TABLE.items():
        assert sum(model.effect(name, option)[0] for option in names) == pytest.approx(0, abs=1e-9)


def test_the_left_out_error_is_that_of_fitting_without_each() -> None:
    _, _, rows, scores = synthetic(1, count=20)
    X, y = one_hot(TABLE, rows), np.array(scores)
    errors = []
    for k in range(20):
        rest = np.arange(20) != k
        centre, mean = X[rest].mean(axis=0), y[rest].mean()
        A = (X[rest] - centre).T @ (X[rest] - centre) + 2.0 * np.eye(X.shape[1])
        b = np.linalg.solve(A, (X[rest] - centre).T @ (y[rest] - mean))
        errors.append(y[k] - mean - (X[k] - centre) @ b)
    fast = _Ridge(X - X.mean(axis=0), y - y.mean()).left_out_error(2.0)
    assert fast == pytest.approx(np.mean(np.square(errors)))


def test_effects_and_their_covariance_are_those_of_the_normal_equations() -> None:
    """For more options than candidates, where some directions have no data, and for fewer."""
    for count in (20, 64):
        _, _, rows, scores = synthetic(2, count)
        X, y = one_hot(TABLE, rows), np.array(scores)
        X, y = X - X.mean(axis=0), y - y.mean()
        b, covariance, noise = _Ridge(X, y).effects(3.0)
        inverse = np.linalg.inv(X.T @ X + 3.0 * np.eye(X.shape[1]))
        np.testing.assert_allclose(b, inverse @ X.T @ y, atol=1e-9)
        marginal = np.linalg.inv(np.eye(count) + X @ X.T / 3.0)
        assert noise == pytest.approx(y @ marginal @ y / (count - 3))
        np.testing.assert_allclose(covariance, noise * inverse, atol=1e-9)


def test_the_evidence_is_the_likelihood_on_the_dimensions_that_centring_leaves() -> None:
    _, _, rows, scores = synthetic(3, count=20)
    X, y = one_hot(TABLE, rows), np.array(scores)
    X, y = X - X.mean(axis=0), y - y.mean()
    Q = np.linalg.svd(np.ones((20, 1)))[0][:, 1:]  # (20, 19): the directions in which a mean of 0 leaves freedom

    def likelihood(penalty: float) -> float:
        K = np.eye(19) + Q.T @ X @ X.T @ Q / penalty
        return float(-0.5 * np.linalg.slogdet(K)[1] - 19 / 2 * np.log(y @ Q @ np.linalg.inv(K) @ Q.T @ y))

    ridge = _Ridge(X, y)
    for penalty in (0.1, 4.0):
        found = ridge.evidence(penalty) - ridge.evidence(1.0)
        assert found == pytest.approx(likelihood(penalty) - likelihood(1.0))


def test_predictions_are_within_their_standard_errors() -> None:
    """Of the mean score of architectures that were not in the table."""
    inside = []
    for seed in range(30):
        truth, model, _, _ = synthetic(seed)
        rng = random.Random(f"unseen {seed}")
        for _ in range(20):
            row = {name: rng.choice(names) for name, names in TABLE.items()}
            value, se = model.predict(row)
            inside.append(abs(value - 50 - sum(truth[name][row[name]] for name in TABLE)) <= 2 * se)
    assert np.mean(inside) >= 0.93


def test_the_known_effects_of_a_contest_stand_in_the_file_by_slot() -> None:
    made = candidates(48, 24)
    model = fit(options(SPACE), [choices(one, SPACE) for one in made], [known_score(one, 0) for one in made])
    found = as_json(model)
    effects = found["effects"]
    assert set(effects) == {slot.name for slot in SPACE.slots}
    assert set(effects["U0->U2"]) == {*SPACE.up_operations, "zero"}
    assert effects["U0->U2"]["zero"] == effects["U1->U2"]["zero"]
    for slot in ("N1->U1", "N2->U2"):
        assert max(effects[slot], key=lambda name: effects[slot][name]["effect"]) == "deconv_4x4"
    assert set(found["order"]) == {"normal-up", "up-normal"}
    assert abs(found["order"]["up-normal"]["effect"]) <= 2 * found["order"]["up-normal"]["se"]
    assert found["left_out_error"] < 0.6 * found["spread"]

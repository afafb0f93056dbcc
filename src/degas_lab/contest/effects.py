"""The effect of each operation at each place on the score: a ridge regression on one-hot decisions. numpy only.

    y = mean + X b + noise,  b minimises |y − mean − X b|² + λ |b|²

X has one column per option of each decision, centred over the candidates. λ is the value of a grid that best predicts
left-out candidates. The penalty makes the effects of a decision sum to zero: an effect is the difference of its option
from the mean of the decision's options.

Standard errors are those of b for normal effects with variance σ²/λ, so that they include the bias of shrinkage. λ is
itself estimated from the same scores: variances about the estimate are means over the grid, weighted by the probability
of the scores. The rest is calibrated on synthetic tables: see `WIDENED`. An option that no candidate has gets the
effect 0, with the standard error of the prior.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from degas.space.graph import ZERO
from degas_lab.contest.candidates import NONE, Choices

Array = NDArray[np.float64]
LEAST_SHARE = 0.25  # of the scores' variance, explained by D decisions at the grid's largest λ: D/(D + λ)
WIDENED = 1.06  # factor of standard errors: two of them cover the true effect in 95 of 100 cases, without it in 94


@dataclass(frozen=True)
class Model:
    """A fitted model: `effects` b, their `covariance`, and the values that predictions need.

    `table` is decision → options, in the order of the columns. `penalty` is the λ with the least leave-one-out error
    `left_out_error` (root mean square); `spread` is the standard deviation of the scores, the error without a model.
    """

    table: Mapping[str, tuple[str, ...]]
    mean: float
    centre: Array
    effects: Array
    covariance: Array
    mean_variance: float
    penalty: float
    left_out_error: float
    spread: float

    def predict(self, chosen: Choices) -> tuple[float, float]:
        """The mean score of an architecture with these choices, and its standard error."""
        row = one_hot(self.table, [chosen])[0] - self.centre
        variance = self.mean_variance + WIDENED**2 * float(row @ self.covariance @ row)
        return self.mean + float(row @ self.effects), float(np.sqrt(max(variance, 0.0)))

    def effect(self, decision: str, option: str) -> tuple[float, float]:
        """The option's effect minus the mean of its decision, and its standard error."""
        places = self._places(decision)
        contrast = np.zeros(len(self.effects))
        contrast[places] = -1.0 / len(places)
        contrast[places[self.table[decision].index(option)]] += 1.0
        variance = WIDENED**2 * float(contrast @ self.covariance @ contrast)
        return float(contrast @ self.effects), float(np.sqrt(max(variance, 0.0)))

    def _places(self, decision: str) -> list[int]:
        first = 0
        for name, names in self.table.items():
            if name == decision:
                return list(range(first, first + len(names)))
            first += len(names)
        raise KeyError(decision)


def fit(table: Mapping[str, tuple[str, ...]], rows: Sequence[Choices], scores: Sequence[float]) -> Model:
    """Fit the model to the scores of candidates with these choices; two candidates or more."""
    y, X = np.asarray(scores, dtype=float), one_hot(table, rows)
    mean, centre = float(y.mean()), X.mean(axis=0)
    ridge = _Ridge(X - centre, y - mean)
    grid = np.geomspace(0.01, len(table) * (1 / LEAST_SHARE - 1), 21)
    errors = np.array([ridge.left_out_error(penalty) for penalty in grid])
    best = int(np.argmin(errors))
    weights = _shares(np.array([ridge.evidence(penalty) for penalty in grid]))
    fits = [ridge.effects(penalty) for penalty in grid]
    effects = fits[best][0]
    covariance = sum(
        w * (C + np.outer(b - effects, b - effects)) for w, (b, C, _) in zip(weights, fits, strict=True) if w > 0
    )
    noise = float(sum(w * noise for w, (_, _, noise) in zip(weights, fits, strict=True)))
    return Model(
        table,
        mean,
        centre,
        effects,
        np.asarray(covariance),
        noise / len(y),
        float(grid[best]),
        float(np.sqrt(errors[best])),
        float(y.std(ddof=1)),
    )


def one_hot(table: Mapping[str, tuple[str, ...]], rows: Sequence[Choices]) -> Array:
    """(candidates, options): 1 where the candidate has the option."""
    columns = [(decision, option) for decision, names in table.items() for option in names]
    return np.array([[float(row[decision] == option) for decision, option in columns] for row in rows])


def as_json(model: Model, digits: int = 6) -> dict[str, Any]:
    """effects.json: `effects` slot → operation → {effect, se}, like losses in pruning.json; lower scores are better.

    The effect of no residual edge is `zero` on each of the decision's slots. `order` has the effect of the order.
    """
    slots: dict[str, dict[str, dict[str, float]]] = {}
    for decision, names in model.table.items():
        found = {name: _rounded(model.effect(decision, name), digits) for name in names}
        nothing = found.pop(NONE, None)
        for name, entry in found.items():
            slot, _, operation = name.rpartition(" ")
            slots.setdefault(slot or decision, {})[operation] = entry
        for slot in {name.rpartition(" ")[0]: None for name in found} if nothing else ():
            slots[slot][ZERO] = dict(nothing or {})
    order = slots.pop("order", None)
    return {
        "effects": slots,
        **({} if order is None else {"order": order}),
        "penalty": model.penalty,
        "left_out_error": float(f"{model.left_out_error:.{digits}g}"),
        "spread": float(f"{model.spread:.{digits}g}"),
    }


class _Ridge:
    """Ridge regressions of centred y on centred X for any penalty, from one singular value decomposition."""

    def __init__(self, X: Array, y: Array) -> None:
        self.y = y
        self.U, self.d, self.Vt = np.linalg.svd(X, full_matrices=False)

    def left_out_error(self, penalty: float) -> float:
        """Mean square of y_i minus its prediction without candidate i: residual / (1 − leverage)."""
        shrunk = self.d**2 / (self.d**2 + penalty)
        leverage = (self.U**2) @ shrunk + 1.0 / len(self.y)
        residual = self.y - self.U @ (shrunk * (self.U.T @ self.y))
        return float(np.mean((residual / np.maximum(1.0 - leverage, 1e-9)) ** 2))

    def evidence(self, penalty: float) -> float:
        """log p(y | λ) up to a constant, with the noise variance integrated out.

        y ~ N(0, σ² (I + X Xᵀ/λ)) on the n − 1 dimensions that remain after centring.
        """
        shrunk = self.d**2 / (self.d**2 + penalty)
        square = float(self.y @ self.y - shrunk @ (self.U.T @ self.y) ** 2)
        determinant = float(np.log1p(self.d**2 / penalty).sum())
        return -0.5 * (len(self.y) - 1) * float(np.log(max(square, 1e-300))) - 0.5 * determinant

    def effects(self, penalty: float) -> tuple[Array, Array, float]:
        """b, its covariance and the variance of the noise."""
        shrunk = self.d**2 / (self.d**2 + penalty)
        b = self.Vt.T @ (self.d / (self.d**2 + penalty) * (self.U.T @ self.y))
        residual = self.y - self.U @ (shrunk * (self.U.T @ self.y))
        # Marginally y has variance σ² (I + X Xᵀ/λ), so that yᵀ (I + X Xᵀ/λ)⁻¹ y = yᵀ residual has mean (n − 1) σ²;
        # divided by n − 3 it gives the variance of Student's t, the distribution of estimates with estimated noise.
        noise = float(self.y @ residual) / max(len(self.y) - 3, 1)
        # (XᵀX + λ)⁻¹ = V diag(1/(d² + λ)) Vᵀ + (1 − V Vᵀ)/λ
        inverse = (self.Vt.T * (1.0 / (self.d**2 + penalty) - 1.0 / penalty)) @ self.Vt
        inverse += np.eye(self.Vt.shape[1]) / penalty
        return b, noise * inverse, noise


def _shares(logs: Array) -> Array:
    """Likelihoods, given as logarithms, normalised to sum to 1."""
    likelihoods = np.exp(logs - logs.max())
    return np.asarray(likelihoods / likelihoods.sum())


def _rounded(pair: tuple[float, float], digits: int) -> dict[str, float]:
    return {"effect": float(f"{pair[0]:.{digits}g}"), "se": float(f"{pair[1]:.{digits}g}")}

"""The input of `degenerate` from a finished search: its edges, α and logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from degas.nas.decide.rule import Rule
from degas.nas.results.degenerate import MixingRecord, parameter_free, scale_takeover, still_alpha, without_residuals
from degas.nas.signal import Finding
from degas.runtime.run_folder import StageFolder, read_jsonl
from degas.space.graph import Edge
from degas.space.pruning import Alpha


def write_degenerate(
    folder: StageFolder,
    findings: Sequence[Finding],
    rule: Rule,
    edges: Sequence[Edge],
    *,
    values: Alpha,
    alphas: Sequence[Alpha],
    alpha_lr: float,
    num_steps: int,
) -> None:
    """Write degenerate.json for a search of `num_steps` steps that kept `edges` by `rule`; its logs are in `folder`.

    `findings` are the signal's; `values`: those that the rule compared; `alphas`: α at the start and after each epoch,
    trained at the rate `alpha_lr`.
    """
    settings, mixing = rule.settings, [_mixing(record) for record in read_jsonl(folder.path / "mixing.jsonl")]
    by_losses = bool(rule.measured)
    still = still_alpha(alphas[0], alphas[-1], rate=alpha_lr, num_steps=num_steps, by_losses=by_losses)
    judged = [
        parameter_free(edges, rule.space),
        without_residuals(values, edges, rule.space, by_losses=by_losses),
        still if settings.train_alpha else None,
        *findings,
        # Measured losses already depend on the size of kernels.
        scale_takeover(edges, mixing[0], mixing[-1]) if mixing and not by_losses else None,
    ]
    folder.write_json("degenerate.json", [finding.as_json() for finding in judged if finding is not None])


def _mixing(record: Mapping[str, Any]) -> MixingRecord:
    return {name: value for name, value in record.items() if isinstance(value, dict)}

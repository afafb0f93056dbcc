from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_run import fake_run, write_json, write_jsonl

from degas.figures.facts import softmax
from degas.report import sections
from degas.report.alpha_cards import alpha_cards
from degas.report.collect import collect_run
from degas.report.render import write_report


def test_headline_figures(tmp_path: Path) -> None:
    tiles = {tile["label"]: tile for tile in sections.headline(collect_run(fake_run(tmp_path / "run")))}
    assert tiles["Fréchet distance (FID)"]["value"] == "21.74"
    assert "4.02" in tiles["Fréchet distance (FID)"]["note"]
    assert tiles["generator's parameters"]["value"] == "66 k"
    assert tiles["adversarial training"]["value"] == "1,500"
    assert "not finished" in tiles["adversarial training"]["note"]
    assert tiles["total time"] == {  # 308 steps of 0.093 s, 1,500 of 0.082 s, 40 s
        "label": "total time",
        "value": "3 min",
        "note": "search 29 s · training 2 min · evaluation 40 s",
    }
    assert not any("A Processor" in tile["note"] for tile in tiles.values())


def test_the_training_says_from_what_it_was_fine_tuned(tmp_path: Path) -> None:
    run = collect_run(fake_run(tmp_path / "run"))
    assert run.train is not None
    for init, end in ((None, ""), ({"generator": "mine"}, "; fine-tuned from mine")):
        run.train.config["init"] = init
        tile = next(t for t in sections.headline(run) if t["label"] == "adversarial training")
        assert tile["note"] == f"generator steps, sn-gan; not finished{end}"


def test_the_search_loss_is_the_last_epochs_where_it_was_logged(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    write_jsonl(
        path / "search" / "metrics.jsonl", [{"step": 1, "loss": 2.0}, {"step": 9, "loss": 1.0, "epoch_loss": 1.5}]
    )
    tile = next(t for t in sections.headline(collect_run(path)) if t["label"] == "search loss")
    assert (tile["value"], tile["note"]) == ("1.500", "GLO, mean over the last epoch; 2.000 at the start")


def test_given_edges_are_tagged(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    written = json.loads((path / "search" / "architecture.json").read_text())
    for provenance, shown in (({}, False), ({"prefix": {"num_stages": 1}}, True)):
        write_json(path / "search" / "architecture.json", {**written, "provenance": provenance})
        page = write_report([path], tmp_path / "r.html").read_text()
        assert ("dashed ones were given" in page) == shown
        assert ('<span class="tag">given</span>' in page) == shown


def test_curves_are_one_chart_a_quantity_with_scores_and_losses_first(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    log = [{"step": 5, "lr": 0.1, "zeta": 1, "critic_loss": 2.0, "fid_1k_train[imagenet-224]": 30.0, "words": "x"}]
    write_jsonl(path / "train" / "metrics.jsonl", log)
    charts = sections.curves([collect_run(path)], "train")
    assert [chart["title"] for chart in charts] == ["fid_1k_train[imagenet-224]", "critic loss", "zeta", "lr"]
    assert sections.curves([collect_run(fake_run(tmp_path / "b", train=False))], "train") == []


def test_settings_say_what_differs(tmp_path: Path) -> None:
    runs = [collect_run(fake_run(tmp_path / str(seed), seed=seed)) for seed in (0, 1)]
    search = sections.tables(runs, "config")[0]
    differs = {row["key"]: row["differs"] for row in search["rows"]}
    assert differs["seed"]
    assert not differs["search.width"]
    assert search["num_differing"] == 1
    train = sections.tables(runs, "config")[1]
    assert not any(row["key"].startswith("generator") for row in train["rows"])


def test_a_run_without_a_stage_differs_in_none_of_its_settings(tmp_path: Path) -> None:
    runs = [collect_run(fake_run(tmp_path / "a")), collect_run(fake_run(tmp_path / "b", search=False))]
    search, train, _ = sections.tables(runs, "config")
    assert (search["runs"], search["num_differing"]) == (["a"], 0)
    assert {row["values"][1] for row in search["rows"]} == {None}
    assert train["runs"] == ["a", "b"]


def test_an_evaluation_shows_its_settings_and_its_machine(tmp_path: Path) -> None:
    run = collect_run(fake_run(tmp_path / "run"))
    for part, key, value in (("config", "evaluate.num_samples", 1797), ("environment", "torch", "2.13.0")):
        table = {one["stage"]: one["rows"] for one in sections.tables([run], part)}["evaluation"]
        assert {row["key"]: row["values"] for row in table}[key] == [value]
    assert "degas evaluate" in "\n".join(sections.commands(run))


def test_commands_are_quoted_and_each_given_once(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    command = ["degas", "run", "--out", "my run; rm -rf ~"]
    for stage in ("search", "train", "evaluation"):
        write_json(path / stage / "environment.json", {"command": command})
    assert sections.commands(collect_run(path)) == ["degas run --out 'my run; rm -rf ~'"]
    for odd in (None, 3, [], "", {}):
        write_json(path / "train" / "environment.json", {"command": odd})
        assert len(sections.commands(collect_run(path))) == 1


def test_warnings_are_gathered_by_kind(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    log = [{"step": k, "kind": "penalty", "warning": f"step {k}: high"} for k in range(3)]
    write_jsonl(path / "train" / "warnings.jsonl", [*log, {"step": 9, "kind": "collapse", "warning": "copies"}])
    assert sections.warnings(collect_run(path)) == ["train: step 2: high (3 times)", "train: copies"]


def test_architecture_tables(tmp_path: Path) -> None:
    shown = sections.architecture(collect_run(fake_run(tmp_path / "run", num_stages=3)), "p")
    assert shown is not None
    assert len(shown["edges"]) == 11
    assert (shown["decided_by"], shown["by_losses"]) == ("α", False)
    assert all(row["fact"].decision.margin > 0 for row in shown["edges"] if row["fact"].kept)
    assert all(row["since"] is not None for row in shown["edges"])
    baseline = collect_run(fake_run(tmp_path / "b", search=False, train=False))
    assert sections.architecture(baseline, "p") is None


def test_how_firm_the_choice_is(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    decisions = [{"name": "N1 direct", "differs_under": []}, {"name": "U1 residual", "differs_under": ["centred"]}]
    pruning = {"compare": "raw", "decisions": decisions, "darts": {"disconnected": ["N2"]}}
    write_json(path / "search" / "pruning.json", pruning)

    def firmness() -> str:
        shown = sections.architecture(collect_run(path), "p")
        assert shown is not None
        return " ".join(shown["firmness"])

    assert "1 of 2 decisions would differ under another way to compare α (centred): U1 residual." in firmness()
    assert "would cut off N2." in firmness()
    write_json(path / "search" / "pruning.json", {"decisions": decisions[:1], "darts": {"disconnected": []}})
    assert "0 of 1 decisions would differ" in firmness()
    assert "leave the graph connected" in firmness()
    write_json(
        path / "search" / "pruning.json",
        {
            "rule": "perturbation",
            "decisions": decisions,
            "perturbation": {"by_alpha": {"U1 residual": "none"}},
            "cap": {"max_params": 500_000, "max_macs": None, "changed": {"N1 direct": "skip"}},
        },
    )
    assert firmness() == (
        "Decided by the loss without each operation; α alone would change 1 of 2 decisions: U1 residual. "
        "The best by the loss without each operation within 500,000 parameters; that changed N1 direct."
    )
    for odd in ({"perturbation": {"by_alpha": 3}, "cap": {"changed": 4}}, {"perturbation": 1, "cap": 2}):
        write_json(path / "search" / "pruning.json", odd)
        assert firmness() == ""
    for odd in ({"decisions": 3, "darts": 4}, {"decisions": [1], "darts": {"disconnected": 3}}, {}):
        write_json(path / "search" / "pruning.json", odd)
        assert firmness() == ""


def test_what_decided_where_losses_did(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    decisions = [
        {"name": "N1 direct", "node": "N1", "choice": "skip", "runner_up": "conv_1x1", "margin": 0.02},
        {"name": "U1 direct", "node": "U1", "choice": "deconv_4x4", "runner_up": "", "margin": None},
        "no decision",
    ]
    pruning = {"rule": "perturbation", "decisions": decisions, "perturbation": {"before": {"N1": 0.3, "U1": "?"}}}

    def decided(**changed: Any) -> list[Any]:
        write_json(path / "search" / "pruning.json", {**pruning, **changed})
        shown = sections.architecture(collect_run(path), "p")
        assert shown is not None
        return list(shown["decided"])

    rows = decided()
    assert [(row.name, row.choice, row.margin, row.before) for row in rows] == [
        ("N1 direct", "skip", 0.02, 0.3),
        ("U1 direct", "deconv_4x4", None, None),
    ]
    page = write_report([path], tmp_path / "report.html").read_text()
    assert "Decided by the loss without each operation" in page
    assert "0.0200" in page
    assert page.index("Decided by") < page.index("α of each edge") < page.index("leads by α</th>")
    assert "it did not decide" in page
    assert decided(decisions=3) == []
    assert decided(rule="darts") == []
    for odd in ({"perturbation": {"before": 3}}, {"perturbation": None}):  # several searches together have no `before`
        assert [(row.choice, row.before) for row in decided(**odd)] == [("skip", None), ("deconv_4x4", None)]


def test_what_a_rule_wrote_of_itself_is_what_the_page_says(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    decision = {"name": "N1 direct", "node": "N1", "choice": "skip", "runner_up": "conv_1x1", "margin": 0.02}
    pruning = {"rule": "of-mine", "compare": "raw", "decisions": [decision], "decided_by": "the weather"}
    write_json(path / "search" / "pruning.json", pruning)
    page = write_report([path], tmp_path / "report.html").read_text()
    assert "Decided by the weather" in page
    assert "another way to compare α" not in page
    write_json(
        path / "search" / "pruning.json", {**pruning, "measured": "with rain", "decided_by": "the loss with rain"}
    )
    assert "Decided by the loss with rain" in write_report([path], tmp_path / "report.html").read_text()


def test_a_kept_operation_that_never_led_is_not_said_to_lead(tmp_path: Path) -> None:
    """The page of a search whose losses kept what α had last at every epoch."""
    path = fake_run(tmp_path / "run")
    run = collect_run(path)
    assert run.architecture is not None
    edge = next(edge for edge in run.architecture.edges if edge.target == "N1")
    records = [json.loads(line) for line in (path / "search" / "alpha.jsonl").read_text().splitlines()]
    for record in records:
        record["U0->N1"][edge.operation] = -9.0
    write_jsonl(path / "search" / "alpha.jsonl", records)
    decision = {"name": "N1 direct", "node": "N1", "choice": edge.operation, "runner_up": "skip", "margin": 0.02}
    write_json(path / "search" / "pruning.json", {"rule": "alone", "decisions": [decision], "perturbation": {}})
    shown = sections.architecture(collect_run(path), "p")
    assert shown is not None
    row = shown["edges"][0]
    assert (row["fact"].operation, row["fact"].alpha, row["fact"].leads) == (edge.operation, -9.0, False)
    last = records[-1]["U0->N1"]
    assert row["fact"].leader == max(last, key=last.__getitem__)
    led = [max(record["U0->N1"], key=record["U0->N1"].__getitem__) == row["fact"].leader for record in records]
    assert all(led[row["since"] - 1 :])
    assert f"margin +0.020 over skip, α −9.000, mixing weight 0.0%; by α {row['fact'].leader} leads" in shown["svg"]
    page = write_report([path], tmp_path / "report.html").read_text()
    line = page[page.index("α of each edge") :]
    line = line[line.index("U0&thinsp;→&thinsp;N1") : line.index("</tr>", line.index("U0&thinsp;→&thinsp;N1"))]
    assert f"<code>{edge.operation}</code>" in line
    assert f"<code>{row['fact'].leader}</code>" in line
    assert "the same" not in line


def test_alpha_cards_hold_the_numbers_of_every_epoch(tmp_path: Path) -> None:
    run = collect_run(fake_run(tmp_path / "run"))
    cards = alpha_cards(run, "p")
    assert cards is not None
    assert cards["one_a_row"]  # nine lines in one chart
    assert run.architecture is not None
    assert [f"{c['source']}->{c['target']}" for c in cards["cards"]] == [s.name for s in run.architecture.graph.slots]
    for card in cards["cards"]:
        record = run.alpha[-1].values[f"{card['source']}->{card['target']}"]
        assert [bar["share"] for bar in card["bars"]] == pytest.approx(list(softmax(record).values()))
        assert card["alpha"][-1] == pytest.approx(list(record.values()), abs=1e-4)
        assert card["top"] >= max(bar["share"] for bar in card["bars"])


def test_alpha_of_a_search_that_is_still_going(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run", train=False, evaluate=False)
    (path / "search" / "architecture.json").unlink()
    first = (path / "search" / "alpha.jsonl").read_text().splitlines()[0]
    (path / "search" / "alpha.jsonl").write_text(first + "\n")
    cards = alpha_cards(collect_run(path), "p")
    assert cards is not None
    assert len(cards["epochs"]) == 1
    assert all(card["lines"] is None and card["kept"] is None for card in cards["cards"])

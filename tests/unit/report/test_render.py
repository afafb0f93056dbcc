from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fake_run import fake_run, write_json, write_jsonl
from PIL import Image

from degas.errors import UserError
from degas.figures.film import save_film
from degas.report.render import write_report
from degas.report.training_film import write_film
from degas.space.graph import NORMAL_OPERATIONS

VOID = {"meta", "link", "img", "input", "br", "hr", "wbr", "source"}
SECTIONS = {
    "headline", "architecture", "alpha", "reconstructions", "glo", "samples", "curves", "scores", "settings",
    "environment", "repeat",
}  # fmt: skip
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7 * 7 }}"


class Page(HTMLParser):
    """A page's elements, with a check that every one is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    @property
    def sections(self) -> set[str]:
        return {attributes.get("id", "") for tag, attributes in self.elements if tag == "section"}


def page(tmp_path: Path, *runs: Path) -> tuple[str, Page]:
    text = write_report(runs, tmp_path / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def assert_self_contained(text: str, parsed: Page) -> None:
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    for address in parsed.values("src") + parsed.values("href") + parsed.values("xlink:href") + parsed.values("srcset"):
        assert address.startswith("data:") or address[1:] in ids
    for target in re.findall(r"url\(([^)]*)\)", text):
        assert target.strip("\"'")[1:] in ids
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith("on")]


def test_a_whole_run_gives_every_section_in_one_file(tmp_path: Path) -> None:
    text, parsed = page(tmp_path, fake_run(tmp_path / "run", num_stages=3))
    assert_self_contained(text, parsed)
    assert parsed.sections == SECTIONS
    assert {href[1:] for href in parsed.values("href") if href.startswith("#") and href[1:] in SECTIONS} == SECTIONS
    assert text.startswith("<!DOCTYPE html>")


def test_everything_has_a_name_for_those_who_do_not_see_it(tmp_path: Path) -> None:
    _, parsed = page(tmp_path, fake_run(tmp_path / "a"), fake_run(tmp_path / "b", seed=1))
    assert [attributes["lang"] for tag, attributes in parsed.elements if tag == "html"] == ["en"]
    for tag, attributes in parsed.elements:
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg" or (tag == "input" and attributes["type"] == "range"):
            assert attributes["aria-label"]
        if tag == "button":
            assert attributes.get("aria-label")


@pytest.mark.parametrize(
    ("stages", "absent"),
    [
        ({"train": False, "evaluate": False}, {"samples", "scores", "reconstructions"}),  # which the first card shows
        ({"search": False, "evaluate": False}, {"alpha", "reconstructions", "glo", "scores"}),
        (
            {"search": False, "train": False},
            SECTIONS - {"headline", "scores", "settings", "environment", "repeat"},
        ),
    ],
)
def test_absent_stages_leave_no_empty_sections(tmp_path: Path, stages: dict[str, bool], absent: set[str]) -> None:
    text, parsed = page(tmp_path, fake_run(tmp_path / "run", **stages))
    assert_self_contained(text, parsed)
    assert parsed.sections == SECTIONS - absent


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    write_json(tmp_path / "run" / "search" / "config.json", {"seed": 0})
    (tmp_path / "run" / "search" / "metrics.jsonl").write_text('{"step": 0, "lo')
    text, parsed = page(tmp_path, tmp_path / "run")
    assert parsed.sections == {"headline", "settings"}
    assert "The search is not finished." in text
    assert "no numbers yet" in text


def test_the_first_card_has_real_images_beside_generated_ones_and_a_verdict(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    text, _ = page(tmp_path, run)
    card = text[text.index('id="headline"') : text.index("</section>")]
    assert card.index(">your images</figcaption>") < card.index(">generated</figcaption>")
    sentence = "Samples are 5.4 times as far from your images as your images are from each other"
    assert f"{sentence}; an untrained generator is 75 times as far." in card
    assert 'class="panel hero between"' in card
    assert "A Processor" not in card
    assert "Comparison with the paper" not in text
    for name in ("real_images.png", "generated_images.png"):
        (run / "evaluation" / name).unlink()
    text, _ = page(tmp_path, run)
    assert ">your images</figcaption>" not in text
    assert ">generated, after 1,500 steps so far</figcaption>" in text  # the newest grid of the training
    (run / "train" / "real_images.png").write_bytes((run / "train" / "samples" / "step-000250.png").read_bytes())
    assert ">your images</figcaption>" in page(tmp_path, run)[0]


def test_good_and_bad_do_not_look_alike(tmp_path: Path) -> None:
    heads = []
    for name, value in (("good", 9.0), ("middle", 30.0), ("bad", 60.0)):
        path = fake_run(tmp_path / name) / "evaluation" / "scores.json"
        scores = json.loads(path.read_text())
        scores["scores"]["fid_1797_train[imagenet-224]"]["value"] = value
        write_json(path, scores)
        text, _ = page(tmp_path, tmp_path / name)
        heads.append(re.findall(r'class="panel hero (\w+)"|class="finding-word">([^<]*)<', text))
    found = [(level, word) for (level, _), (_, word) in heads]
    assert found == [("close", "close"), ("between", "in between"), ("far", "far")]


def test_film_walk_and_samples_of_a_critics_search_are_shown_where_they_are(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    assert page(tmp_path, run)[1].sections == SECTIONS
    write_film(run)
    save_film([Image.new("L", (8, 8), grey) for grey in (0, 90, 200)], run / "walk.gif", frame_ms=100)
    (run / "search" / "critic_samples.png").write_bytes((run / "search" / "glo_samples.png").read_bytes())
    text, parsed = page(tmp_path, run)
    assert_self_contained(text, parsed)
    assert parsed.sections == SECTIONS | {"walk", "critic-samples"}
    kinds = [attributes["src"][:15] for tag, attributes in parsed.elements if tag == "img"]
    assert "data:image/webp" in kinds
    assert "data:image/gif;" in kinds
    stills = [attributes for tag, attributes in parsed.elements if tag == "source"]
    assert [still["media"] for still in stills] == ["(prefers-reduced-motion: reduce)"] * 2
    (run / "walk.gif").write_bytes(b"GIF89a half")
    assert "walk.gif: picture left out" in page(tmp_path, run)[0]


def test_the_papers_rows_stand_there_only_on_its_data_and_only_beside_ours(tmp_path: Path) -> None:
    full = {"value": 11.5, "extractor": "inception", "num_samples": 50_000}
    path = fake_run(tmp_path / "run", data={"source": "cifar-10", "num_images": 50_000, "fingerprint": "c"})
    scores = {"data": {"source": "cifar-10", "num_images": 50_000}, "scores": {"fid_50k_train": full}}
    write_json(path / "evaluation" / "scores.json", scores)
    text, parsed = page(tmp_path, path)
    assert "paper" in parsed.sections
    section = text[text.index('id="paper"') :]
    section = section[: section.index("</section>")]
    assert "no row of the paper is a run of this kind" in section
    assert "<table" not in section  # no row of the paper's is a run of this kind


def test_several_runs_show_what_differs_and_hide_the_rest(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path / "a"), fake_run(tmp_path / "b", seed=1), fake_run(tmp_path / "c", search=False)]
    text, parsed = page(tmp_path, *runs)
    assert text.index('id="settings"') < text.index('id="samples"')
    settings = text[text.index('id="settings"') :]
    settings = settings[: settings.index("</section>")]
    assert settings.count('class="differs"') == 3  # the seed, of each stage; a run without a search differs in nothing
    assert settings.count(">seed</th>") == 3
    assert text.count('class="panel hero') == 3
    assert [a["data-all-values"] for _, a in parsed.elements if "data-all-values" in a] == ["settings", "environment"]


def test_a_baseline_has_no_architecture(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run", search=False)
    write_json(path / "train" / "generator" / "config.json", {"kind": "resnet", "sizes": {}})
    _, parsed = page(tmp_path, path)
    assert "architecture" not in parsed.sections


def test_runs_side_by_side(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path / "one" / "run"), fake_run(tmp_path / "two" / "run", seed=1, evaluate=False)]
    text, parsed = page(tmp_path, *runs, runs[0])
    assert_self_contained(text, parsed)
    for name in ("one/run (1)", "two/run", "one/run (3)"):
        assert f"</span>{name}</h3>" in text
    assert "var(--run-1)" in text
    assert "measured against different images" not in text


def test_hostile_texts_stay_text(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "<b>run&")
    edges = {f"{HOSTILE}->{HOSTILE}": {HOSTILE: 1.0, "b": 0.0}, "U0->N1": dict.fromkeys(NORMAL_OPERATIONS, 0.0)}
    edges["U0->N1"][HOSTILE] = 9.0  # the best rival of the kept edge: it enters the drawing
    write_jsonl(path / "search" / "alpha.jsonl", [{"epoch": 1, **edges}, {"epoch": 2, **edges}])
    write_json(path / "search" / "pruning.json", {"decisions": [{"name": HOSTILE, "differs_under": [HOSTILE]}]})
    write_jsonl(path / "search" / "metrics.jsonl", [{"step": k, HOSTILE: 1.0} for k in range(3)])
    write_jsonl(path / "train" / "warnings.jsonl", [{"step": 1, "kind": HOSTILE, "warning": HOSTILE}])
    write_json(path / "search" / "config.json", {HOSTILE: {HOSTILE: HOSTILE}, "data": {"source": HOSTILE}})
    write_json(path / "search" / "environment.json", {HOSTILE: [HOSTILE], "command": [HOSTILE], "cpu": HOSTILE})
    write_json(path / "search" / "agreement.json", {HOSTILE: HOSTILE})
    entry = {"value": 1.0, "extractor": HOSTILE, "reference": HOSTILE, "num_samples": HOSTILE}
    scores = {"data": {"source": HOSTILE, "fingerprint": HOSTILE}, "scores": {HOSTILE: entry}}
    write_json(path / "evaluation" / "scores.json", scores)
    text, parsed = page(tmp_path, path)
    assert_self_contained(text, parsed)
    assert sum(tag == "script" for tag, _ in parsed.elements) == 2
    assert all(attributes["src"].startswith("data:") for tag, attributes in parsed.elements if tag == "img")
    assert "<script>alert" not in text
    assert "{{ 7 * 7 }}" in text  # not evaluated
    assert "<b>run" not in text


def test_the_policy_allows_the_pages_own_script_alone(tmp_path: Path) -> None:
    text, parsed = page(tmp_path, fake_run(tmp_path / "run"))
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(a["content"] for tag, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    first = write_report([run], tmp_path / "a.html").read_bytes()
    assert write_report([run], tmp_path / "b.html").read_bytes() == first


def test_where_it_is_written(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run", train=False, evaluate=False)
    assert write_report([run], tmp_path) == tmp_path / "report.html"
    assert write_report([run], tmp_path / "new" / "page.html").is_file()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_report([run], tmp_path / "file" / "page.html")
    with pytest.raises(UserError, match="no run given"):
        write_report([], tmp_path / "a.html")
    assert not list(tmp_path.glob(".*.tmp"))


def test_the_report_never_imports_torch(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    code = (
        "import sys; from pathlib import Path; from degas.report.render import write_report; "
        "from degas.report.model_card import write_model_card; run, out = map(Path, sys.argv[1:]); "
        "write_report([run], out); write_model_card(run); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, run, tmp_path / "r.html"], check=False).returncode == 0

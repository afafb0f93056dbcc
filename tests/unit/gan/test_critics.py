"""Training against a critic from a file: the same bits as by name, what is recorded, resuming, and every refusal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from toy_gan import toy_images

from degas.api import stages as api
from degas.api.whole_run import run
from degas.errors import UserError
from degas.gan.settings import resolve_gan
from degas.generator.generator import Generator
from degas.report.model_card import write_model_card
from degas.report.render import write_report
from degas.settings.sections import GanSettings
from degas.space.critic import CRITIC_OPERATION_KINDS, CriticLayout, CriticStage
from degas.space.find_critic import FOLDER, shipped_critic

GAN: dict[str, Any] = {"width": 4, "batch_images": 4, "num_steps": 2, "log_steps": 1, "sample_steps": 100}
ALL = CriticLayout(
    (
        CriticStage("blur_pool", ("conv_1x1", "sep_conv_3x3")),
        CriticStage("space_to_depth", ("residual",)),
        CriticStage("strided_conv_4x4", ("conv_3x3", "skip")),
    ),
    {"method": "by hand"},
)


def train(critic: Any, out: Path, *, resume: bool = False, **gan: Any) -> Generator:
    settings = {**GAN, "critic": None if critic is None else str(critic), **gan}
    return api.train("resnet", toy_images(), out, gan=settings, resume=resume, progress=False, device="cpu")


def saved(path: Path, layout: CriticLayout = ALL) -> Path:
    layout.save(path)
    return path


def gan_of(out: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((out / "train" / "config.json").read_bytes())
    return config["gan"]


def results(out: Path) -> dict[str, bytes]:
    names = ("metrics.jsonl", "generator/model.safetensors")
    return {name: (out / "train" / name).read_bytes() for name in names}


@pytest.mark.parametrize("objective", ["mmd", "ct-gan"])
def test_the_file_of_resnet_trains_with_the_bits_of_the_name(tmp_path: Path, objective: str) -> None:
    shutil.copy(FOLDER / "resnet.json", tmp_path / "mine.json")
    train(None, tmp_path / "default", objective=objective)
    train("resnet", tmp_path / "name", objective=objective)
    train(tmp_path / "mine.json", tmp_path / "file", objective=objective)
    train(saved(tmp_path / "all.json"), tmp_path / "other", objective=objective)
    assert results(tmp_path / "default") == results(tmp_path / "name") == results(tmp_path / "file")
    assert results(tmp_path / "other")["metrics.jsonl"] != results(tmp_path / "file")["metrics.jsonl"]


def test_the_files_content_is_recorded_and_a_names_is_not(tmp_path: Path) -> None:
    train(saved(tmp_path / "all.json"), tmp_path / "run")
    recorded = gan_of(tmp_path / "run")
    assert recorded["critic"] == str(tmp_path / "all.json")
    assert recorded["critic_layout"] == ALL.to_dict()
    assert recorded["critic_digest"] == ALL.digest
    train("resnet", tmp_path / "name", num_steps=1)
    assert not {"critic_layout", "critic_digest"} & set(gan_of(tmp_path / "name"))
    assert resolve_gan(GanSettings()).layout is None


@pytest.mark.parametrize("name", CRITIC_OPERATION_KINDS)
def test_a_stopped_training_resumes_without_the_file_and_ends_with_the_same_bytes(tmp_path: Path, name: str) -> None:
    stage = CriticStage(name) if CRITIC_OPERATION_KINDS[name] == "down" else CriticStage("mean_pool", (name,))
    layout = CriticLayout((stage, stage))
    path = saved(tmp_path / "critic.json", layout)
    train(path, tmp_path / "whole")
    train(path, tmp_path / "cut", stop_step=1)
    path.unlink()
    train(path, tmp_path / "cut", resume=True)
    assert results(tmp_path / "whole") == results(tmp_path / "cut")
    train(path, tmp_path / "cut", resume=True)  # a finished one is only read


def test_what_counts_on_resume_is_the_content(tmp_path: Path) -> None:
    path = saved(tmp_path / "all.json")
    train(path, tmp_path / "run", stop_step=1)
    with pytest.raises(UserError, match=r"cannot resume: --gan\.critic holds another critic than before \(\w{16} → \w"):
        train(saved(tmp_path / "other.json", shipped_critic("resnet")), tmp_path / "run", resume=True)
    with pytest.raises(UserError, match=r"cannot resume: gan\.critic was .*all\.json\" and is null now"):
        train(None, tmp_path / "run", resume=True)
    with pytest.raises(UserError, match=r"gone\.json: cannot be read"):
        train(tmp_path / "gone.json", tmp_path / "run", resume=True)
    moved = saved(tmp_path / "moved.json", CriticLayout(ALL.stages, {"method": "otherwise"}))
    train(moved, tmp_path / "run", resume=True)
    assert gan_of(tmp_path / "run")["critic"] == str(moved)


def test_a_training_by_name_does_not_resume_with_a_file(tmp_path: Path) -> None:
    train("resnet", tmp_path / "run", stop_step=1)
    with pytest.raises(UserError, match=r"cannot resume: gan\.critic was \"resnet\" and is \".*resnet\.json\" now"):
        train(FOLDER / "resnet.json", tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (CriticLayout((CriticStage("mean_pool"),) * 4), "4 stages are too many for 8 px: 3 leave one pixel; remove 1"),
        (None, "cannot be read: No such file or directory; give a critic.json"),
    ],
)
def test_a_critic_that_does_not_fit_is_refused_before_any_work(
    tmp_path: Path, layout: CriticLayout | None, message: str
) -> None:
    path = tmp_path / "critic.json"
    if layout is not None:
        layout.save(path)
    with pytest.raises(UserError, match=message):
        train(path, tmp_path / "train")
    with pytest.raises(UserError, match=message):  # before the search, too
        run(toy_images(), tmp_path / "run", gan={**GAN, "critic": str(path)}, progress=False, device="cpu")
    assert not (tmp_path / "train").exists()
    assert not (tmp_path / "run").exists()


def test_a_damaged_record_is_named_on_resume(tmp_path: Path) -> None:
    path = saved(tmp_path / "all.json")
    train(path, tmp_path / "run", stop_step=1)
    path.unlink()
    config = tmp_path / "run" / "train" / "config.json"
    config.write_text(config.read_text().replace("blur_pool", "blur_pole"))
    with pytest.raises(UserError, match=r"train/config\.json: stage 1: unknown down operation 'blur_pole'"):
        train(path, tmp_path / "run", resume=True)


def test_the_report_draws_the_critic_of_a_file(tmp_path: Path) -> None:
    train(saved(tmp_path / "all.json"), tmp_path / "run", num_steps=1)
    page = write_report([tmp_path / "run"], tmp_path / "report.html").read_text()
    section = page[page.index('<section id="critic">') :]
    section = section[: section.index("</section>")]
    assert "blur_pool, conv_1x1, sep_conv_3x3, space_to_depth, residual, strided_conv_4x4, conv_3x3, skip" in section
    for words in ("blur", "conv 1×1", "residual", "skip", "4×4", "2×2", "1×1", "all.json"):
        assert words in section, words
    assert page.count('href="#critic"') == 1
    assert "critic_layout" not in page
    card = write_model_card(tmp_path / "run").read_text()
    assert f"- fingerprint of the critic's stages: `{ALL.digest}`" in card
    train("resnet", tmp_path / "name", num_steps=1)
    assert 'id="critic"' not in write_report([tmp_path / "name"], tmp_path / "report.html").read_text()

"""`--dry-run`: print the plan of a command, with every setting in force; nothing is started or written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from degas.cli.options import RunOptions, SearchOptions, Tracked, TrainOptions
from degas.settings.base import Settings
from degas.settings.presets import preset_values
from degas.settings.resolve import begun_run, settings_for
from degas.settings.sections import SearchSettings


def tell_search(options: SearchOptions) -> None:
    from degas.api import plan
    from degas.api.probe import search_probe

    images = plan.images_of(options.source, options.data)
    settings = options.search_settings()
    facts = plan.search_facts(images, settings, options.space, seeds=options.seeds)
    facts += search_probe(images, settings, options.space, options.device, seeds=options.seeds)
    sections = {"data": options.data, "space": options.space, "search": settings}
    _tell(options, begun_run(options.out), sections, [*plan.images_facts(images), *facts])


def tell_train(options: TrainOptions) -> None:
    from degas.api import plan
    from degas.api.job import check_later_stages
    from degas.gan.settings import resolve_gan

    gan = resolve_gan(options.gan)
    images = plan.images_of(options.source, options.data)
    check_later_stages(images, gan=options.gan, evaluate=options.evaluate, device=options.device)
    facts = plan.train_facts(images, gan, options.space, options.architecture, options.seed, options.init)
    sections = {"data": options.data, "gan": options.gan}
    _tell(options, begun_run(options.out), sections, [*plan.images_facts(images), *facts])


def tell_run(options: RunOptions) -> None:
    from degas.api import plan
    from degas.api.job import check_later_stages
    from degas.api.probe import search_probe
    from degas.api.whole_run import Chosen, check_chosen
    from degas.gan.settings import resolve_gan

    search, gan = options.search_settings(), resolve_gan(options.gan)
    begun = begun_run(options.out)
    unchanged = settings_for("search", SearchSettings, None, options.preset, options.source, begun)
    check_chosen(Chosen(options.architecture, options.init), search, unchanged, options.seeds)
    images = plan.images_of(options.source, options.data)
    check_later_stages(images, gan=options.gan, evaluate=options.evaluate, device=options.device)
    sections: dict[str, Settings] = {"data": options.data, "space": options.space}
    facts = plan.images_facts(images)
    if options.architecture is None and options.init is None:
        facts += plan.search_facts(images, search, options.space, seeds=options.seeds)
        facts += search_probe(images, search, options.space, options.device, seeds=options.seeds)
        sections["search"] = search
    facts += plan.train_facts(images, gan, options.space, options.architecture, options.seed, options.init)
    sections |= {"gan": options.gan, "evaluate": options.evaluate}
    _tell(options, begun, sections, [*facts, *plan.evaluate_facts(options.evaluate)])


def _tell(
    options: Tracked, begun: Mapping[str, Any], sections: dict[str, Settings], facts: list[tuple[str, str, str]]
) -> None:
    """Print settings and facts; `begun`: what the run folder has begun with, read once for the whole plan."""
    from degas.api import plan

    print(plan.table(plan.settings_rows(sections, preset_values(options.preset, options.source, begun))))
    print()
    print(plan.table(facts))

"""Sampling, features of a batch, and the Fréchet distance, each against a plainer form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from degas.evaluation.extractors.classifier import ClassifierNetwork
from degas.evaluation.extractors.train_classifier import loss_of, optimizer_of
from degas.evaluation.statistics import FORWARD_IMAGES
from degas.generator.generator import Generator
from degas.nets.resampling import as_defined
from degas.runtime.rng import forked_rng
from degas_lab.speed.bench import Bench, beside_plain
from degas_lab.speed.evaluation import extraction, frechet_calls
from degas_lab.speed.timing import interleaved_ms, peak_mib

NUM_CLASSES = 10


class EvaluationSteps(Bench):
    """Parts `sampling`, `features`, `classifier` and `fid`."""

    def sampling(self, num_images: int = 400) -> dict[str, float]:
        """`generator.sample`, against the same in NCHW memory and with up-sampling as defined."""
        ours = self.engine.prepare(self._generator())
        plain = self._generator().to(self.engine.device)
        assert isinstance(ours, Generator)
        plain_sample = as_defined()(lambda: plain.sample(num_images))
        ours_samples = partial(ours.sample, num_images)
        times = self._time({"ours": ours_samples, "plain": plain_sample})
        rate = {"images_per_second": num_images / times["ours"] * 1e3}
        return {**beside_plain(times), **self._roofline(ours_samples, times["ours"]), **rate}

    def features(self) -> dict[str, dict[str, float]]:
        """`features` at 128 px and `features_224`: the offline extractor on one batch, against batch norms apart."""
        found = {}
        for name, size in (("features", 128), ("features_224", 224)):
            ours, plain = (self._extractor(size, folded) for folded in (True, False))
            times = self._time({"ours": ours, "plain": plain})
            rate = {"images_per_second": FORWARD_IMAGES / times["ours"] * 1e3}
            found[name] = {**beside_plain(times), **self._roofline(ours, times["ours"]), **rate}
        return found

    def _extractor(self, resize_pixels: int, folded: bool) -> Callable[[], object]:
        make = partial(extraction, resize_pixels, folded=folded, seed=self.seed)
        return make(image_size=self.sizes.image_size, device=self.engine.device)

    def classifier(self) -> dict[str, float]:
        """A training step of the classifier extractor, against the same in NCHW memory."""
        calls = {"ours": self._classifier_step(torch.channels_last), "plain": self._classifier_step()}
        times = self._time(calls)
        peak = peak_mib(calls["ours"], self.engine.device)
        return {**beside_plain(times), **self._roofline(calls["ours"], times["ours"]), "peak_mib": peak}

    def _classifier_step(self, memory: torch.memory_format = torch.contiguous_format) -> Callable[[], object]:
        device, sizes = self.engine.device, self.sizes
        with forked_rng(self.seed, "benchmark classifier"):
            network = ClassifierNetwork(sizes.channels, NUM_CLASSES).to(device, memory_format=memory)  # type: ignore[call-overload]
            labels = torch.randint(0, NUM_CLASSES, (sizes.batch_images,)).to(device)
        images = torch.from_numpy(sizes.images(self.seed).images[: sizes.batch_images]).to(device)
        optimizer = optimizer_of(network.train(), 0.1)

        def step() -> None:
            with self.engine.autocast():
                loss = loss_of(network, images, labels, memory)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return step

    def fid(self) -> dict[str, float]:
        """The Fréchet distance from given moments, against the eigenvalues of the product of the covariances."""
        calls = frechet_calls(self.seed)
        device = torch.device("cpu")
        return beside_plain(
            interleaved_ms(calls, rounds=min(self.rounds, 3), warm_up=1, device=device, clock=self.clock)
        )

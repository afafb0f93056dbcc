from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from degas.figures.curves import MAX_POINTS, Series, alpha_lines, curve, operation_colour, running_mean, thin_means


def test_a_chart_takes_its_colours_from_the_page() -> None:
    series = [Series("one", 0, range(100), np.linspace(1, 0, 100)), Series("two", 1, [5], [0.5])]
    text = str(curve(series, label='a "loss" <x>', x_label="step", prefix="p", size=(3, 2)))
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == 'a "loss" <x>'
    assert "var(--run-0)" in text
    assert "var(--run-1)" in text
    assert "currentColor" in text
    assert "http" not in text
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert all(name.startswith("p-") for name in ids if name)
    for element in root.iter():
        if href := element.get("href"):
            assert href[1:] in ids


def test_extremes_are_cut_off_and_said() -> None:
    values = [*np.random.default_rng(0).normal(0, 1, 100), 1e6]
    text = str(curve([Series("a", 0, range(101), values)], label="x", x_label="step", prefix="p", size=(3, 2)))
    assert "extremes cut off" in text
    calm = str(curve([Series("a", 0, range(100), values[:100])], label="x", x_label="s", prefix="p", size=(3, 2)))
    assert "extremes" not in calm


def test_alpha_lines_have_a_line_per_operation() -> None:
    history = [{"skip": 0.1 * k, "conv_1x1": 0.0, "zero": -0.1} for k in range(5)]
    text = str(alpha_lines(history, label="x", prefix="p"))
    for colour in ("var(--op-0)", "var(--op-4)", "var(--faint)"):
        assert colour in text
    assert operation_colour("deconv_4x4") == operation_colour("conv_1x1")  # up and normal edges share the colours


def test_long_curves_are_thinned_to_means() -> None:
    steps, values = thin_means(range(10_000), [k % 2 for k in range(10_000)])
    assert len(steps) == len(values) == MAX_POINTS
    assert abs(values.mean() - 0.5) < 1e-3
    assert np.all(np.diff(steps) > 0)


def test_the_running_mean_is_that_of_a_loop() -> None:
    values = np.random.default_rng(1).normal(size=90)
    half = 90 // 20
    slow = [values[max(0, k - half) : k + half + 1].mean() for k in range(90)]
    np.testing.assert_allclose(running_mean(values), slow, atol=1e-12)

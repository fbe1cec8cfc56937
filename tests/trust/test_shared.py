"""Errors that all of an image shares widen ranges as they should, and where they are not known, nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vaesr import Source, UpscaleJob, load_model, measure, upscale
from napari_vaesr.engine.draws import Field
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.imaging.region import Factors
from napari_vaesr.trust.estimate import prediction_range
from napari_vaesr.trust.levels import Spread, fit_levels, with_shared
from napari_vaesr.trust.measure import measure_field
from napari_vaesr.trust.regions import Quantities, Spacing
from napari_vaesr.trust.segment import Threshold
from napari_vaesr.trust.shared import SharedErrors, Shares, drawn, fit_shared, patterns, shares_of
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model

TWICE = Factors.of(2)
KNOWN = ((4e-4, 0.0, 2e-4), (0.0, 0.01, 0.0), (2e-4, 0.0, 4e-3))
SMALL = 1e-4
"""Standard deviation of what samples say themselves."""


def cells(seed: int) -> np.ndarray:
    """A dozen round objects of several sizes and brightnesses."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:72, :72]
    image = np.full((72, 72), 10.0)
    for _ in range(12):
        y, x, radius, height = *random.uniform(0, 72, 2), random.uniform(4, 8), random.uniform(60, 90)
        image = np.maximum(image, height / (1 + np.exp(np.hypot(rows - y, columns - x) - radius)))
    return image.astype(np.float32)


def wrong(mean: np.ndarray, seed: int) -> np.ndarray:
    """The truth of an image whose shared errors are drawn, with heavier tails than a normal distribution."""
    random = np.random.default_rng([seed, 1])
    parts = random.multivariate_normal(np.zeros(3), KNOWN) * np.sqrt(5 / random.chisquare(5) * 3 / 5)
    return mean + np.tensordot(parts, patterns(mean, "YX", TWICE), 1)


def samples_of(mean: np.ndarray, seed: int, count: int = 32) -> np.ndarray:
    apart = np.random.default_rng([seed, 2]).normal(0, SMALL, (count // 2, *mean.shape))
    return (mean + np.concatenate([apart, -apart])).astype(np.float32)


def totals(field: Field) -> dict[str, np.ndarray]:
    quantities = Quantities(("area", "intensity_mean", "intensity_sum"))
    found = measure_field(field, Threshold(), None, quantities, Spacing())
    return {name: each for (number, name), each in found.samples.items() if number == 0}


def covered(covariance) -> dict[str, float]:
    """Return which part of the truths the ranges of totals hold, over images that were not fitted to."""
    inside: dict[str, list[bool]] = {}
    for seed in range(100, 130):
        mean = cells(seed)
        field = Field({}, "YX", mean, list(samples_of(mean, seed)))
        if covariance is not None:
            field = SharedErrors((covariance,), TWICE, seed)(field)
        truth = totals(Field({}, "YX", mean, [wrong(mean, seed).astype(np.float32)]))
        for name, each in totals(field).items():
            low, high = prediction_range(each)
            inside.setdefault(name, []).append(bool(low <= truth[name][0] <= high))
    return {name: float(np.mean(each)) for name, each in inside.items() if name != "count"}


def test_ranges_of_totals_hold_the_truth_where_errors_are_shared():
    found = [
        shares_of(mean := cells(seed), wrong(mean, seed), samples_of(mean, seed) - mean, TWICE)
        for seed in range(60)
    ]
    fitted = fit_shared(found)
    assert np.sqrt(np.diag(fitted)) == pytest.approx(np.sqrt(np.diag(KNOWN)), rel=0.35)
    alone, together = covered(None), covered(fitted)
    assert max(alone.values()) < 0.5
    assert min(together.values()) >= 0.8 and max(together.values()) <= 1


def test_what_samples_say_themselves_is_not_added_again():
    own = Shares(np.array([0.1, 0.0, 0.0]), np.diag([0.0036, 0.0, 0.0]))
    other = Shares(np.array([-0.1, 0.0, 0.0]), own.said)
    fitted = np.array(fit_shared([own, other]))
    assert fitted[0, 0] == pytest.approx((0.1 / 1.6449) ** 2 - 0.0036, rel=1e-3)
    loud = Shares(own.wrong, np.diag([1.0, 1.0, 1.0]))
    assert not np.any(fit_shared([loud]))


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4))
def test_what_few_images_tell_is_a_covariance_for_a_card(seed, count):
    random = np.random.default_rng(seed)
    found = [Shares(random.normal(0, (0.05, 0.1, 0.3)), np.zeros((3, 3))) for _ in range(count)]
    level = Calibration(shared=fit_shared(found))
    assert Calibration.model_validate_json(level.model_dump_json()) == level


@settings(max_examples=15, deadline=None)
@given(more=st.floats(1.1, 9.0), seed=st.integers(-5, 2**70), count=st.integers(2, 12))
def test_the_more_is_shared_the_wider_the_ranges_and_the_mean_stays(more, seed, count):
    mean = cells(0)
    field = Field({}, "YX", mean, list(samples_of(mean, 0, 2 * count)))
    wider = tuple(tuple(more * each for each in row) for row in KNOWN)
    one, other = (SharedErrors((each,), TWICE, seed)(field) for each in (KNOWN, wider))
    labels = np.asarray(mean > 40, np.int32)

    def width(field: Field) -> float:
        found = measure_field(field, None, labels, Quantities(("intensity_sum",)), Spacing())
        return float(np.subtract(*prediction_range(found.samples[1, "intensity_sum"])[::-1]))

    assert width(field) < width(one) < width(other)
    np.testing.assert_allclose(
        np.mean(list(other.samples), axis=0), np.mean(field.samples, axis=0), rtol=1e-3
    )
    assert np.array_equal(other.samples[1], SharedErrors((wider,), TWICE, seed)(field).samples[1])


def test_numbers_come_in_opposites_and_have_the_covariance_that_they_should():
    numbers = drawn(32, 3)
    np.testing.assert_allclose(np.cov(numbers.T, ddof=0), np.eye(3), atol=1e-9)
    np.testing.assert_allclose(numbers[::2], -numbers[1::2], atol=1e-9)
    assert drawn(5, 3).mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)
    assert not np.array_equal(numbers, drawn(32, 4))


def test_only_axes_that_became_longer_are_sharp_or_have_edges():
    stack = np.stack([cells(1), np.zeros((72, 72)), cells(2)]).astype(np.float32)
    found = patterns(stack, "ZYX", TWICE)
    for number in (0, 2):
        np.testing.assert_array_equal(found[1:, number], patterns(stack[number], "YX", TWICE)[1:])
    assert np.any(patterns(stack, "ZYX", Factors(Z=2))[2, 1] > 0)


def test_an_image_without_structure_has_no_part_of_anything():
    flat = np.full((16, 16), 3.0, np.float32)
    assert not np.any(shares_of(flat, flat + 1, None, TWICE).wrong)


def test_every_level_learns_from_images_of_its_noise():
    random = np.random.default_rng(0)
    spreads = []
    for number in range(120):
        noise = 0.01 if number % 2 else 0.1
        shares = Shares(random.normal(0, noise, 3), np.zeros((3, 3)))
        std = np.full(20, 0.1)
        error = random.normal(0, 0.1, 20)
        spreads.append(Spread(f"{number}", "", noise, False, std, error, shares=shares))
    levels = fit_levels(spreads)
    assert [level.noise for level in levels] == pytest.approx([0.01, 0.1])
    for level in levels:
        assert level.shared is not None
        assert np.sqrt(level.shared[0][0]) == pytest.approx(level.noise, rel=0.3)
    old = tuple(level.model_copy(update={"shared": None}) for level in levels)
    assert with_shared(old, spreads) == levels
    told = [Spread("t", "", 0.0, True, np.ones(3), np.ones(3), shares=Shares(np.ones(3), np.zeros((3, 3))))]
    loud = with_shared((Calibration(), *old), [*spreads, *told])
    assert loud[1:] == levels  # what the model was told to be clean says nothing of others
    unknown = Spread("x", "", 0.01, False, np.ones(3), np.ones(3))
    assert with_shared(old, [*spreads, unknown]) == old


@pytest.fixture(scope="module")
def old(tiny_model_path) -> Model:
    return load_model(tiny_model_path)


@pytest.fixture(scope="module")
def model(old) -> Model:
    calibration = {scale: (Calibration(shared=KNOWN),) for scale in ("2", "3", "4")}
    return Model(old.card.model_copy(update={"calibration": calibration}), old.network)


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (2, 20, 24)).astype(np.uint16)


def test_all_doors_of_measuring_have_them(old, model, stack):
    """Drawn as needed, or kept; samples alone, and models whose card does not tell, have none."""
    options = {"samples": 4, "keep_samples": True}
    kept = upscale(stack, "CYX", model=model, **options)
    job = UpscaleJob(Source.of(stack, "CYX"), make_settings(samples=4), model=model)
    properties = ("intensity_sum",)
    steep = np.abs(np.gradient(kept.mean[0].astype(float))[0])
    labels = np.asarray(steep > np.median(steep), int)
    table = measure(job, labels, properties)
    assert table.equals(measure(kept, labels, properties))
    before = upscale(stack, "CYX", model=old, **options)
    np.testing.assert_array_equal(before.samples, kept.samples)
    alone = measure(before, labels, properties)
    ends = ["low", "high"]  # the mean of samples is no whole number
    assert alone[ends].equals(measure(before.samples, labels, properties, axes="CYX")[ends])
    assert (table["value"] == alone["value"]).all()
    sums = table["quantity"] == "intensity_sum"
    assert (table["error"] != alone["error"])[sums].all()


def test_samples_of_integers_stay_integers_within_their_limits():
    mean = np.full((16, 16), 250, np.uint8)
    mean[4:8, 4:8] = 3
    shared = SharedErrors((((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)),), TWICE, 0)
    for sample in shared(Field({}, "YX", mean, [mean] * 4)).samples:
        assert sample.dtype == np.uint8 and np.ptp(sample) > 0


def test_every_channel_has_its_own(model, stack):
    nothing = ((0.0,) * 3,) * 3
    result = upscale(stack, "CYX", model=model, samples=4, keep_samples=True)
    record = Record.read(result.record)
    one, other = (Calibration(shared=each) for each in (nothing, KNOWN))
    shared = SharedErrors.of(record.model_copy(update={"calibration": (one, other)}))
    assert shared is not None
    for channel, changes in enumerate((False, True)):
        field = Field({"C": channel}, "YX", result.mean[channel], result.samples[:, channel])
        assert np.array_equal(shared(field).samples[0], field.samples[0]) is not changes


def test_they_decide_no_pixel(model, old, stack):
    records = [
        UpscaleJob(Source.of(stack[0], "YX"), make_settings(samples=4), model=each).record()
        for each in (model, old)
    ]
    assert records[0] == records[1] and records[0].calibration != records[1].calibration
    assert SharedErrors.of(records[1]) is None and SharedErrors.of(stack) is None
    assert Record.read(records[0].plain()).calibration == records[0].calibration


@pytest.mark.parametrize("name", ["microscopy", "tiny"])
def test_bundled_models_of_microscopy_tell_them(name):
    card = load_model(name).card
    for scales in (card.calibration, *card.domains.values()):
        for levels in scales.values():
            assert all(level.shared is not None for level in levels)

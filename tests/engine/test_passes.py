"""Chains of passes: how they are planned, and that no door and no cutting changes a pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dask
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.lazy import lazy_result
from napari_vaesr.engine.passes import planned, split
from napari_vaesr.engine.pixels import Stored
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.engine.stream import stream_blocks
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.region import Factors, Region, products
from napari_vaesr.imaging.resample import CUBIC, LINEAR, resampled
from napari_vaesr.vae.config import Level, NetworkConfig
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model, load_model

KNOWN, FLAT = NetworkConfig(row_factors=(2, 3, 4)), NetworkConfig()
SCALES = [4, {"Z": 2}, {"Z": 4, "Y": 2, "X": 2}]


@pytest.fixture(scope="module")
def deep(make_network, make_card) -> Model:
    """A small network that sees neighbours and makes rows alone."""
    config = NetworkConfig(
        scales=(2, 3),
        row_factors=(2, 3),
        frames=3,
        conditioned=True,
        width=4,
        blocks=0,
        decoder_width=4,
        levels=(Level(stride=2, channels=2), Level(stride=1, channels=2)),
    )
    network = make_network(config, seed=1, std=0.12)
    return Model(card=make_card("deep", network=config, calibration={}), network=network)


def job(array, axes, model, region=None, **changes):
    chosen = {"samples": 4, "device": "cpu", "precision": "float32", **changes}
    options = {name: chosen.pop(name) for name in ("keep_samples",) if name in chosen}
    return UpscaleJob(Source.of(array, axes), make_settings(**chosen), region or {}, model=model, **options)


def finish(work):
    for _ in work:
        pass
    return work.result


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    """Larger than the reach of two passes along every axis."""
    return np.random.default_rng(0).random((34, 37, 41), dtype=np.float32)


@pytest.mark.parametrize(
    ("asked", "passes"),
    [
        ("2", ["2"]),
        ("8", ["4", "2"]),
        ("6", ["3", "2"]),
        ("9", ["3", "3"]),
        ("12", ["4", "3"]),
        ("16", ["4", "4"]),
        ("Z=4", ["Z=4"]),
        ("Z=6,Y=2,X=2", ["Z=3", "Z=2", "2"]),
        ("Z=8", ["Z=4", "Z=2"]),
    ],
)
def test_factors_are_split_into_few_passes_those_along_z_first(asked, passes):
    assert [str(part) for part in split(Factors.parse(asked), KNOWN, "m")] == passes


@pytest.mark.parametrize(("asked", "made", "last"), [(5, 6, 5 / 3), (7, 8, 7 / 4)])
def test_whole_factors_along_z_that_no_passes_make_are_resampled(asked, made, last):
    factors = Factors(Z=asked)
    parts = split(factors, KNOWN, "m")
    assert np.prod([part["Z"] for part in parts]) == made
    *_, (last_pass, network) = planned(factors, parts)
    assert last_pass["Z"] == pytest.approx(last) and network == parts[-1]


@pytest.mark.parametrize(
    ("isotropic", "depth", "scale"),
    [
        (None, 2.4, {"Z": 2, "Y": 2, "X": 2}),
        ("exact", 1.2, {"Z": 2.4, "Y": 2, "X": 2}),  # 12 planes of 5
        ("exact", 1.205, {"Z": 2.4, "Y": 2, "X": 2}),
        ("exact", 1.01, {"Z": 2, "Y": 2, "X": 2}),
        ("nearest", 1.2, {"Z": 2, "Y": 2, "X": 2}),
        ("nearest", 1.3, {"Z": 3, "Y": 2, "X": 2}),
        ("exact", 0.3, 2),
        ("exact", 20.0, {"Z": 9, "Y": 2, "X": 2}),
    ],
)
def test_settings_are_settled_for_an_image(deep, isotropic, depth, scale):
    asked = make_settings(scale={"Z": 2, "Y": 2, "X": 2} if isotropic is None else 2, isotropic=isotropic)
    source = Source.of(np.zeros((5, 8, 8)), "ZYX", {"Z": depth, "Y": 1.0, "X": 1.0})
    found = asked.settled(source, deep.card)
    assert found == make_settings(scale=scale) and found.settled(source, deep.card) == found


@pytest.mark.parametrize(
    ("depth", "sections"), [(2.4, "thick"), (1.0, "unknown"), (1.02, "unknown"), (0.3, "unknown")]
)
def test_what_planes_are_is_left_open_where_voxels_are_cubic_already(deep, depth, sections):
    asked = make_settings(scale=1, isotropic="exact", sections="thick")
    source = Source.of(np.zeros((5, 8, 8)), "ZYX", {"Z": depth, "Y": 1.0, "X": 1.0})
    assert asked.settled(source, deep.card).sections == sections
    assert make_settings(sections="thick").settled(source, deep.card).sections == "thick", "to be refused"


def test_cubic_voxels_need_their_size(deep, volume):
    with pytest.raises(VaesrError, match="size of its voxels"):
        job(volume, "ZYX", deep, isotropic="exact")
    with pytest.raises(VaesrError, match="no axis Z"):
        job(volume[0], "YX", deep, isotropic="exact")
    for depth, side in ((np.nan, 1.0), (np.inf, 1.0), (np.inf, np.inf), (1e-300, 1e300)):  # as a file may say
        source = Source.of(volume, "ZYX", {"Z": depth, "X": side})
        with pytest.raises(VaesrError, match="size of its voxels"):
            make_settings(isotropic="nearest").settled(source, deep.card)


def test_a_job_and_its_record_have_the_factor_that_cubic_voxels_take(deep, volume):
    source = Source.of(volume, "ZYX", {"Z": 0.6, "X": 0.4})
    cubic = make_settings(scale=2, isotropic="nearest", samples=1, device="cpu", precision="float32")
    made = UpscaleJob(source, cubic, model=deep)
    assert made.factors == made.settings.factors == Factors(Z=3, Y=2, X=2)
    assert "isotropic" not in made.record().plain()["settings"], "the record is as if 3 had been asked for"
    assert made.record() == job(volume, "ZYX", deep, scale={"Z": 3, "Y": 2, "X": 2}, samples=1).record()


@given(st.sampled_from([2, 3, 4, 6, 8, 9, 12, 16]), st.sampled_from([1, 2, 3, 4, 6, 8]))
def test_passes_come_to_what_was_asked_for(scale, depth):
    whole = Factors()
    for part in split(Factors(Z=depth, Y=scale, X=scale), KNOWN, "m"):
        whole = whole.times(part)
    assert whole == Factors(Z=depth, Y=scale, X=scale)


@pytest.mark.parametrize(
    ("asked", "known", "says"),
    [
        ("5", KNOWN, "can't upscale 5 times, please choose from 2, 3, 4, 6, 8, 9, 12, 16"),
        ("Z=40", KNOWN, "can't upscale 40 times along Z, please choose no more than"),
        ("Z=2", FLAT, "has not learnt to upscale along Z"),
        ("Y=2,X=3", KNOWN, "make them the same"),
        ("1", KNOWN, "leaves the image as it is"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(asked, known, says):
    with pytest.raises(VaesrError, match=says) as caught:
        split(Factors.parse(asked), known, "m")
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert products([2, 3, 4]) == [2, 3, 4, 6, 8, 9, 12, 16]


def test_an_image_without_depth_is_told(deep):
    with pytest.raises(VaesrError, match="no axis Z to upscale along"):
        job(np.zeros((9, 9)), "YX", deep, scale={"Z": 2})


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_results_are_as_large_as_asked_for_and_have_spread(deep, volume, scale):
    work = job(volume[:6, :9, :11], "ZYX", deep, scale=scale)
    seen = [(step.done, step.total) for step in work]
    result = work.result
    factors = Factors.of(scale)
    assert (
        result.mean.shape
        == result.std.shape
        == (6 * factors.along("Z"), 9 * factors.along("Y"), 11 * factors.along("X"))
    )
    assert result.std.min() > 0 and result.mean.dtype == np.float32
    assert seen[-1] == (work.total, work.total) and [done for done, _ in seen] == sorted(d for d, _ in seen)


RESAMPLED = {"Z": 2.5, "Y": 2, "X": 2}


def test_a_factor_that_is_no_whole_number_is_made_by_the_next_above_and_resampled(deep, volume):
    asked = Factors.of({"Z": 2.45}).fitted({"Z": 34})
    assert asked["Z"] == 83 / 34 and Factors.parse(str(asked)) == asked
    part = volume[:, :9, :11]
    made = finish(job(part, "ZYX", deep, scale={"Z": 2.45}, keep_samples=True))
    more = finish(job(part, "ZYX", deep, scale={"Z": 3}, keep_samples=True))
    assert made.mean.shape == (83, 9, 11) and made.record["settings"]["scale"] == {"Z": 83 / 34}
    assert any("3 times as many and resampled to 2.441 times" in told for told in made.record["messages"])
    # The pixels are those of the planes that the network made, interpolated.
    positions = (np.arange(83) + 0.5) * 102 / 83 - 0.5
    np.testing.assert_allclose(made.mean, resampled(more.mean, 0, positions, 0, 102, CUBIC), atol=1e-5)
    variance = resampled(more.std**2, 0, positions, 0, 102, LINEAR)
    np.testing.assert_allclose(made.std**2, variance, rtol=1e-4)
    # Averages of samples vary less than samples do; those kept vary as the std says, and around the mean.
    plain = np.stack([resampled(sample, 0, positions, 0, 102, LINEAR) for sample in more.samples])
    spread = np.sqrt(np.mean((plain - plain.mean(axis=0)) ** 2, axis=0))
    assert spread.mean() < 0.95 * made.std.mean()
    kept = np.sqrt(np.mean((made.samples - made.mean) ** 2, axis=0))
    np.testing.assert_allclose(kept, made.std, rtol=1e-3, atol=1e-6)
    cubic = np.stack([resampled(sample, 0, positions, 0, 102, CUBIC) for sample in more.samples]) - made.mean
    assert np.corrcoef(cubic.ravel(), (made.samples - made.mean).ravel())[0, 1] > 0.8


def test_resampled_volumes_are_the_same_in_parts_lazily_and_streamed(deep, volume, monkeypatch):
    monkeypatch.setattr("napari_vaesr.engine.passes.DEPTH", 15)
    part = volume[:10, :14, :15]
    whole = finish(job(part, "ZYX", deep, scale=RESAMPLED, samples=2))
    assert whole.mean.shape == (25, 28, 30)
    for planes in (range(3, 8), range(9, 10), range(0, 1)):
        work = job(part, "ZYX", deep, Region(Z=planes, X=range(2, 9)), scale=RESAMPLED, samples=2)
        seen = [(step.done, step.total) for step in work]
        assert seen[-1][0] == seen[-1][1] == work.total
        where = work.factors.made_of("Z", planes)
        inside = np.s_[where.start : where.stop, :, 4:18]
        np.testing.assert_allclose(work.result.mean, whole.mean[inside], atol=2e-5)
        np.testing.assert_allclose(work.result.std, whole.std[inside], atol=2e-5)
    found = lazy_result(job(part, "ZYX", deep, scale=RESAMPLED, samples=2))
    mean: Any = found.mean
    std = found.std
    with dask.config.set(scheduler="synchronous"):
        np.testing.assert_allclose(mean.compute(), whole.mean, atol=2e-5)
        np.testing.assert_allclose(std.compute(), whole.std, atol=2e-5)
    streamed = np.full_like(whole.mean, np.nan)
    work = job(part, "ZYX", deep, scale=RESAMPLED, samples=2)
    for piece in work.pieces():
        made = piece.region.enlarged(work.passes[-1].factors)
        streamed[tuple(slice(made[name].start, made[name].stop) for name in "ZYX")] = piece.mean
    np.testing.assert_allclose(streamed, whole.mean, atol=2e-5)


def test_resampled_corners_stay_where_they_are():
    for planes, depth in ((34, 2.45), (7, 3.7), (60, 1.31)):
        factors = Factors(Z=depth).fitted({"Z": planes})
        made = factors.made_of("Z", range(planes))
        assert made.start == 0 and made.stop == round(planes * depth)
        first = Region(Z=range(planes)).first_pixel(factors)["Z"]
        size = 1 / factors["Z"]
        assert first - size / 2 == pytest.approx(-0.5, abs=1e-9)
        assert first + (made.stop - 0.5) * size == pytest.approx(planes - 0.5, abs=1e-9)
        # Parts share the planes out among them, and each begins where its first plane does.
        parts = [factors.made_of("Z", range(at, at + 1)) for at in range(planes)]
        assert [plane for part in parts for plane in part] == list(made)
        for at, part in enumerate(parts):
            assert all(factors.made_from("Z", range(plane, plane + 1)) == range(at, at + 1) for plane in part)
            begins = Region(Z=range(at, at + 1)).first_pixel(factors)["Z"]
            assert begins == pytest.approx((part.start + 0.5) * size - 0.5, abs=1e-9)


@pytest.fixture(scope="module")
def whole_of(deep, volume):
    """A function that gives the whole result of a scale, computed once."""
    made = {}

    def whole(scale):
        if str(scale) not in made:
            made[str(scale)] = finish(job(volume, "ZYX", deep, scale=scale, samples=2))
        return made[str(scale)]

    return whole


@settings_of_hypothesis(max_examples=4)
@given(data=st.data(), scale=st.sampled_from(SCALES))
def test_any_part_is_that_part_of_the_whole_in_any_tiles(deep, volume, whole_of, data, scale):
    """A crop uses what lies around it, along Z too, and nothing depends on how the work is cut."""
    whole = whole_of(scale)

    def part_of(length):
        start = data.draw(st.integers(0, length - 1))
        return range(start, data.draw(st.integers(start + 1, min(length, start + 4))))

    region = Region({name: part_of(length) for name, length in zip("ZYX", volume.shape, strict=True)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_vaesr.engine.passes.LARGEST_BLOCK", 16)
        patch.setattr("napari_vaesr.engine.passes.SIDE", 16)
        patch.setattr("napari_vaesr.engine.passes.DEPTH", 32)
        part = finish(job(volume, "ZYX", deep, region, scale=scale, samples=2, tile=8))
    made = region.enlarged(Factors.of(scale))
    where = tuple(slice(made[name].start, made[name].stop) for name in "ZYX")
    spread = np.ptp(whole.mean)
    np.testing.assert_allclose(part.mean, whole.mean[where], atol=2e-5 * spread)
    np.testing.assert_allclose(part.std, whole.std[where], atol=2e-5 * spread)


@pytest.fixture(scope="module")
def quadruple(make_network, make_card) -> Model:
    """As the bundled models: 2, 3 and 4 times, along every axis, with neighbours."""
    config = NetworkConfig(
        scales=(2, 3, 4),
        row_factors=(2, 3, 4),
        frames=3,
        width=4,
        blocks=0,
        decoder_width=4,
        levels=(Level(stride=1, channels=2),),
    )
    return Model(card=make_card(network=config, calibration={}), network=make_network(config, seed=3))


@pytest.mark.parametrize("scale", [6, 8, 9, 12, 16, {"Z": 6}, {"Z": 8}])
@pytest.mark.parametrize("context", ["auto", "none"])
def test_chains_see_their_neighbours_and_are_the_same_as_one_scrolls(quadruple, scale, context):
    volume = np.random.default_rng(4).random((4, 6, 5)).astype(np.float32)
    work = job(volume, "ZYX", quadruple, scale=scale, context=context)
    expected, factors = finish(work), Factors.of(scale)
    assert len(work.passes) == 2
    shape = tuple(factors.whole(name) * size for name, size in zip("ZYX", volume.shape, strict=True))
    found = lazy_result(job(volume, "ZYX", quadruple, scale=scale, context=context))
    mean, std, record = found.mean, found.uncertainty, found.record
    assert mean.shape == expected.mean.shape == shape
    made, its_std = dask.compute(mean, std, scheduler="synchronous")
    reach = float(np.ptp(expected.mean))
    np.testing.assert_allclose(made, expected.mean, atol=2e-5 * reach)
    np.testing.assert_allclose(its_std, expected.std, atol=2e-5 * reach)
    again = UpscaleJob.from_record(volume, record, model=quadruple)
    np.testing.assert_array_equal(finish(again).mean, expected.mean)


@pytest.fixture
def told(told_model_path) -> Model:
    """A small network that is told what planes along Z are."""
    return load_model(told_model_path)


@pytest.mark.parametrize("scale", [{"Z": 3}, {"Z": 2.5}, {"Z": 6, "Y": 2, "X": 2}])
@pytest.mark.parametrize("sections", ["thin", "thick"])
def test_what_planes_are_is_told_lazily_in_parts_and_by_the_record(told, scale, sections):
    volume = np.random.default_rng(5).random((8, 9, 7)).astype(np.float32)
    asked = {"scale": scale, "sections": sections, "noise": 0.0}
    work = job(volume, "ZYX", told, **asked)
    sign = {"thin": -1.0, "thick": 1.0}[sections]
    pixels = work.original()
    for step in work.passes:
        (conditions,) = work.stage(step.number, pixels).conditions
        assert conditions.sections == (0.0 if step.is_flat else sign)
    expected = finish(work)
    assert not np.allclose(expected.mean, finish(job(volume, "ZYX", told, scale=scale, noise=0.0)).mean)
    found = lazy_result(job(volume, "ZYX", told, **asked))
    mean: Any = found.mean
    record = found.record
    reach = float(np.ptp(expected.mean))
    np.testing.assert_allclose(mean.compute(scheduler="synchronous"), expected.mean, atol=2e-5 * reach)
    part = Region(Z=range(2, 6), Y=range(4, 5))
    made = part.of(work.axes.lengths).enlarged(work.factors)
    where = tuple(slice(made[name].start, made[name].stop) for name in "ZYX")
    found = finish(job(volume, "ZYX", told, part, tile=8, **asked)).mean
    np.testing.assert_allclose(found, expected.mean[where], atol=2e-5 * reach)
    again = UpscaleJob.from_record(volume, record, model=told)
    np.testing.assert_array_equal(finish(again).mean, expected.mean)


@pytest.mark.parametrize("axes", ["ZYX", "XZY", "TZYX", "ZCYX", "ZYXS"])
def test_lazy_streamed_and_eager_are_the_same(deep, tmp_path, monkeypatch, axes):
    lengths = {"T": 2, "C": 2, "Z": 5, "Y": 11, "X": 13, "S": 3}
    image = np.random.default_rng(1).integers(0, 255, [lengths[name] for name in axes], dtype=np.uint8)
    scale = {"Z": 2, "Y": 2, "X": 2}
    expected = finish(job(image, axes, deep, scale=scale, uncertainty="interval"))
    monkeypatch.setattr("napari_vaesr.engine.passes.LARGEST_BLOCK", 16)
    monkeypatch.setattr("napari_vaesr.engine.passes.SIDE", 8)
    found = lazy_result(job(image, axes, deep, scale=scale, uncertainty="interval"))
    mean, bounds = found.mean, found.uncertainty
    made, its_bounds = dask.compute(mean, bounds, scheduler="synchronous")
    np.testing.assert_allclose(made.astype(int), expected.mean.astype(int), atol=1)
    np.testing.assert_allclose(its_bounds, expected.uncertainty, atol=0.02)

    work = job(image, axes, deep, scale=scale, uncertainty="interval")
    pixels = work.original()
    stored = Stored.create(tmp_path / "pass-1", work.passes[0], work.grid(0).block_shape, True)
    grid = work.grid(0)
    assert all(stored.stored(grid[number]) is None for number in range(len(grid)))
    for _ in stream_blocks(work.stage(0, pixels), stored, grid, range(len(grid))):
        pass
    checksums = [stored.stored(grid[number]) for number in range(len(grid))]
    assert None not in checksums
    again = np.empty_like(expected.mean)
    stage = work.stage(1, Stored(tmp_path / "pass-1", work.passes[1 - 1]))
    for number in range(len(work.grid(1))):
        piece = yield_from(stage.compute(work.grid(1)[number]))
        inside = piece.inside(work.passes[1].region, work.passes[1].factors)
        again[tuple(inside.get(name, slice(None)) for name in axes)] = piece.mean
    np.testing.assert_allclose(again.astype(int), expected.mean.astype(int), atol=1)


def yield_from(steps):
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def test_the_variance_of_a_chain_is_that_of_both_passes(deep, volume):
    """The second pass alone, on the mean of the first, is surer than the chain."""
    image = volume[0]
    chain = finish(job(image, "YX", deep, scale=4))
    work = job(image, "YX", deep, scale=4)
    first = finish(job(image, "YX", deep, scale=2))
    scaling = work.scalings[0]
    alone = UpscaleJob(
        Source.of((first.mean - scaling.offset) / scaling.gain, "YX"),
        work.upscalers[1].settings.model_copy(update={"scale": 2, "noise": 0.0}),
        model=deep,
        scalings=[type(scaling)(offset=0, gain=1)],
    )
    second = finish(alone).std * scaling.gain
    earlier = np.sqrt(np.maximum(chain.std**2 - second**2, 0))
    assert (chain.std >= second * (1 - 1e-4)).all()
    assert earlier.mean() == pytest.approx(first.std.mean(), rel=0.1)


def test_a_chain_may_be_calibrated_as_a_whole(deep, volume):
    image = volume[0]
    plain = finish(job(image, "YX", deep, scale=4))
    calibration = {"2": (Calibration(),), "4": (Calibration(slope=3.0, interval=2.5),)}
    card = deep.card.model_copy(update={"calibration": calibration})
    whole = job(image, "YX", replace(deep, card=card), scale=4)
    np.testing.assert_allclose(finish(whole).std, 3 * plain.std, rtol=1e-5)
    assert [each.slope for each in whole.calibrations] == [1, 3] and not whole.messages
    given = UpscaleJob(whole.source, whole.settings, model=deep, calibrations=[Calibration(slope=2.0)])
    np.testing.assert_allclose(finish(given).std, 2 * plain.std, rtol=1e-5)


def test_kept_samples_of_a_chain_lie_around_its_mean(deep, volume):
    kept = finish(
        job(volume[:5, :9, :8], "ZYX", deep, scale={"Z": 2, "Y": 2, "X": 2}, samples=8, keep_samples=True)
    )
    assert kept.samples.shape == (8, *kept.mean.shape)
    np.testing.assert_allclose(kept.samples.mean(axis=0), kept.mean, atol=1e-4 * np.ptp(kept.mean))
    # The std is smoothed over neighbours, so that it is compared on average.
    assert np.sqrt(kept.samples.var(axis=0)).mean() == pytest.approx(kept.std.mean(), rel=0.35)


@pytest.mark.parametrize("shape", [(1, 9, 8), (2, 9, 8), (6, 9, 1), (6, 1, 8), (1, 1, 1)])
def test_thin_volumes(deep, shape):
    image = np.random.default_rng(2).random(shape, dtype=np.float32)
    result = finish(job(image, "ZYX", deep, scale={"Z": 3, "Y": 2, "X": 2}))
    assert result.mean.shape == (3 * shape[0], 2 * shape[1], 2 * shape[2])
    assert np.isfinite(result.mean).all() and np.isfinite(result.std).all()


def test_a_description_tells_every_pass(deep, volume):
    told = job(volume, "ZYX", deep, scale={"Z": 4, "Y": 2, "X": 2}).describe()
    assert [each.factors for each in told.passes] == ["Z=2", "Z=2", "2"]
    assert told.shape == (136, 74, 82)
    assert told.passes[0].disk == 2 * 4 * 68 * 37 * 41 and told.passes[2].disk == 0
    assert told.tiles == sum(each.tiles for each in told.passes) and told.seconds > 0


def test_records_make_chains_again(deep, volume):
    work = job(volume[:5, :9, :8], "ZYX", deep, scale={"Z": 2, "Y": 2, "X": 2}, seed=3)
    first = finish(work)
    again = UpscaleJob.from_record(volume[:5, :9, :8], first.record, model=deep)
    np.testing.assert_array_equal(finish(again).mean, first.mean)
    np.testing.assert_array_equal(again.result.std, first.std)
    assert Axes.parse("ZYX", first.mean.shape).shape == (10, 18, 16)

"""What is seen of neighbouring planes, where there are none, and noise that does not flicker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.engine.stream import stream_blocks
from napari_vaesr.engine.surroundings import always, context_of, neighbours_of, unheeded
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.vae.config import Level, NetworkConfig
from napari_vaesr.zoo.registry import Model


@pytest.fixture(scope="module")
def wide(make_network, make_card) -> Model:
    """A small network that sees two neighbours on either side."""
    levels = (Level(stride=2, channels=2), Level(stride=1, channels=2))
    config = NetworkConfig(scales=(2,), frames=5, width=4, blocks=0, decoder_width=4, levels=levels)
    network = make_network(config, seed=3, std=0.2)
    return Model(card=make_card("wide", network=config, calibration={}), network=network)


def finish(array, axes, model, region=None, keep_samples=False, **changes):
    settings = make_settings(**{"samples": 4, "device": "cpu", "precision": "float32", **changes})
    job = UpscaleJob(Source.of(array, axes), settings, region or {}, model=model, keep_samples=keep_samples)
    for _ in job:
        pass
    return job.result


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    return np.random.default_rng(0).random((7, 12, 14)).astype(np.float32)


@pytest.mark.parametrize(
    ("names", "shape", "context", "along"),
    [
        ("ZYX", (5, 9, 9), "auto", "Z"),
        ("TZYX", (4, 5, 9, 9), "auto", "Z"),
        ("TZYX", (4, 1, 9, 9), "auto", "T"),
        ("TYX", (4, 9, 9), "auto", "T"),
        ("TZYX", (4, 5, 9, 9), "T", "T"),
        ("ZYX", (5, 9, 9), "T", None),
        ("ZYX", (5, 9, 9), "none", None),
        ("CYX", (5, 9, 9), "auto", None),
        ("YX", (9, 9), "auto", None),
    ],
)
def test_where_neighbours_lie(names, shape, context, along):
    assert context_of(Axes.parse(names, shape), context) == along


@pytest.mark.parametrize(
    ("names", "frames", "context", "said"),
    [
        ("ZYX", 5, "Z", ""),
        ("ZYX", 5, "T", "no planes along T"),
        ("TZYX", 5, "T", ""),
        ("ZYX", 1, "Z", "looks at each plane alone"),
        ("YX", 1, "auto", ""),
        ("YX", 5, "none", ""),
    ],
)
def test_neighbours_that_are_asked_for_and_not_there_are_told(wide, names, frames, context, said):
    card = wide.card.model_copy(update={"network": wide.card.network.model_copy(update={"frames": frames})})
    told = unheeded(Axes.parse(names, (4,) * len(names)), make_settings(context=context), card)
    assert said in " ".join(told) and bool(told) == bool(said)


def test_neighbours_end_with_the_image_and_before_a_cut():
    axes = Axes.parse("TYX", (6, 9, 9))

    def times(place, is_joined=always):
        found = neighbours_of(axes, {"T": place}, "T", 2, is_joined)
        return [None if each is None else each["T"] for each in found]

    assert times(3) == [1, 2, None, 4, 5]
    assert times(0) == [None, None, None, 1, 2] and times(5) == [3, 4, None, None, None]
    # A cut between 3 and 4 hides what lies beyond it, too.
    assert times(2, lambda one, other: other["T"] < 4) == [0, 1, None, 3, None]
    assert times(3, lambda one, other: other["T"] != 2) == [None, None, None, 4, 5]


def test_a_plane_depends_on_its_neighbours_alone(wide, stack):
    whole = finish(stack, "ZYX", wide)
    for changed in range(7):
        other = stack.copy()
        other[changed] = stack[changed, ::-1]  # its intensities stay the same
        result = finish(other, "ZYX", wide)
        differs = [not np.array_equal(result.mean[z], whole.mean[z]) for z in range(7)]
        assert differs == [abs(z - changed) <= 2 for z in range(7)]
    without = finish(stack, "ZYX", wide, context="none")
    assert not np.array_equal(without.mean, whole.mean)


def test_an_extent_sees_planes_outside_of_it(wide, stack):
    whole = finish(stack, "ZYX", wide)
    part = finish(stack, "ZYX", wide, {"Z": range(3, 4), "Y": range(2, 9)})
    np.testing.assert_allclose(part.mean, whole.mean[3:4, 4:18], atol=2e-5 * np.ptp(whole.mean))


def test_channels_never_mix(wide):
    image = np.random.default_rng(1).random((2, 4, 9, 9)).astype(np.float32)
    other = image.copy()
    other[1] = other[1, ::-1]
    before, after = (finish(each, "CZYX", wide).mean for each in (image, other))
    np.testing.assert_array_equal(before[0], after[0])


def test_planes_with_too_little_in_common_are_upscaled_by_themselves(wide):
    generator = np.random.default_rng(4)
    planes = np.stack([gaussian_filter(generator.normal(size=(40, 48)), 1) for _ in range(6)])
    image = np.stack([np.stack([planes[0]] * 6), planes], axis=1)
    image = (image + 0.01 * generator.normal(size=image.shape)).astype(np.float32)
    chosen, alone, seen = (finish(image, "ZCYX", wide, context=each).mean for each in ("auto", "none", "Z"))
    np.testing.assert_array_equal(chosen[:, 0], seen[:, 0])
    np.testing.assert_array_equal(chosen[:, 1], alone[:, 1])
    assert not np.array_equal(chosen[:, 0], alone[:, 0])
    assert not np.array_equal(chosen[:, 1], seen[:, 1])


def test_a_lone_plane_stands_for_its_neighbours(wide, stack):
    still = np.stack([stack[2]] * 5)
    with_neighbours, alone = (finish(still, "ZYX", wide, context=each).mean for each in ("Z", "none"))
    np.testing.assert_allclose(with_neighbours, alone, atol=2e-5 * np.ptp(alone))


@pytest.fixture
def scenes():
    """Two fields of view, smooth, in one range of intensities."""
    rng = np.random.default_rng(2)
    fields = [gaussian_filter(rng.random((64, 64)), 4) for _ in range(2)]
    return [(each - each.min()) / np.ptp(each) for each in fields]


def test_what_lies_beyond_a_cut_changes_nothing(wide, scenes):
    movie = np.concatenate([np.stack([scene] * 3) for scene in scenes]).astype(np.float32)
    result = finish(movie, "TYX", wide)
    still = finish(
        np.stack([scenes[0]] * 3 + [scenes[1]] * 3).astype(np.float32), "TYX", wide, context="none"
    )
    # Neighbours are alike on either side of the cut, so that they say nothing new.
    np.testing.assert_allclose(result.mean, still.mean, atol=2e-5 * np.ptp(still.mean))


def test_a_still_scene_gives_the_same_samples_at_every_time(wide, stack):
    still = np.stack([stack[0]] * 4)
    result = finish(still, "TYX", wide, keep_samples=True)
    for t in range(1, 4):
        np.testing.assert_allclose(
            result.samples[:, t], result.samples[:, 0], atol=2e-5 * np.ptp(result.mean)
        )
    assert result.std.min() > 0


def test_alike_planes_are_in_the_samples(wide, stack):
    still = np.stack([stack[0]] * 8)
    own = finish(still, "ZYX", wide, keep_samples=True)
    card = wide.card.model_copy(update={"alike_planes": 2.0})
    alike = finish(still, "ZYX", replace(wide, card=card), keep_samples=True)

    def likeness(result):
        drawn = (result.samples - result.mean)[::2]
        return np.corrcoef(drawn[:, 3].ravel(), drawn[:, 4].ravel())[0, 1]

    assert abs(likeness(own)) < 0.3 and likeness(alike) > 0.7


class Counted:
    """Counts the planes of which something is read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.planes = array, array.shape, array.dtype, 0

    def __getitem__(self, key):
        part = self.array[key]
        self.planes += part.size / self.array[0].size
        return part


def test_a_stream_reads_every_plane_once(wide):
    """With two neighbours on either side, and in blocks of a plane."""
    source = Counted(np.random.default_rng(5).random((24, 20, 20)).astype(np.float32))
    settings = make_settings(samples=2, device="cpu", precision="float32")
    job = UpscaleJob(Source.of(source, "ZYX"), settings, model=wide)
    source.planes = 0

    class Nowhere:
        def put(self, piece):
            pass

    for _ in stream_blocks(job.stage(0, job.original()), Nowhere(), job.grid(0), range(24)):
        pass
    assert source.planes == 24

"""A model is calibrated on files by domain, clean and noisy, and through the command that does it again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from skimage.io import imread, imsave
from typer.testing import CliRunner

from napari_vaesr import load_model, upscale
from napari_vaesr.cli import app
from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.pairs.sources import low_res
from napari_vaesr.training.calibrate import (
    calibrate,
    calibrate_on_pairs,
    is_noisy_truth,
)
from napari_vaesr.training.spreads import spreads_of_file
from napari_vaesr.training.validation import FixedPairs
from napari_vaesr.trust.evaluation import own_domain
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import Level, NetworkConfig
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.card import ModelCard
from napari_vaesr.zoo.registry import Model

NOISY = Degradation(photons=(30, 300), read_noise=(0.0, 0.02), clean=0.5)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Six images of blobs and six of stripes; one more of blobs is nothing but noise."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :48]
    for index in range(6):
        phase, period = rng.uniform(0, 6), rng.uniform(6, 12)
        images = {
            "blobs": np.sin(rows / period + phase) * np.cos(columns / period),
            "stripes": np.sin((rows + columns) / period + phase),
        }
        for name, image in images.items():
            (tmp_path / "images" / name).mkdir(parents=True, exist_ok=True)
            grey = np.uint8(127 + 100 * image)
            imsave(tmp_path / "images" / name / f"{index}.png", grey, check_contrast=False)
    imsave(tmp_path / "images" / "blobs" / "noise.png", rng.integers(0, 255, (48, 48), dtype=np.uint8))
    return tmp_path / "images"


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spend no minutes on draws of the noise."""
    monkeypatch.setattr("napari_vaesr.training.spreads.NOISY_IMAGES", 12)


@pytest.fixture
def model(tiny_model_path: Path) -> Model:
    return load_model(tiny_model_path)


def test_every_domain_and_all_together_get_levels_of_noise(folders: Path, model: Model) -> None:
    told: list[tuple[int, int]] = []
    fitted = calibrate(model, [folders], NOISY, progress=lambda step: told.append((step.done, step.total)))
    done, total = zip(*told, strict=True)
    assert list(done) == list(range(1, total[-1] + 1)) and len(told) % len(model.card.scales) == 0
    scales = {str(scale) for scale in model.card.scales}
    assert set(fitted.calibration) == scales and set(fitted.domains) == {"blobs", "stripes"}
    assert all(set(domain) == scales for domain in fitted.domains.values())
    for levels in (*fitted.calibration.values(), *fitted.domains["blobs"].values()):
        assert len(levels) > 1 and levels[0].noise < levels[-1].noise
    assert 0.7 < fitted.metrics["coverage90_blobs_x2"] < 1
    alone = calibrate(model, [folders / "blobs"], NOISY)
    assert not alone.domains and alone.calibration == fitted.domains["blobs"]


def test_a_folder_may_be_called_as_all_together_are(folders: Path, model: Model) -> None:
    (folders / "stripes").rename(folders / "any")
    fitted = calibrate(model, [folders], Degradation())
    assert set(fitted.domains) == {"blobs"} and len(fitted.calibration) == len(model.card.scales)


def test_the_fewer_images_the_more_draws_of_the_noise(
    folders: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_vaesr.training.spreads.NOISY_DRAWS", (2, 5))
    path = folders / "blobs" / "0.png"
    for images, draws in {1: 5, 4: 3, 48: 2}.items():  # 12 in all
        made = spreads_of_file(model, path, 2, NOISY, images, "0")
        assert [spread.clean for spread in made] == [True] + draws * [False]


def test_a_model_without_noise_is_calibrated_without_noise(folders: Path, model: Model) -> None:
    assert len(calibrate(model, [folders], Degradation()).domains["blobs"]["2"]) == 1


def test_images_are_scaled_by_their_own_dtype(folders: Path, model: Model) -> None:
    """The network sees the same intensities as when users run it, also for models that go by the dtype."""
    by_dtype = Model(model.card.model_copy(update={"intensity": "dtype"}), model.network)
    path = folders / "blobs" / "0.png"
    (spread,) = spreads_of_file(by_dtype, path, 2, Degradation(), 100, "0")
    truth = imread(path).astype(np.float32)
    low = low_res("blobs", "blobs", imread(path), 2, None, 0).low
    mean = upscale(low, "YX", model=by_dtype, scale=2).mean.astype(np.float32)
    rms = np.sqrt(np.mean(((mean - truth) / 255) ** 2))
    assert np.sqrt(np.mean(spread.error**2)) == pytest.approx(rms, rel=0.1)
    assert spread.gradient is not None and spread.gradient.shape == spread.error.shape
    steepness = np.mean(np.hypot(*np.gradient(mean / 255)))
    assert np.mean(spread.gradient) == pytest.approx(steepness, rel=0.2)  # rounded and clipped there


def test_what_trainings_read_can_calibrate(folders: Path, model: Model, tmp_path: Path) -> None:
    """Pages of a TIFF without axes, which only `--axes` could name elsewhere."""
    pages = [imread(folders / "blobs" / f"{index}.png") for index in range(2)]
    for name in ("one", "two"):
        tifffile.imwrite(
            tmp_path / f"{name}.tif", np.stack(pages * 2), metadata=None, photometric="minisblack"
        )
    assert calibrate(model, [tmp_path], Degradation()).calibration["2"]


def test_a_name_that_no_model_can_have(folders: Path, tiny_model_path: Path) -> None:
    result = CliRunner().invoke(app, ["calibrate", str(tiny_model_path), str(folders), "--name", "my cells"])
    assert result.exit_code == 2 and "letters, digits" in result.output


def test_noise_is_no_truth(folders: Path) -> None:
    assert is_noisy_truth(folders / "blobs" / "noise.png")
    assert not is_noisy_truth(folders / "blobs" / "0.png")


def test_the_command_calibrates_a_model_again(folders: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    command = ["calibrate", str(tiny_model_path), str(folders), "--output", str(tmp_path / "made")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "stripes ×2" in result.output
    made = load_model(tmp_path / "made" / tiny_model_path.name)
    assert made.card.sha256 == load_model(tiny_model_path).card.sha256  # results can be made again
    assert own_domain("val/stripes", made) == "stripes" and own_domain("val/cells", made) == "any"
    again = CliRunner().invoke(app, command)
    assert again.exit_code != 0 and "--force" in again.output
    image = np.random.default_rng(1).integers(0, 255, (16, 16), dtype=np.uint8)
    stds = [upscale(image, model=made, samples=2, domain=name).std for name in ("any", "blobs", "stripes")]
    assert not np.allclose(stds[1], stds[2])


def test_shared_errors_are_added_to_a_calibration_that_stays(
    folders: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    """As `--shared` does to cards that were calibrated before there were any."""
    command = ["calibrate", str(tiny_model_path), str(folders), "--output", str(tmp_path / "made")]
    assert CliRunner().invoke(app, command).exit_code == 0
    made = tmp_path / "made" / tiny_model_path.name
    card = load_model(made).card
    every = [
        level
        for scales in (card.calibration, *card.domains.values())
        for levels in scales.values()
        for level in levels
    ]
    assert all(level.shared is not None for level in every)
    bare = {
        scale: tuple(each.model_copy(update={"shared": None}) for each in levels)
        for scale, levels in card.calibration.items()
    }
    old = made.with_suffix(".json")
    old.write_text(card.model_copy(update={"calibration": bare}).to_json())
    again = ["calibrate", str(made), str(folders), "--output", str(tmp_path / "again")]
    assert CliRunner().invoke(app, [*again, "--shared", "--keep"]).exit_code == 2
    result = CliRunner().invoke(app, [*again, "--shared"])
    assert result.exit_code == 0, result.output
    card = load_model(tmp_path / "again" / tiny_model_path.name).card
    assert set(card.calibration) == set(bare)
    for scale, levels in card.calibration.items():
        assert all(level.shared is not None for level in levels)
        assert tuple(each.model_copy(update={"shared": None}) for each in levels) == bare[scale]


def test_where_noise_hides_the_errors_the_calibration_of_the_start_is_kept(model: Model) -> None:
    random = torch.Generator().manual_seed(0)
    low = torch.full((1, 1, 24, 24), 0.5)
    encoded = model.network.encode(low, 2)
    truth = encoded.base.detach()
    noisy = truth + torch.randn(truth.shape, generator=random)
    known = {"2": (Calibration(slope=3.0),)}
    start = model.card.model_copy(update={"calibration": known})

    def pair(high: torch.Tensor) -> Batch:
        return Batch(low, high, (2, 2), torch.zeros(1, 3))

    kept = calibrate_on_pairs(model.network, FixedPairs([pair(noisy)], ["any"]), start)
    assert kept.calibration == known
    fitted = calibrate_on_pairs(model.network, FixedPairs([pair(torch.ones_like(truth))], ["any"]), start)
    assert fitted.calibration["2"] != known["2"]


def test_rows_are_calibrated_too_and_a_clean_image_told_so(tmp_path: Path) -> None:
    """A network that is told conditions and makes rows gets calibrations for both."""
    config = NetworkConfig(
        scales=(2,),
        row_factors=(2,),
        conditioned=True,
        width=8,
        blocks=1,
        decoder_width=8,
        levels=(Level(stride=2, channels=2), Level(stride=1, channels=2)),
    )
    torch.manual_seed(0)
    network = build(config).eval()
    card = ModelCard(name="rows", title="", description="", network=config)
    rng = np.random.default_rng(0)
    for index in range(4):
        image = (200 * rng.random((48, 48))).astype(np.uint8)
        imsave(tmp_path / f"image{index}x.png", image, check_contrast=False)
    way = Degradation(read_noise=(0.02, 0.02), clean=0.5)
    fitted = calibrate(Model(card=card, network=network), [tmp_path], way)
    assert set(fitted.calibration) == {"2", "2x1"}
    assert all(levels[0].noise == 0 < levels[-1].noise for levels in fitted.calibration.values())


def test_chains_along_z_are_calibrated_on_stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a whole, and so that their intervals hold what they should on the stacks themselves."""
    monkeypatch.setattr("napari_vaesr.training.spreads.NOISY_IMAGES", 4)
    monkeypatch.setattr("napari_vaesr.training.truths.NOISY_VOLUMES", 2)
    from napari_vaesr.engine.calibrations import calibration_keys
    from napari_vaesr.imaging.region import Factors
    from napari_vaesr.training.truths import spreads_of_stacks

    config = NetworkConfig(
        scales=(2,),
        row_factors=(2,),
        width=4,
        blocks=0,
        decoder_width=4,
        levels=(Level(stride=2, channels=2), Level(stride=1, channels=2)),
    )
    torch.manual_seed(0)
    card = ModelCard(name="deep", title="", description="", network=config)
    model = Model(card=card, network=build(config).eval())
    rng, way, chain = np.random.default_rng(0), Degradation(clean=0.5), Factors(Z=2, Y=2, X=2)
    for index in range(2):
        stack = (4000 * rng.random((10, 24, 24))).astype(np.uint16)
        metadata = {"axes": "ZYX", "spacing": 1.0}
        tifffile.imwrite(tmp_path / f"stack{index}.tif", stack, imagej=True, metadata=metadata)
    imsave(tmp_path / "flat.png", (200 * rng.random((48, 48))).astype(np.uint8), check_contrast=False)
    assert not spreads_of_stacks(model, [tmp_path / "flat.png"], chain, way), "it is no stack"
    fitted = calibrate(model, [tmp_path / "flat.png"], way, chains=[chain], stacks=[tmp_path])
    assert set(fitted.calibration) == {"2", "2x1", "Z=2,Y=2,X=2"}
    calibrated = ModelCard.model_validate_json(
        card.model_copy(update={"calibration": fitted.calibration}).model_dump_json()
    )
    assert calibration_keys(calibrated, chain) == ["2x1", "Z=2,Y=2,X=2"]
    assert calibration_keys(calibrated, Factors(Z=1.7, Y=2, X=2)) == ["2x1", "Z=2,Y=2,X=2"]
    own = Model(
        calibrated.model_copy(update={"calibration": {"2x1": fitted.calibration["2x1"]}}), model.network
    )
    for spread in spreads_of_stacks(own, [tmp_path], chain, way):
        at = calibrated.calibration_at("Z=2,Y=2,X=2", spread.noise)
        assert np.mean(np.abs(spread.error) <= at.interval * at.apply(spread.std)) == pytest.approx(
            0.9, abs=0.1
        )
    told: list[Progress] = []
    for stacks in ([], [tmp_path / "flat.png"]):  # refused before anything is measured
        with pytest.raises(VaesrError, match="takes stacks"):
            calibrate(
                model, [tmp_path / "flat.png"], way, progress=told.append, chains=[chain], stacks=stacks
            )
    assert not told


@pytest.mark.parametrize(
    ("chain", "says"),
    [
        ("0", "greater than or equal to 1"),
        ("Y=8", "make them the same"),
        ("Z=2", "along Z"),
        ("17", "can't upscale 17 times"),
    ],
)
def test_chains_that_there_are_not_are_refused_first(
    tiny_model_path: Path, folders: Path, tmp_path: Path, chain: str, says: str
) -> None:
    command = ["calibrate", str(tiny_model_path), str(folders), "--keep", "--output", str(tmp_path / "made")]
    done = CliRunner().invoke(app, [*command, "--chain", chain])
    assert done.exit_code == 2 and says in " ".join(done.output.split())


def test_chains_are_added_to_what_a_card_has(tiny_model_path: Path, folders: Path, tmp_path: Path) -> None:
    known = load_model(tiny_model_path).card
    command = ["calibrate", str(tiny_model_path), str(folders), "--keep", "--output", str(tmp_path / "made")]
    assert "--chain" in CliRunner().invoke(app, command).output, "there is nothing to do"
    result = CliRunner().invoke(app, [*command, "--chain", "6"])
    assert result.exit_code == 0, result.output
    made = load_model(tmp_path / "made" / tiny_model_path.name).card
    assert set(made.calibration) == {*known.calibration, "6"}
    assert all(made.calibration[name] == levels for name, levels in known.calibration.items())
    assert "coverage90_x6" in made.metrics

"""A training learns, resumes where it was, and ends as a model that loads."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from pydantic import ValidationError
from skimage.io import imsave

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.pairs.images import hold_out, hold_out_listed, load_planes
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training.config import RECIPES, TrainingConfig
from napari_vaesr.training.finish import finish_training
from napari_vaesr.training.fit import fit, newest_checkpoint
from napari_vaesr.training.module import Training
from napari_vaesr.training.patches import Patches
from napari_vaesr.vae.base import Elbo, Encoded
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import PRESETS, Level
from napari_vaesr.zoo.registry import load_model

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")

SMALL = TrainingConfig(
    name="small",
    network=PRESETS["tiny"].model_copy(
        update={
            "width": 8,
            "blocks": 1,
            "decoder_width": 8,
            "scales": (2, 3),
            "levels": (Level(stride=2, channels=2), Level(stride=1, channels=2)),
        }
    ),
    patch=8,
    batch=4,
    steps=6,
    warmup=2,
    anneal=2,
    validate_every=3,
)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three small pictures of blobs, 8-bit, 16-bit and colour."""
    folder = tmp_path / "images" / "blobs"
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:48, :60]
    rng = np.random.default_rng(0)
    for index, dtype in enumerate((np.uint8, np.uint16, np.uint8)):
        centres = rng.random((8, 2)) * (48, 60)
        blobs = sum(np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 12) for y, x in centres)
        plane = (blobs / blobs.max() * np.iinfo(dtype).max).astype(dtype)
        image = np.stack([plane] * 3, axis=-1) if index == 2 else plane
        imsave(folder / f"{index}.{'tif' if dtype == np.uint16 else 'png'}", image, check_contrast=False)
    return folder.parent


def test_a_run_ends_as_a_model_that_loads(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    module = fit(SMALL, [images], [images], run, precision="32-true")
    assert module.steps_done == 6
    assert {path.name for path in run.glob("*.ckpt")} == {"step=3.ckpt", "step=6.ckpt"}
    log = (run / "log/version_0/metrics.csv").read_text()
    assert all(name in log for name in ("psnr_mean_x2", "psnr_base_x3", "psnr_one_x2"))
    weights = finish_training(run, tmp_path / "models", [images], command="train")
    model = load_model(weights)
    assert model.card.training["steps"] == 6
    assert set(model.card.calibration) == {"2", "3"}
    fits = [fit for curve in model.card.calibration.values() for fit in curve]
    assert fits and all(fit.apply(np.array([0.5]))[0] > 0 for fit in fits)
    assert not module.averaged.training, "what is judged would differ from what is used"
    for key, value in module.averaged.state_dict().items():
        torch.testing.assert_close(model.network.state_dict()[key], value)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*worker processes in total")
@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_goes_on_and_gives_the_same_weights(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Stopped after 3 of 6 steps by hand and resumed, the data and the optimisers go on where they were.

    It does not matter how many processes make the batches. Only the streams of random draws are not kept,
    so there are none here.
    """
    monkeypatch.setattr(torch, "randn_like", torch.ones_like)
    config = SMALL.model_copy(update={"score_weight": 0.0})
    whole = fit(config, [images], [images], tmp_path / "whole", precision="32-true")
    interrupted = tmp_path / "interrupted"

    from lightning.pytorch.callbacks import Callback

    class StopAfterThree(Callback):
        def on_train_batch_end(self, trainer: object, module: Training, *_: object) -> None:
            trainer.should_stop = module.steps_done >= 3  # type: ignore[attr-defined]

    stopped = fit(config, [images], [images], interrupted, callbacks=[StopAfterThree()], precision="32-true")
    assert stopped.steps_done == 3
    resumed = fit(config, [images], [images], interrupted, precision="32-true", workers=workers)
    assert resumed.steps_done == 6
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], weight, rtol=0, atol=1e-6)
    assert resumed.seconds_done >= stopped.seconds_done


def test_a_checkpoint_cut_short_is_passed_over(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(SMALL, [images], [images], run, precision="32-true")
    good = newest_checkpoint(run)
    assert good is not None
    (run / "step=999.ckpt").write_bytes(good.read_bytes()[:1000])
    assert newest_checkpoint(run) == good


def test_other_settings_do_not_go_on_from_here(images: Path, tmp_path: Path) -> None:
    fit(SMALL, [images], [images], tmp_path / "run", precision="32-true")
    with pytest.raises(VaesrError, match="other settings"):
        fit(SMALL.model_copy(update={"batch": 2}), [images], [images], tmp_path / "run")
    # Orientations are of the network's use, not of its training.
    turned = SMALL.network.model_copy(update={"orientations": 2})
    again = SMALL.model_copy(update={"network": turned, "steps": 7})
    assert fit(again, [images], [images], tmp_path / "run", precision="32-true").steps_done == 7


def test_a_length_is_needed(tmp_path: Path) -> None:
    with pytest.raises(VaesrError, match="length"):
        fit(SMALL.model_copy(update={"steps": None}), [tmp_path], [tmp_path], tmp_path)


def test_training_lowers_the_loss(images: Path) -> None:
    config = SMALL.model_copy(update={"steps": 60, "base_weight": 20.0})
    module, patches = Training(config), Patches([images], config)
    optimisers = module.configure_optimizers()
    low, high, factor, _ = patches.batch(0)
    losses = []
    for _ in range(40):
        elbo = module.network.elbo(low, high, factor)
        loss = 20 * (elbo.base - high).abs().mean() + elbo.nll
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.5


def test_batches_are_a_function_of_the_step(images: Path) -> None:
    one, other = Patches([images], SMALL), Patches([images], SMALL)
    for step in (0, 7):
        low, high, factor, _ = one.batch(step)
        again = other.batch(step)
        assert torch.equal(low, again[0]) and torch.equal(high, again[1]) and factor == again[2]
        assert low.shape[-1] * factor[1] == high.shape[-1] == 8 * factor[1]
    assert not torch.equal(one.batch(1)[1], one.batch(2)[1]) or one.batch(1)[2] != one.batch(2)[2]


def test_patches_have_the_range_of_their_plane_and_cost_no_more_than_themselves(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_vaesr.training import patches as module

    sizes = []
    real = module.to_unit
    monkeypatch.setattr(
        module, "to_unit", lambda plane, *rest: sizes.append(plane.shape) or real(plane, *rest)
    )
    patches = Patches([images / "blobs" / "1.tif"], SMALL)  # the one of 16 bits
    ((plane,),) = patches.groups[0]
    whole = real(plane)
    (patch,) = patches._patch(np.random.default_rng(0), (2, 2))
    assert sizes == [(16, 16)]
    windows = np.lib.stride_tricks.sliding_window_view(whole, (16, 16)).reshape(-1, 256)
    turned = {np.rot90(each, turns).tobytes() for each in (patch, patch[::-1]) for turns in range(4)}
    assert any(window.tobytes() in turned for window in windows)


def test_recipes_are_valid_and_survive_json() -> None:
    for name, recipe in RECIPES.items():
        assert recipe.name == name and recipe.sources
        assert TrainingConfig.model_validate(json.loads(recipe.model_dump_json())) == recipe


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"patch": 9}, "multiple of the coarsest latent stride, 2"),
        ({"scale_weights": (1.0,)}, "for each of the factors"),
        ({"scale_weights": (0.0, 0.0)}, "for each of the factors"),
        ({"scale_weights": (1.0, -1.0)}, "for each of the factors"),
        ({"folder_weights": {"a": 0.0}}, "for each folder"),
        ({"folder_weights": {"a": 2.0, "b": -1.0}}, "for each folder"),
        ({"network": {"frames": 2}}, "frames has to be odd"),
        ({"seed": -1}, "greater than or equal to 0"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        TrainingConfig.model_validate(SMALL.model_dump() | changes)


def test_hold_out_is_disjoint(images: Path) -> None:
    learn, check = hold_out([images])
    assert learn and check and not set(learn) & set(check)
    alone = [next(images.rglob("0.png"))]
    assert hold_out(alone) == (alone, alone)


def test_listed_images_are_held_out(images: Path, tmp_path: Path) -> None:
    listing = tmp_path / "held.txt"
    one = next(images.rglob("0.png"))
    listing.write_text(f"{one.parent.name}/{one.name}\n\n")
    learn, check = hold_out_listed([images], listing)
    assert check == [one] and one not in learn and len(learn) == 2
    for content, message in (("gone.png", "not among"), ("0.png\n1.tif\n2.png", "none is left")):
        listing.write_text(content)
        with pytest.raises(VaesrError, match=message):
            hold_out_listed([images], listing)
    with pytest.raises(VaesrError, match="can't be read"):
        hold_out_listed([images], tmp_path / "missing.txt")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "missing", "does not exist"),
        (lambda folder: folder, "holds no PNG"),
        (lambda folder: folder / "bad.png", "cannot be read"),
    ],
)
def test_nothing_to_train_on_is_said(tmp_path: Path, make: object, message: str) -> None:
    place = make(tmp_path)  # type: ignore[operator]
    if place.suffix:
        place.write_bytes(b"no image")
    with pytest.raises(VaesrError, match=message):
        load_planes([place], 8)


def test_a_value_that_is_no_number_is_said_with_the_file(tmp_path: Path) -> None:
    plane = np.ones((16, 16), np.float32)
    plane[3, 4] = np.nan
    tifffile.imwrite(tmp_path / "hole.tif", plane)
    with pytest.raises(VaesrError, match=r"hole\.tif holds NaN"):
        load_planes([tmp_path], 8)


def test_images_that_are_too_small_are_said(images: Path) -> None:
    with pytest.raises(VaesrError, match="100 pixels"):
        load_planes([images], 100)


def test_degradation_ranges_are_checked() -> None:
    with pytest.raises(ValueError, match="clean"):
        Degradation(clean=2.0)


def test_colour_is_told_by_the_file_not_by_its_size(tmp_path: Path) -> None:
    """A stack of strips three pixels wide is no colour image; colours are, before or behind the pixels."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    tifffile.imwrite(tmp_path / "strips.tif", pixels, photometric="minisblack")
    tifffile.imwrite(tmp_path / "planar.tif", np.moveaxis(pixels, -1, 0), photometric="rgb")
    tifffile.imwrite(tmp_path / "colour.tif", pixels, photometric="rgb")
    luma = (pixels @ np.array([0.299, 0.587, 0.114])).round()
    assert len(load_planes([tmp_path / "strips.tif"], 3)[tmp_path.name]) == 40
    for name in ("planar.tif", "colour.tif"):
        (plane,) = load_planes([tmp_path / name], 8)[tmp_path.name]
        assert np.abs(plane - luma).max() <= 1


def test_the_base_learns_alone_and_then_the_ladder_joins_in(images: Path, tmp_path: Path) -> None:
    alone = SMALL.model_copy(update={"base_share": 1.0})
    before = Training(alone).state_dict()
    after = fit(alone, [images], [images], tmp_path / "alone", precision="32-true")
    assert after.ladder_steps == 0
    for name, weight in after.network.state_dict().items():
        same = torch.equal(weight, before[f"network.{name}"])
        assert same != name.startswith(("trunk", f"base_head.{2}", f"base_head.{3}")), name

    half = SMALL.model_copy(update={"base_share": 0.5})
    joined = fit(half, [images], [images], tmp_path / "half", precision="32-true")
    assert joined.ladder_steps == 3
    assert not torch.equal(joined.network.state_dict()["narrow.weight"], before["network.narrow.weight"])


def test_everything_is_drawn_where_the_images_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device that is not the CPU nothing of the CPU may come into the loss: `meta` has shapes alone."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it does not know this device
    module = Training(SMALL).to("meta")
    low, high = torch.empty(4, 1, 8, 8, device="meta"), torch.empty(4, 1, 16, 16, device="meta")
    loss, _ = module._loss(Batch(low, high, (2, 2), torch.empty(4, 3, device="meta")))
    assert loss.device.type == "meta"


def test_the_base_learns_from_a_teacher_and_the_ladder_from_the_truth(images: Path) -> None:
    config = SMALL
    teacher = build(config.network.model_copy(update={"width": 12})).eval()
    before = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    module = Training(config, teacher=teacher)
    assert not any("teacher" in name for name in module.state_dict())
    low, high, factor, _ = batch = Patches([images], config).batch(0)
    with torch.no_grad():
        taught = teacher.encode(low, factor).base
    loss, _ = module._base_loss(batch)
    own = (module.network.encode(low, factor).base - taught).abs().mean()
    assert (taught - high).abs().mean() > 0.01
    torch.testing.assert_close(loss, config.base_weight * own, rtol=0.05, atol=1e-3)
    _, values = module._loss(batch)
    torch.testing.assert_close(values[f"base_error_x{factor[0]}"], own, rtol=0.05, atol=1e-4)
    found = []
    for each in (module, Training(config)):
        torch.manual_seed(0)
        found.append(each._loss(batch)[1]["nll"])
    assert torch.equal(*found)
    assert all(torch.equal(weight, before[name]) for name, weight in teacher.state_dict().items())


def test_the_bound_does_not_move_the_base(images: Path) -> None:
    module, patches = Training(SMALL), Patches([images], SMALL)
    low, high, factor, _ = patches.batch(0)
    elbo = module.network.elbo(low, high, factor)
    (elbo.nll + sum(elbo.kl)).backward()
    for name, weight in module.network.named_parameters():
        if name.partition(".")[0] in module.network.base_parts:
            assert weight.grad is None, name


def test_without_weight_the_base_stays_as_it_is(images: Path, tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"base_weight": 0.0})
    before = Training(config).state_dict()
    after = fit(config, [images], [images], tmp_path / "run", precision="32-true")
    assert after.ladder_steps == 6
    for name, weight in after.network.state_dict().items():
        if name.partition(".")[0] in after.network.base_parts:
            assert torch.equal(weight, before[f"network.{name}"]), name
    assert not torch.equal(after.network.state_dict()["narrow.weight"], before["network.narrow.weight"])


def test_beside_the_ladder_clean_patches_count_as_much_as_noisy_ones() -> None:
    """Each patch pulls with the same strength, and towards the mean of what may be true."""
    module = Training(SMALL)
    strength = torch.tensor([0.01, 0.1]).reshape(2, 1, 1, 1)
    error = (strength * torch.randn(2, 1, 64, 64)).requires_grad_()
    (gradient,) = torch.autograd.grad(module._joint_base_loss(error), error)
    pull = gradient.flatten(1).norm(dim=1)
    torch.testing.assert_close(pull[0], pull[1], rtol=0.02, atol=0)
    torch.testing.assert_close(gradient[1] / error[1], (gradient[1] / error[1]).mean().expand(1, 64, 64))


def test_small_planes_serve_the_scales_they_are_large_enough_for(images: Path, tmp_path: Path) -> None:
    imsave(tmp_path / "small.png", np.arange(18 * 18, dtype=np.uint8).reshape(18, 18), check_contrast=False)
    patches = Patches([tmp_path / "small.png"], SMALL)
    assert {patches.batch(step).factor for step in range(12)} == {(2, 2)}


def test_of_several_patches_the_one_with_most_detail_is_learnt_from(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    half_smooth = np.concatenate([np.full((64, 200), 90), rng.integers(60, 120, (64, 200))], axis=1)
    imsave(tmp_path / "half.png", half_smooth.astype(np.uint8), check_contrast=False)

    def detailed(choices: int) -> float:
        patches = Patches([tmp_path], SMALL.model_copy(update={"choices": choices}))
        spread = torch.cat([patches.batch(step)[1].std(dim=(-2, -1)).flatten() for step in range(12)])
        return float((spread > 0.02).float().mean())

    assert detailed(1) < 0.7 < 0.9 < detailed(5)


def test_folders_are_drawn_as_often_as_their_weights_say(tmp_path: Path) -> None:
    for name, grey in {"dark": 10, "light": 200}.items():
        (tmp_path / name).mkdir()
        imsave(tmp_path / name / "flat.png", np.full((64, 64), grey, np.uint8), check_contrast=False)

    def light(weights: dict[str, float] | None) -> float:
        patches = Patches([tmp_path], SMALL.model_copy(update={"folder_weights": weights}))
        drawn = torch.cat([patches.batch(step)[1].mean(dim=(1, 2, 3)) for step in range(60)])
        return float((drawn > 0.5).float().mean())

    assert (
        light({"light": 0.0, "dark": 1.0}) == 0 < 0.35 < light(None) < 0.65 < light({"light": 9, "dark": 1})
    )
    with pytest.raises(VaesrError, match=r"names light, and .* in dark, light"):
        light({"light": 1.0})


def test_a_folder_of_small_images_is_not_drawn_for_large_scales(tmp_path: Path) -> None:
    for name, side in {"small": 20, "large": 64}.items():
        (tmp_path / name).mkdir()
        grey = np.full((side, side), 200 if name == "large" else 10, np.uint8)
        imsave(tmp_path / name / "flat.png", grey, check_contrast=False)
    weighed = SMALL.model_copy(update={"folder_weights": {"small": 0.5, "large": 0.5}})
    batches = [Patches([tmp_path], weighed).batch(step) for step in range(30)]
    dark = {
        scale: any(float(b.high.min()) < 0.5 for b in batches if b.factor[0] == scale) for scale in (2, 3)
    }
    assert dark == {2: True, 3: False}
    nothing = {"folder_weights": {"small": 1.0, "large": 0.0}, "scale_weights": (0.0, 1.0)}
    with pytest.raises(VaesrError, match="large enough for a scale"):
        Patches([tmp_path], SMALL.model_copy(update=nothing))


def test_patches_made_smaller_first_are_finer(tmp_path: Path) -> None:
    wave = np.sin(np.arange(64) * 2 * np.pi / 16)[:, None] * np.ones(64)
    imsave(tmp_path / "wave.png", (127 + 120 * wave).astype(np.uint8), check_contrast=False)
    finer = SMALL.model_copy(update={"degradation": Degradation(reduce=(2.0, 2.0))})
    patches = [Patches([tmp_path], config).batch(0)[1] for config in (SMALL, finer)]
    assert patches[0].shape == patches[1].shape
    steepest = [max(float(patch.diff(dim=d).abs().amax()) for d in (-1, -2)) for patch in patches]
    assert steepest[1] == pytest.approx(2 * steepest[0], rel=0.15)


def test_the_score_is_least_for_samples_as_far_apart_as_they_are_wrong(images: Path) -> None:
    """Too narrow and too wide samples score worse than those whose spread is that of the truth."""
    module = Training(SMALL)
    torch.manual_seed(0)
    base, wide = torch.zeros(8, 1, 64, 64), []
    truth = 0.1 * torch.randn_like(base)
    for spread in (0.02, 0.1, 0.5):
        module.network.residuals = lambda encoded, noise, spread=spread: spread * torch.randn(2, 4, 4, 32, 32)
        encoded = Encoded(base, (torch.zeros(8, 1, 1, 1),), 2)
        elbo = Elbo(encoded, base, torch.zeros(()), (), torch.ones(()))
        wide.append(float(module._score(elbo, truth, (2, 2))) * spread)  # each is in units of its own spread
    assert wide[1] < wide[0] and wide[1] < wide[2]


def test_a_network_without_wide_convolutions_learns_too():
    sizes = {"width": 4, "blocks": 0, "decoder_width": 4}
    config = SMALL.model_copy(update={"network": SMALL.network.model_copy(update=sizes)})
    muon, adam = Training(config).configure_optimizers()
    assert not muon.param_groups[0]["params"]
    weights = list(build(config.network).parameters())
    assert sum(len(group["params"]) for group in adam.param_groups) == len(weights)

"""Real pairs: patches stay aligned, intensities are matched, what is validated on is not learnt from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave
from typer.testing import CliRunner

from napari_vaesr.cli import app
from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.recorded import read_recorded
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.recorded_patches import RecordedPatches, recorded_checks
from napari_vaesr.vae.config import PRESETS, Level
from napari_vaesr.zoo.registry import load_model

CONFIG = TrainingConfig(
    name="small",
    network=PRESETS["tiny"].model_copy(
        update={
            "width": 8,
            "blocks": 1,
            "scales": (2, 3),
            "levels": (Level(stride=2, channels=2), Level(stride=1, channels=2)),
        }
    ),
    patch=8,
    batch=5,
    steps=4,
)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve pairs: the low-res image is every second pixel in each direction, times 2 and 10 brighter."""
    rng = np.random.default_rng(0)
    for index in range(12):
        rows, columns = np.mgrid[:44, :52] / rng.uniform(8, 14)
        high = 50 + 40 * np.sin(rows + index) * np.cos(columns)
        for name, image in (("high", high), ("low", 10 + 2 * high.reshape(22, 2, 26, 2).mean((1, 3)))):
            (tmp_path / name).mkdir(exist_ok=True)
            imsave(tmp_path / name / f"{index:02}.tif", image.astype(np.float32), check_contrast=False)
    return tmp_path / "low", tmp_path / "high"


def test_patches_are_aligned_and_of_one_intensity(folders: tuple[Path, Path]) -> None:
    learn, _ = read_recorded([folders], (2, 3), "minmax")
    assert all(pair.line[0] == pytest.approx(2, rel=0.02) for pair in learn)
    patches = RecordedPatches(learn, CONFIG)
    seen = []
    for step in range(8):
        low, high, (scale, _), _ = patches.batch(step)
        assert scale == 2 and low.shape == (5, 1, 8, 8) and high.shape == (5, 1, 16, 16)
        small = high.reshape(5, 1, 8, 2, 8, 2).mean((3, 5))
        assert np.abs((small - low).numpy()).max() < 0.02
        seen.append(low)
    with pytest.raises(VaesrError, match="'patch'"):
        RecordedPatches(learn, CONFIG.model_copy(update={"patch": 24}))
    with pytest.raises(VaesrError, match="leave the setting 'folder_weights' out"):
        RecordedPatches(learn, CONFIG.model_copy(update={"folder_weights": {"low": 1.0}}))
    np.testing.assert_array_equal(RecordedPatches(learn, CONFIG, 3).batch(3)[0], seen[3])
    assert not np.array_equal(seen[0], seen[1])


def test_no_name_is_both_learnt_from_and_validated_on(folders: tuple[Path, Path]) -> None:
    learn, check = read_recorded([folders, folders], (2, 3), "minmax")
    assert (len(learn), len(check)) == (22, 2)  # the last of twelve names, in both pairs of folders
    assert not any(np.array_equal(a.truth, b.truth) for a in learn for b in check)
    pairs = recorded_checks(check, CONFIG)
    assert all(
        high.shape[-1] == 2 * low.shape[-1] and factor == (2, 2) for low, high, factor, _ in pairs.pairs
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda low, high: next(high.iterdir()).unlink(), "no partner"),
        (lambda low, high: [path.unlink() for path in sorted(low.iterdir())[1:]], "One pair is too few"),
    ],
)
def test_folders_that_do_not_fit_are_said(folders: tuple[Path, Path], change: object, says: str) -> None:
    change(*folders)  # type: ignore[operator]
    with pytest.raises(VaesrError, match=says):
        read_recorded([folders], (2, 3), "minmax")


def test_pairs_of_another_scale_or_of_nothing_in_common_are_said(folders: tuple[Path, Path]) -> None:
    with pytest.raises(VaesrError, match=r"00\.tif: It is .* not 3 times as large"):
        read_recorded([folders], (3,), "minmax")
    imsave(folders[1] / "00.tif", -np.ones((44, 52), np.float32), check_contrast=False)
    with pytest.raises(VaesrError, match="do not show the same"):
        read_recorded([folders], (2,), "minmax")


def test_a_value_of_a_pair_that_is_no_number_is_said_with_its_file(folders: tuple[Path, Path]) -> None:
    imsave(folders[1] / "03.tif", np.full((44, 52), np.nan, np.float32), check_contrast=False)
    with pytest.raises(VaesrError, match=r"high.03\.tif holds NaN"):
        read_recorded([folders], (2,), "minmax")


@pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")
def test_the_command_makes_a_model_of_pairs(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "settings.json"
    small = CONFIG.model_dump_json(include={"network", "patch", "batch", "steps"})
    settings.write_text(small)
    command = ["train", "--pairs", *map(str, folders), "--name", "real", "--config", str(settings)]
    result = CliRunner().invoke(app, [*command, "--output", "made"])
    assert result.exit_code == 0, result.output
    card = load_model("made/real.safetensors").card
    assert "psnr_mean_x2" in card.metrics and "psnr_mean_x3" not in card.metrics
    assert card.scales == (2,), "a scale that was not learnt is not offered"
    assert len(CONFIG.network.scales) > 1 and "no other scale" in " ".join(result.output.split())
    settings.write_text(CONFIG.model_dump_json(include={"patch", "batch", "steps"}))
    tuned = [*command[:4], "--name", "tuned", "--config", str(settings), "--start", "tiny"]
    result = CliRunner().invoke(app, [*tuned, "--output", "made"])
    assert result.exit_code == 0, result.output
    assert load_model("made/tuned.safetensors").card.scales == (2,) != load_model("tiny").card.scales
    odd = CliRunner().invoke(app, [*command, str(folders[0])])
    assert odd.exit_code != 0 and "two by two" in odd.output

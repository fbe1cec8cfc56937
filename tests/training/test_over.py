"""What a training over another network does besides: it asks once, and comes back to its batches."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.training.batches import Batches
from napari_vaesr.training.config import OverConfig, TrainingConfig, finetune_config
from napari_vaesr.training.over import RememberedBase, described_base, over_network
from napari_vaesr.vae.config import BaseNetwork
from napari_vaesr.vae.frozen import Frozen


class Counting(nn.Module):
    """Repeats pixels, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return images.repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.fixture
def base() -> Frozen:
    return Frozen(Counting(), BaseNetwork(name="repeats", sha256="0" * 64, factor=2))


def test_what_was_answered_is_not_asked_again(base, tmp_path):
    images = torch.rand(2, 1, 4, 6)
    first, again = RememberedBase(base, tmp_path)(images), RememberedBase(base, tmp_path)(images)
    assert base.module.count == 1
    torch.testing.assert_close(first, base(images))
    torch.testing.assert_close(again, first, atol=5e-4, rtol=0)
    RememberedBase(base, tmp_path)(images + 0.1)
    assert base.module.count == 3


def test_black_images_of_other_shapes_have_answers_of_their_own(base, tmp_path):
    for shape in ((1, 1, 4, 6), (1, 1, 6, 4), (2, 1, 4, 3)):
        images = torch.zeros(shape)
        assert RememberedBase(base, tmp_path)(images).shape == base(images).shape


def test_another_base_in_the_same_run_has_answers_of_its_own(base, tmp_path):
    images = torch.rand(1, 1, 4, 4)
    RememberedBase(base, tmp_path)(images)
    other = Frozen(nn.Upsample(scale_factor=3), BaseNetwork(name="other", sha256="1" * 64, factor=3))
    torch.testing.assert_close(RememberedBase(other, tmp_path)(images), other(images))


def test_a_damaged_answer_is_asked_for_again(base, tmp_path):
    images = torch.rand(1, 1, 4, 4)
    RememberedBase(base, tmp_path)(images)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:50])
    torch.testing.assert_close(RememberedBase(base, tmp_path)(images), base(images))


def test_batches_of_a_pool_come_again():
    class Drawn(Batches):
        def batch(self, step: int) -> Batch:
            low = torch.from_numpy(self.random(step).random((1, 1, 2, 2)))
            return Batch(low, low, (1, 1), torch.zeros(1, 3))

    drawn = Drawn(TrainingConfig(name="one", pool=3))
    assert torch.equal(drawn.batch(1).low, drawn.batch(4).low)
    assert not torch.equal(drawn.batch(1).low, drawn.batch(2).low)
    endless = Drawn(TrainingConfig(name="one"))
    assert not torch.equal(endless.batch(1).low, endless.batch(4).low)


def test_what_was_measured_is_not_measured_again(compact_file, tmp_path, monkeypatch):
    told: list[str] = []
    first = described_base(compact_file, run=tmp_path / "run", say=told.append)
    (tmp_path / "run").mkdir()
    config = TrainingConfig(name="one", network=over_network(first))
    (tmp_path / "run" / "config.json").write_text(config.model_dump_json())
    assert described_base(compact_file, run=tmp_path / "run", say=told.append) == first
    assert len(told) == 1
    described_base(compact_file, licence="CC0-1.0", run=tmp_path / "run", say=told.append)
    assert len(told) == 2


def test_what_is_said_at_too_great_length_is_told(compact_file):
    with pytest.raises(VaesrError, match=r"The licence of .* can't be noted on a card: .* 200 characters"):
        described_base(compact_file, licence="all of it " * 30)


def test_it_can_be_fine_tuned(make_card):
    told = BaseNetwork(name="repeats", sha256="0" * 64, factor=2)
    config = finetune_config(make_card(network=over_network(told, "tiny"), calibration={}))
    assert isinstance(config.network, OverConfig)
    assert (config.base_weight, config.pool) == (0.0, 100)

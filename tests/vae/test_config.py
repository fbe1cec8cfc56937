"""What a network's settings allow, and which network may begin with another's weights."""

from __future__ import annotations

import pytest

from napari_vaesr.vae.config import Level, NetworkConfig

LADDER = NetworkConfig(
    width=8, blocks=1, decoder_width=8, levels=(Level(stride=4, channels=4), Level(stride=1, channels=6))
)


def test_only_a_ladder_may_have_more_blocks_than_what_it_begins_with() -> None:
    assert LADDER.extends(LADDER)
    assert not LADDER.extends(LADDER.model_copy(update={"blocks": 2}))
    assert not LADDER.extends(LADDER.model_copy(update={"width": 16}))
    turned = LADDER.model_copy(update={"orientations": 4})
    assert LADDER.extends(turned) and turned.extends(LADDER)
    conv = NetworkConfig(
        architecture="conv_vae", width=4, blocks=0, decoder_width=4, levels=(Level(stride=4, channels=3),)
    )
    assert conv.extends(conv) and not conv.model_copy(update={"blocks": 1}).extends(conv)


@pytest.mark.parametrize(
    "levels", [((2, 1), (2, 1)), ((1, 1), (2, 1)), ((3, 1), (2, 1))], ids=["same", "rising", "no divisor"]
)
def test_levels_that_do_not_nest_are_refused(levels: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="coarse to fine"):
        NetworkConfig(levels=tuple(Level(stride=s, channels=c) for s, c in levels))


@pytest.mark.parametrize("wrong", [{"frames": 2}, {"row_factors": (1,)}])
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"odd|2 or more"):
        NetworkConfig(**wrong)  # type: ignore[arg-type]


def test_whole_sides_hold_whole_latents_at_every_factor() -> None:
    levels = (Level(stride=2, channels=2), Level(stride=1, channels=2))
    config = NetworkConfig(scales=(2,), row_factors=(3, 4), levels=levels)
    stride = config.levels[0].stride
    assert config.whole_side == 12 * stride
    assert all(config.whole_side % (stride * side) == 0 for factor in config.factors for side in factor)
    assert config.making((3,)).factors == ((3, 3),)

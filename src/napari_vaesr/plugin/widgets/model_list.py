"""The models to choose from, and a word to all panels when there is a new one."""

from __future__ import annotations

from napari.utils.notifications import show_warning
from psygnal import Signal

from napari_vaesr.errors import VaesrError
from napari_vaesr.zoo.card import ModelCard
from napari_vaesr.zoo.registry import get_card, models


class ModelList:
    """The models as the panels know them; `changed` is emitted when one was saved or imported."""

    changed = Signal()


model_list = ModelList()


def known_cards(preferred: str) -> dict[str, ModelCard]:
    """Return the models to choose from, among them the preferred one, be it a name or a file."""
    cards = dict(models())
    if preferred not in cards and "://" not in preferred:  # what must be downloaded first is not offered here
        try:
            cards[preferred] = get_card(preferred)
        except VaesrError as error:
            show_warning(f"In Preferences, VAE super-resolution: {error}")
    return cards

"""Tells all panels when there is a new model to choose."""

from __future__ import annotations

from psygnal import Signal


class ModelList:
    """The models as the panels know them; `changed` is emitted when one was saved or imported."""

    changed = Signal()


model_list = ModelList()

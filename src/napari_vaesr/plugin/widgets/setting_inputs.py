"""Inputs of settings, made and described as their fields are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import fill
from typing import Any, get_args

from magicgui.widgets import ComboBox, FloatSpinBox, LineEdit, SpinBox
from magicgui.widgets.bases import ValueWidget

from napari_vaesr.engine.acquisition import parse_condition, typed_condition
from napari_vaesr.engine.settings import UpscaleSettings, about, hint, label, plays_part
from napari_vaesr.vae.config import NetworkConfig

WIDTH = 95
"""Letters in a line of a tooltip."""

OFFERED: dict[str, list[Any]] = {
    "device": ["auto", "cpu", "cuda", "mps", "xpu"],
    "tile": [("automatic", None), *((f"{side} pixels", side) for side in (64, 128, 256, 512, 1024, 2048))],
}
"""Choices of settings that could be more than these."""

LARGEST_SEED = 2**31 - 1


def input_of(name: str, start: UpscaleSettings) -> ValueWidget[Any]:
    """Return the input of a setting, as its field describes it, at the value that `start` has."""
    field, value = UpscaleSettings.model_fields[name], getattr(start, name)
    shown: dict[str, Any] = {"name": name, "label": label(name), "tooltip": fill(about(name), WIDTH)}
    if name in OFFERED:
        known = [each[1] if isinstance(each, tuple) else each for each in OFFERED[name]]
        return ComboBox(**shown, choices=[*OFFERED[name], *({value} - {*known})], value=value)
    if field.annotation is int:
        return SpinBox(**shown, value=value, min=0, max=LARGEST_SEED)
    if field.annotation is float:
        return FloatSpinBox(**shown, value=value, min=0, max=max(2.0, value), step=0.1)
    words = hint(name, "words") or {}
    choices = get_args(field.annotation)
    if all(isinstance(each, str) for each in choices):
        return ComboBox(**shown, choices=[(words.get(each, each), each) for each in choices], value=value)
    return LineEdit(**shown, value=typed_condition(value))


def inputs_of(names: Iterable[str], start: UpscaleSettings) -> dict[str, ValueWidget[Any]]:
    """Return the inputs of several settings by name."""
    return {name: input_of(name, start) for name in names}


def value_of(name: str, given: ValueWidget[Any]) -> Any:
    """Return what a setting's input is set to.

    Raises
    ------
    VaesrError
        When what was typed is no such thing.
    """
    return parse_condition(name, given.value) if isinstance(given, LineEdit) else given.value


def follow(inputs: Mapping[str, ValueWidget[Any]], network: NetworkConfig) -> None:
    """Enable the inputs of the settings that play a part for a network."""
    for name, each in inputs.items():
        each.enabled = plays_part(name, network)
        if isinstance(each, LineEdit) and not each.enabled:  # the network can't be told, and would say so
            each.value = typed_condition(UpscaleSettings.model_fields[name].default)

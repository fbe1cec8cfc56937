"""The settings of an upscaling as options: names, defaults and descriptions are those of the settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand

from napari_vaesr.engine.acquisition import parse_condition
from napari_vaesr.engine.settings import UpscaleSettings, about, hint, make_settings
from napari_vaesr.imaging.region import Factors

from .console import spoken_errors

SHORT = {"scale": "-s", "samples": "-k", "model": "-m"}

PARSED: dict[str, Callable[[str], Any]] = {
    "scale": lambda text: Factors.parse(text).setting,
    "noise": lambda text: parse_condition("noise", text),
    "blur": lambda text: parse_condition("blur", text),
}
"""Settings that are more than one word can say, and are written in one all the same."""

SUCH_AS = {
    "noise": 'Such as: auto, 0, 12.5 or "gain=2.1, read=4, offset=100".',
    "blur": 'Such as: 0.6 or "na=1.4, wavelength=0.52, pixel_size=0.13".',
}
"""Words of at most 26 letters each, for a terminal of 80 columns cuts off what is longer."""

ALONE = {name: word for name in UpscaleSettings.model_fields if (word := hint(name, "alone"))}
"""What settings are whose option stands without a value."""

Command = Callable[..., None]


class SettingsCommand(TyperCommand):
    """A command some of whose options may stand without a value; see `ALONE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write out what is meant; see the class."""
        told: list[str] = []
        for word, following in pairwise([*args, ""]):
            told.append(word)
            name = word.removeprefix("--")
            if name != word and name in ALONE and following not in _choices(name):
                told.append(ALONE[name])
        return super().parse_args(ctx, told)


def takes_settings(
    *,
    only: Collection[str] = (),
    without: Collection[str] = (),
    besides: Mapping[str, str] = MappingProxyType({}),
    **defaults: Any,
) -> Callable[[Command], Command]:
    """Give a command an option for each setting, in place of its parameter ``settings``.

    Parameters
    ----------
    only : collection of str
        Settings that play a part in this command; all by default.
    without : collection of str
        Settings that play no part in this command.
    besides : mapping of str to str
        What else there is to say of settings in this command.
    **defaults
        Of settings that begin differently here.
    """
    names = [name for name in only or UpscaleSettings.model_fields if name not in without]

    def decorate(command: Command) -> Command:
        def with_options(**given: Any) -> None:
            with spoken_errors(given["debug"]):
                chosen = {name: given.pop(name) for name in names}
                read = {name: PARSED[name](text) for name, text in chosen.items() if name in PARSED}
                settings = make_settings(**(chosen | read))
            command(settings=settings, **given)

        options = [_option(name, defaults, besides.get(name, "")) for name in names]
        parameters: list[inspect.Parameter] = []
        for each in inspect.signature(command, eval_str=True).parameters.values():
            parameters += options if each.name == "settings" else [each]
        # Which is all that Typer looks at.
        with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {each.name: each.annotation for each in parameters}
        with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
        return with_options

    return decorate


def _option(name: str, defaults: dict[str, Any], besides: str) -> inspect.Parameter:
    field = UpscaleSettings.model_fields[name]
    kind: Any = field.annotation
    default = defaults.get(name, field.default)
    names = [f"--{name}", *([SHORT[name]] if name in SHORT else [])]
    alone = f"Alone: {ALONE[name]}." if name in ALONE else ""
    told = (about(name), SUCH_AS.get(name, ""), alone, besides)
    option = typer.Option(*names, help=" ".join(each for each in told if each))
    if name in PARSED:
        kind, default = str, f"{default:g}" if isinstance(default, (int, float)) else default
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def _choices(name: str) -> list[str]:
    """Return the words that a setting, which may be left out, can be."""
    kinds = get_args(UpscaleSettings.model_fields[name].annotation)
    return [word for kind in kinds for word in get_args(kind)]

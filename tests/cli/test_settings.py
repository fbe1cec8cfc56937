"""Every setting is an option, told as the setting itself."""

from __future__ import annotations

import re

import pytest
import typer.main

from napari_vaesr.cli import app
from napari_vaesr.cli.settings import takes_settings
from napari_vaesr.engine.acquisition import Optics, parse_condition
from napari_vaesr.engine.settings import UpscaleSettings, about, make_settings

ROOT = typer.main.get_command(app)
COMMANDS = ROOT.commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", ["upscale", "measure", "check"])
def test_options_tell_what_settings_tell(command):
    options = {each.name: each for each in COMMANDS[command].params}
    shared = set(options) & set(UpscaleSettings.model_fields)
    assert {"scale", "samples", "model", "noise", "blur", "device", "memory"} <= shared
    for name in shared:
        assert options[name].help.startswith(about(name)), name


def commands(group):
    """Return all commands of a group and of the groups in it."""
    for each in group.commands.values():
        yield each
        yield from commands(each) if hasattr(each, "commands") else ()


def test_help_has_no_word_that_a_terminal_of_80_columns_cuts_off():
    options = [option for each in commands(ROOT) for option in each.params]
    words = [word for option in options for word in (option.help or "").split()]
    assert words and not [word for word in words if len(word) > 26]


def test_the_two_blurs_that_help_names_are_the_same():
    told = COMMANDS["upscale"].params[[each.name for each in COMMANDS["upscale"].params].index("blur")].help
    pixels, optics = re.search(r'Such as: (\S+) or "(.+)"', told).groups()
    assert parse_condition("blur", pixels) == pytest.approx(Optics(**parse_condition("blur", optics)).blur)


def test_a_check_says_that_it_takes_one_factor():
    (scale,) = (each for each in COMMANDS["check"].params if each.name == "scale")
    assert "one number" in scale.help


def test_upscale_has_all_settings():
    assert set(UpscaleSettings.model_fields) <= {each.name for each in COMMANDS["upscale"].params}


def given_to(command, arguments):
    """Return the settings that a command is given on a command line."""
    taken = []
    alone = typer.Typer()
    alone.command()(command(taken.append))
    typer.main.get_command(alone)(arguments, standalone_mode=False)
    (settings,) = taken
    return settings


def decorated(**changes):
    def command(take):
        @takes_settings(**changes)
        def command(*, settings: UpscaleSettings, debug: bool = False) -> None:
            take(settings)

        return command

    return command


def test_nothing_given_is_the_default_of_every_setting():
    assert given_to(decorated(), []) == make_settings()


def test_a_command_may_begin_otherwise_and_leave_settings_out():
    command = decorated(without=("temperature",), samples=32)
    assert given_to(command, []) == make_settings(samples=32)
    with pytest.raises(Exception, match="No such option"):
        given_to(command, ["--temperature", "0"])


def test_what_is_written_is_what_is_set():
    written = ["-s", "Z=3,Y=2,X=2", "--noise", "gain=2,read=1", "--blur", "0.5", "--context", "none"]
    found = given_to(decorated(), [*written, "--tile", "64", "--sections", "thin"])
    assert found == make_settings(
        scale={"Z": 3, "Y": 2, "X": 2},
        noise={"gain": 2, "read": 1},
        blur=0.5,
        context="none",
        tile=64,
        sections="thin",
    )

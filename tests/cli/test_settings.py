"""Every setting is an option, told as the setting itself."""

from __future__ import annotations

import pytest
import typer.main

from napari_vaesr.cli import app
from napari_vaesr.cli.settings import takes_settings
from napari_vaesr.engine.settings import UpscaleSettings, about, make_settings

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", ["upscale", "measure", "check"])
def test_options_tell_what_settings_tell(command):
    options = {each.name: each for each in COMMANDS[command].params}
    shared = set(options) & set(UpscaleSettings.model_fields)
    assert {"scale", "samples", "model", "noise", "blur", "device", "memory"} <= shared
    for name in shared:
        assert options[name].help.startswith(about(name)), name


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

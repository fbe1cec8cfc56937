"""Runs that are killed, stopped or fail half-way, and go on."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_vaesr.batch import write
from napari_vaesr.engine import passes
from napari_vaesr.files.image import read_image


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(passes, "LARGEST_BLOCK", 64)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A stack of 4 planes with 4 blocks each, no plane a multiple of anything."""
    path = tmp_path / "many.tif"
    pixels = np.random.default_rng(0).integers(100, 4000, (4, 45, 61), dtype=np.uint16)
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "ZYX"})
    return path


def journal(output: Path) -> list[int]:
    """Return the numbers of the blocks that are done, in order."""
    try:
        lines = (output.parent / f".{output.name}.partial/journal.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line)["done"] for line in lines[1:]]


def content(path: Path) -> dict[str, bytes]:
    """Return the pixels as they are stored: of a Zarr all files, but for the record with its names."""
    if path.is_file():
        return {"": path.read_bytes()}
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    return {name: file.read_bytes() for name, file in files.items() if name != "zarr.json"}


def record(name: str) -> str:
    return f"{name.removesuffix('.ome.tif')}.json"


def others(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"many.tif"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
@pytest.mark.parametrize("name", ["out.ome.tif", "out.zarr"])
def test_killed_runs_go_on_and_make_the_same_file(
    upscale, kill_when, many, tmp_path, tiny_model_path, name, small_blocks
):
    whole = tmp_path / f"whole{name[3:]}"
    assert upscale(many, whole).exit_code == 0
    output = tmp_path / name
    command = ["upscale", many, output, "--model", tiny_model_path, "-k", "2"]
    done = 0
    for _ in range(2):
        enough = done + 3
        kill_when(lambda enough=enough: len(journal(output)) >= enough, *command, LARGEST_BLOCK=64)
        assert done < len(journal(output)) < 16
        done = len(journal(output))
        assert not output.exists()
    with (tmp_path / f".{name}.partial/journal.jsonl").open("a") as file:
        file.write('{"done": 1')  # as if killed in the middle of a line

    computed = []
    real = write.stream_blocks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            write, "stream_blocks", lambda job, out, grid, ns: computed.extend(ns) or real(job, out, grid, ns)
        )
        result = upscale(many, output)
    assert result.exit_code == 0, result.output
    assert f"{done} of 16 parts were there" in result.stderr
    assert len(computed) == 16 - done
    assert content(output) == content(whole)
    assert others(tmp_path) == {name, record(name), whole.name, record(whole.name)}


@pytest.mark.parametrize("name", ["out.ome.tif", "out.zarr"])
def test_ctrl_c_keeps_what_is_done(upscale, many, tmp_path, monkeypatch, name, small_blocks):
    real = write.stream_blocks

    def stopped(job, output, grid, numbers):
        for step in real(job, output, grid, numbers):
            yield step
            if step[1] is not None and step[1] >= 5:
                raise KeyboardInterrupt

    monkeypatch.setattr(write, "stream_blocks", stopped)
    result = upscale(many, name)
    assert result.exit_code == 130
    assert "parts of" in result.stderr and "the same command goes on" in result.stderr
    assert others(tmp_path) == {f".{name}.partial"}
    assert journal(tmp_path / name) == list(range(6))

    refused = upscale(many, name, "--seed", 7)
    assert refused.exit_code == 2
    assert "other values of seed" in refused.stderr and "--force" in refused.stderr
    assert journal(tmp_path / name) == list(range(6))

    monkeypatch.setattr(write, "stream_blocks", real)
    result = upscale(many, name, "--seed", 7, "--force")
    assert result.exit_code == 0
    assert "parts were there" not in result.stderr
    assert upscale(many, f"other{name}", "--seed", 7).exit_code == 0
    assert content(tmp_path / name) == content(tmp_path / f"other{name}")


def test_an_input_that_changed_is_not_gone_on_with(upscale, many, tmp_path, monkeypatch, small_blocks):
    real = write.stream_blocks

    def stopped(job, output, grid, numbers):
        yield from real(job, output, grid, [0])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(write, "stream_blocks", stopped)
        assert upscale(many, "out.zarr").exit_code == 130
    stat = many.stat()
    os.utime(many, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    result = upscale(many, "out.zarr")
    assert result.exit_code == 2 and "input" in result.stderr


def test_two_runs_at_once_are_refused(upscale, many, tmp_path, monkeypatch, small_blocks):
    inner: list[Any] = []
    real = write.stream_blocks

    def twice(job, output, grid, numbers):
        if not inner:
            inner.append("running")
            inner.append(upscale(many, "out.zarr"))
        yield from real(job, output, grid, numbers)

    monkeypatch.setattr(write, "stream_blocks", twice)
    assert upscale(many, "out.zarr").exit_code == 0
    assert inner[1].exit_code == 2 and "another process" in inner[1].stderr
    assert (tmp_path / "out.zarr").exists()


def test_a_full_disk_keeps_what_is_done(upscale, many, tmp_path, monkeypatch, small_blocks):
    real = write.stream_blocks

    def full(job, output, grid, numbers):
        yield from real(job, output, grid, [0, 1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "stream_blocks", full)
    result = upscale(many, "out.zarr")
    assert result.exit_code == 2 and "disk is full" in result.stderr
    assert journal(tmp_path / "out.zarr") == [0, 1]

    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    result = upscale(many, "out.ome.tif")
    assert result.exit_code == 2 and "1.0 kB left" in " ".join(result.stderr.split())
    assert others(tmp_path) == {".out.zarr.partial"}


def test_a_disk_that_is_full_at_the_very_end_keeps_everything(upscale, many, tmp_path, monkeypatch):
    real = write.write_json

    def full(path, record):
        with write.atomic_path(path):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "write_json", full)
    result = upscale(many, "out.zarr")
    assert result.exit_code == 2 and "disk is full" in result.stderr
    done = journal(tmp_path / "out.zarr")
    assert done

    monkeypatch.setattr(write, "write_json", real)
    left = []
    blocks = write.stream_blocks

    def watched(job, output, grid, numbers):
        left.extend(numbers)
        yield from blocks(job, output, grid, numbers)

    monkeypatch.setattr(write, "stream_blocks", watched)
    assert upscale(many, "out.zarr").exit_code == 0 and left == []
    assert (tmp_path / "out.zarr").exists() and others(tmp_path) == {"out.zarr", "out.zarr.json"}


def test_a_figure_too_large_to_hold_is_refused_before_the_work(upscale, many, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "FIGURE_PIXELS", 100)
    result = upscale(many, "out.zarr", "--figure")
    assert result.exit_code == 2 and "leave out --figure" in " ".join(result.stderr.split())
    assert not (tmp_path / "out.zarr").exists() and others(tmp_path) == set()


def test_another_calibration_of_the_same_weights_does_not_go_on(
    upscale, many, tmp_path, monkeypatch, small_blocks
):
    real = write.stream_blocks

    def killed(job, output, grid, numbers):
        yield from real(job, output, grid, [0])
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "stream_blocks", killed)
    assert upscale(many, "out.zarr").exit_code != 0
    monkeypatch.setattr(write, "stream_blocks", real)
    before = write.made_from

    def recalibrated(image, job):
        job.calibrations = tuple(each.model_copy(update={"slope": 3.0}) for each in job.calibrations)
        return before(image, job)

    monkeypatch.setattr(write, "made_from", recalibrated)
    result = upscale(many, "out.zarr")
    assert result.exit_code == 2 and "other values of calibration" in " ".join(result.stderr.split())


def test_an_output_of_the_user_is_not_lost(upscale, many, tmp_path):
    (tmp_path / "out.zarr").mkdir()
    (tmp_path / "out.zarr" / "thesis.txt").write_text("precious")
    for arguments in ([], ["--force"]):
        result = upscale(many, "out.zarr", *arguments)
        assert result.exit_code == 2 and "folder" in result.stderr
    assert (tmp_path / "out.zarr" / "thesis.txt").read_text() == "precious"


def test_force_replaces_a_zarr(upscale, many, tmp_path):
    assert upscale(many, "out.zarr").exit_code == 0
    assert upscale(many, "out.zarr").exit_code == 2
    (tmp_path / "out.zarr" / "stale").write_text("old")
    assert upscale(many, "out.zarr", "--force", "--scale", 3, "--figure").exit_code == 0
    assert read_image(tmp_path / "out.zarr").data.shape == (2, 4, 135, 183)
    assert not (tmp_path / "out.zarr" / "stale").exists()
    assert others(tmp_path) == {"out.zarr", "out.zarr.json", "out.zarr.figure.png"}
    record = json.loads((tmp_path / "out.zarr.json").read_text())
    told = dict(zarr.open_group(tmp_path / "out.zarr").attrs["napari_vaesr"])
    assert [part["role"] for part in told.pop("layers")] == ["mean", "std"]
    assert told == record


def test_a_part_in_blocks_is_that_part_of_the_whole(upscale, many, tmp_path, small_blocks):
    arguments = [many, "--precision", "float32", "--uncertainty", "interval"]
    assert upscale(*arguments, "whole.zarr").exit_code == 0
    assert upscale(*arguments, "part.zarr", "--extent", "Z=1:4,Y=3:45,X=5:44", "--figure").exit_code == 0
    whole, part = (read_image(tmp_path / name) for name in ("whole.zarr", "part.zarr"))
    assert part.channel_names == ("mean", "lower", "upper")
    expected = np.asarray(whole.data)[:, 1:4, 6:90, 10:88]
    np.testing.assert_allclose(np.asarray(part.data), expected, atol=1)
    for name, start in {"Z": 1, "Y": 3, "X": 5}.items():
        size = whole.pixel_size[name] * (1 if name == "Z" else 2)
        assert part.offset.get(name, 0) == pytest.approx(whole.offset.get(name, 0) + start * size)
    # The corner of the first pixel lies where that of the source's does.
    assert whole.offset["X"] - whole.pixel_size["X"] / 2 == pytest.approx(-0.5)


@pytest.fixture
def begun(upscale, many, tmp_path, monkeypatch, small_blocks):
    """A function that makes six of the sixteen parts of an output and returns the hidden folder."""

    def begin(name: str, *arguments: object) -> Path:
        real = write.stream_blocks

        def stopped(job, output, grid, numbers):
            yield from real(job, output, grid, range(6))
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(write, "stream_blocks", stopped)
            assert upscale(many, name, *arguments).exit_code == 130
        return tmp_path / f".{name}.partial"

    return begin


def lose_a_part(folder: Path, how: str) -> None:
    data = folder / folder.name[1 : -len(".partial")]
    files = [data] if data.is_file() else sorted(data.glob("*/c/0/0/0/0"))
    assert files
    for file in files:
        content = bytearray(file.read_bytes())
        middle = len(content) // 20 if data.is_file() else len(content) // 2
        if how == "gone":
            file.unlink()
        elif how == "cut off":
            file.write_bytes(content[:middle])
        elif how == "zeros":
            content[middle : middle + 500] = bytes(500)
            file.write_bytes(content)
        elif how == "a byte":
            content[middle] ^= 1
            file.write_bytes(content)


@pytest.mark.parametrize("how", ["gone", "cut off", "zeros", "a byte"])
@pytest.mark.parametrize("name", ["out.ome.tif", "out.zarr"])
def test_what_is_damaged_of_a_begun_output_is_computed_again(begun, upscale, many, tmp_path, name, how):
    lose_a_part(begun(name), how)
    # The loss is not forgotten when the next run is stopped, too.
    if how != "gone":
        begun(name)
    result = upscale(many, name)
    assert result.exit_code == 0, result.output
    assert upscale(many, f"whole-{name}").exit_code == 0
    assert content(tmp_path / name) == content(tmp_path / f"whole-{name}")


@pytest.mark.parametrize("level", [".", "0"])
def test_a_begun_zarr_without_a_description_is_described_again(begun, upscale, many, tmp_path, level):
    folder = begun("out.zarr")
    (folder / "out.zarr" / level / "zarr.json").write_text("{")
    assert upscale(many, "out.zarr").exit_code == 0
    assert upscale(many, "whole.zarr").exit_code == 0
    assert content(tmp_path / "out.zarr") == content(tmp_path / "whole.zarr")


GARBAGE = [
    b"\0" * 40,
    b"null",
    b"[]",
    b"{",
    b'{"done": "x"}',
    b'{"done": 9e99}',
    b"\xff\xfe",
    b"[" * 10**5,
    b"",
]


def test_unreadable_lines_of_a_journal_count_for_nothing(begun, upscale, many):
    file = begun("out.zarr") / "journal.jsonl"
    first, _lost, *others = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join([first, *GARBAGE, *others, b"\0" * 4096]))
    result = upscale(many, "out.zarr")
    assert result.exit_code == 0, result.output
    assert "5 of 16 parts were there" in result.stderr


@pytest.mark.parametrize("line", [b"\0" * 40, b"null", b'{"done": 1}'], ids=["zeros", "null", "other"])
@pytest.mark.parametrize("arguments", [(), ("--force",)], ids=["again", "force"])
def test_without_its_first_line_a_journal_is_none(begun, upscale, many, line, arguments):
    file = begun("out.ome.tif") / "journal.jsonl"
    file.write_bytes(b"\n".join([line, *file.read_bytes().split(b"\n")[1:]]))
    result = upscale(many, "out.ome.tif", *arguments)
    assert result.exit_code == 0, result.output
    assert "parts were there" not in result.stderr


def test_parts_that_never_were_count_for_nothing(begun, upscale, many):
    with (begun("out.zarr") / "journal.jsonl").open("a") as file:
        file.write('{"done": 99, "checksum": 0}\n{"done": -1, "checksum": 0}\n{"done": 8, "checksum": 0}\n')
    result = upscale(many, "out.zarr")
    assert result.exit_code == 0 and "6 of 16 parts were there" in result.stderr


def test_the_journal_speaks_of_what_is_on_the_disk(begun, monkeypatch):
    events = []
    sync, write_text = os.fsync, type(Path()).open

    def watched(handle):
        events.append("sync")
        return sync(handle)

    def opened(self, mode="r", *arguments, **options):
        if self.name == "journal.jsonl" and mode == "a":
            events.append("journal")
        return write_text(self, mode, *arguments, **options)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(Path, "open", opened)
    begun("out.ome.tif")
    first = events.index("journal")
    assert "sync" in events[:first]
    assert events[-1] == "sync" and events.count("sync") >= 2 * events.count("journal")


def test_a_run_killed_before_its_first_part_blocks_nobody(upscale, many, tmp_path, monkeypatch):
    def killed(job, output, grid, numbers):
        raise SystemExit(9)
        yield

    def leave(partial):
        pass

    with monkeypatch.context() as patch:
        patch.setattr(write, "stream_blocks", killed)
        patch.setattr("napari_vaesr.files.partial.PartialOutput.remove", leave)  # as if killed
        upscale(many, "out.zarr")
    assert (tmp_path / ".out.zarr.partial/journal.jsonl").exists()
    result = upscale(many, "out.zarr", "--seed", 7)
    assert result.exit_code == 0, result.output


@pytest.fixture
def thesis(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "out.zarr").mkdir(parents=True)
    (folder / "out.zarr" / "thesis.txt").write_text("precious")
    (folder / "journal.jsonl").write_text("precious")
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("arguments", [[], ["--force"]])
@pytest.mark.parametrize(
    "name", ["", "lock", "journal.jsonl", "journal.new", "out.zarr", "record", "replaced"]
)
def test_links_in_the_hidden_folder_are_not_followed(upscale, many, tmp_path, thesis, name, arguments):
    folder = tmp_path / ".out.zarr.partial"
    target = thesis / name if (thesis / name).exists() else thesis / "journal.jsonl"
    if name:
        folder.mkdir()
        (folder / "lock").touch()
        (folder / name).unlink(missing_ok=True)
    (folder / name if name else folder).symlink_to(target)
    result = upscale(many, "out.zarr", *arguments)
    assert result.exit_code == 2 and "not made here" in " ".join(result.stderr.split())
    assert (thesis / "out.zarr" / "thesis.txt").read_text() == "precious"
    assert (thesis / "journal.jsonl").read_text() == "precious"
    assert (folder / name).is_symlink() and not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("arguments", [[], ["--force"]])
@pytest.mark.parametrize("name", ["thesis.txt", "replaced", "sub/thesis.txt"])
def test_a_folder_of_somebody_else_is_left_alone(upscale, many, tmp_path, name, arguments):
    file = tmp_path / ".out.zarr.partial" / name
    file.parent.mkdir(parents=True)
    file.write_text("precious")
    result = upscale(many, "out.zarr", *arguments)
    assert result.exit_code == 2 and "not made here" in " ".join(result.stderr.split())
    assert file.read_text() == "precious"


def test_what_somebody_put_beside_a_begun_output_stays(begun, upscale, many, tmp_path):
    note = begun("out.zarr") / "note.txt"
    note.write_text("precious")
    assert upscale(many, "out.zarr", "--force").exit_code == 2
    assert note.read_text() == "precious" and len(journal(tmp_path / "out.zarr")) == 6


def test_a_killed_replacement_gives_the_old_output_back(upscale, many, tmp_path):
    assert upscale(many, "out.zarr").exit_code == 0
    folder = tmp_path / ".out.zarr.partial"
    folder.mkdir()
    (folder / "lock").touch()
    (tmp_path / "out.zarr").rename(folder / "replaced")
    assert upscale(many, "out.zarr", "--extent", "Z=77").exit_code == 2  # fails at once
    (tmp_path / "out.zarr.json").unlink()
    assert upscale(many, "out.zarr").exit_code == 0
    assert (tmp_path / "out.zarr").exists() and others(tmp_path) == {"out.zarr", "out.zarr.json"}


@pytest.mark.parametrize(
    "arguments", [("--samples", 1), ("--temperature", 0)], ids=["one sample", "no noise"]
)
@pytest.mark.parametrize("name", ["out.ome.tif", "out.zarr"])
def test_an_interval_without_spread_is_drawn(upscale, many, tmp_path, name, arguments):
    result = upscale(many, name, "--uncertainty", "interval", "--figure", *arguments)
    assert result.exit_code == 0, result.output
    assert (tmp_path / record(name).replace(".json", ".figure.png")).exists()


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A folder of three pictures."""
    folder = tmp_path / "three"
    folder.mkdir()
    for number, name in enumerate("abc"):
        pixels = np.random.default_rng(number).integers(0, 255, (12, 15), dtype=np.uint8)
        tifffile.imwrite(folder / f"{name}.tif", pixels)
    return folder


def test_a_folder_goes_on_with_the_inputs_that_are_left(upscale, three, tmp_path, monkeypatch):
    real = write.stream_blocks

    def stopped(job, output, grid, numbers):
        if (tmp_path / "out/a_x2.ome.tif").exists():
            raise KeyboardInterrupt
        yield from real(job, output, grid, numbers)

    monkeypatch.setattr(write, "stream_blocks", stopped)
    assert upscale(three, "out/").exit_code == 130
    monkeypatch.setattr(write, "stream_blocks", real)
    first = tmp_path / "out/a_x2.ome.tif"
    before = first.stat().st_mtime_ns
    result = upscale(three, "out/")
    assert result.exit_code == 0 and "1 of 3 inputs were upscaled like this before" in result.stderr
    assert result.stdout.count(".ome.tif") == 2 and first.stat().st_mtime_ns == before
    done = upscale(three, "out/")
    assert done.exit_code == 0 and "3 of 3" in done.stderr and not done.stdout
    assert upscale(three, "out/", "--force").stdout.count(".ome.tif") == 3


@pytest.mark.parametrize(
    "other",
    [("--seed", 1), ("--scale", 2, "--domain", "any", "--extent", "Y=0:4"), ("--figure",)],
    ids=["seed", "extent", "figure"],
)
def test_a_folder_upscaled_otherwise_is_not_passed_over(upscale, three, tmp_path, other):
    assert upscale(three, "out/").exit_code == 0
    result = upscale(three, "out/", *other)
    assert result.exit_code == 2 and "exists already" in " ".join(result.stderr.split())


def test_an_input_that_has_changed_is_not_passed_over(upscale, three, tmp_path):
    assert upscale(three, "out/").exit_code == 0
    tifffile.imwrite(three / "b.tif", np.zeros((12, 15), np.uint8))
    result = upscale(three, "out/")
    assert result.exit_code == 2 and "b_x2.ome.tif exists already" in " ".join(result.stderr.split())


def test_outputs_that_differ_in_their_ending_alone_have_records_of_their_own(upscale, picture, tmp_path):
    names = ["o.ome.tif", "o.tif", "o.zarr", "o.png"]
    for name in names:
        result = upscale(picture, name, "--figure")
        assert result.exit_code == 0, result.output
    told = [json.loads((tmp_path / record(name)).read_text())["files"]["output"] for name in names]
    assert told == names


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
@pytest.mark.parametrize("suffix", ["tif", "png", "npy"])
def test_a_named_pipe_is_not_waited_for(upscale, tmp_path, suffix):
    os.mkfifo(tmp_path / f"pipe.{suffix}")
    result = upscale(tmp_path / f"pipe.{suffix}", "out.ome.tif")
    assert result.exit_code == 2 and "a pipe or a device" in " ".join(result.stderr.split())


def test_a_link_to_a_zarr_is_replaced_and_not_what_it_leads_to(upscale, three, tmp_path):
    assert upscale(three / "a.tif", "real.zarr").exit_code == 0
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "real.zarr").rglob("*"))
    (tmp_path / "link.zarr").symlink_to("real.zarr")
    for _ in range(2):
        result = upscale(three / "b.tif", "link.zarr", "--force")
        assert result.exit_code == 0, result.stderr
        assert not (tmp_path / "link.zarr").is_symlink()
        assert not list(tmp_path.glob(".*.partial"))
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "real.zarr").rglob("*")) == before


def test_a_zarr_that_was_still_written_is_not_passed_over(upscale, tmp_path):
    arrays = [
        zarr.create_array(
            tmp_path / f"in/{name}.zarr",
            shape=(12, 16),
            chunks=(6, 16),
            dtype="u2",
            dimension_names=["y", "x"],
        )
        for name in "ab"
    ]
    for array in arrays:
        array[:6] = np.random.default_rng(0).integers(0, 99, (6, 16))
    assert upscale("in", "out/").exit_code == 0
    assert "2 of 2 inputs were upscaled like this before" in upscale("in", "out/").stderr
    arrays[1][6:] = 50
    result = upscale("in", "out/")
    assert result.exit_code == 2 and "b_x2.ome.tif exists already" in " ".join(result.stderr.split())


def test_inputs_that_changed_places_are_not_passed_over(upscale, three):
    """Moving keeps their times, which are older than the results."""
    assert upscale(three, "out/").exit_code == 0
    (three / "a.tif").rename(three / "other")
    (three / "b.tif").rename(three / "a.tif")
    (three / "other").rename(three / "b.tif")
    result = upscale(three, "out/")
    assert result.exit_code == 2 and "a_x2.ome.tif exists already" in " ".join(result.stderr.split())


@pytest.mark.parametrize("before", [("--context", "none"), ("--precision", "bfloat16")], ids=lambda a: a[0])
def test_what_was_chosen_before_is_not_what_is_left_to_the_program_now(upscale, three, before):
    assert upscale(three, "out/", *before).exit_code == 0
    result = upscale(three, "out/")
    is_same = before[0] == "--precision"  # of which the record tells what was taken, and not what was asked
    assert ("3 of 3 inputs were upscaled like this before" in result.stderr) == is_same, result.stderr


@pytest.mark.parametrize("samples", [2, 3])
def test_what_another_run_made_meanwhile_is_not_replaced(upscale, three, tmp_path, monkeypatch, samples):
    real, others = write.open_job, [("--samples", samples)]

    def meanwhile(*arguments):
        while others:
            assert upscale(three / "b.tif", tmp_path / "out/b_x2.ome.tif", *others.pop()).exit_code == 0
            record = tmp_path / "out/b_x2.json"  # as if its input and output were named as here
            told = json.loads(record.read_text())
            told["files"]["output"] = "out/b_x2.ome.tif"
            record.write_text(json.dumps(told))
        return real(*arguments)

    monkeypatch.setattr(write, "open_job", meanwhile)
    result = upscale(three, "out/")
    told = " ".join(result.stderr.split())
    assert json.loads((tmp_path / "out/b_x2.json").read_text())["settings"]["samples"] == samples
    if samples == 2:
        assert result.exit_code == 0 and "b.tif was upscaled like this meanwhile" in told
    else:
        assert result.exit_code == 1 and "b_x2.ome.tif exists already" in told

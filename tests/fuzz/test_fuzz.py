"""Random arrays and damaged files: a right result or one sentence, in little time and memory.

`make test` tries 100 arrays and 200 files, `make fuzz` many more and kills 30 runs. The seed makes each
number the same again: ``FUZZ_SEED=7 FUZZ_ARRAYS=5000 pytest tests/fuzz -s``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.array as da
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image
from napari_vaesr.trust.upscale import upscale
from napari_vaesr.zoo.registry import load_model

SEED = int(os.environ.get("FUZZ_SEED", "0"))
ARRAYS = int(os.environ.get("FUZZ_ARRAYS", "100"))
FILES = int(os.environ.get("FUZZ_FILES", "200"))
KILLS = int(os.environ.get("FUZZ_KILLS", "0"))

LONGEST, LARGEST = 20.0, 2**29
"""Seconds and bytes that any hostile file may take; a busy machine takes several times as long."""

DTYPES = [
    "u1",
    "i1",
    ">u2",
    "<u2",
    "i2",
    "u4",
    "i8",
    "u8",
    "f2",
    "<f4",
    ">f4",
    "f8",
    "?",
    "c8",
    "O",
    "U3",
    "M8[s]",
]
EXTREMES = [0, 1, -1, 2**15, 2**31 - 1, 2**32, 2**63, 10**30]


@contextmanager
def told() -> Iterator[Counter[str]]:
    """Count what came of it: what was made, what was refused in one sentence, and nothing else."""
    found: Counter[str] = Counter()
    yield found
    print(f"\n{dict(found)}, seed {SEED}")


def one_sentence(error: VaesrError) -> bool:
    return bool(str(error).strip()) and "\n" not in str(error).strip() and len(str(error)) < 2000


def random_array(rng: np.random.Generator) -> tuple[Any, str]:
    axes = "".join(rng.permutation([*rng.choice(list("TCZ"), rng.integers(0, 3), replace=False), "Y", "X"]))
    shape = [int(rng.integers(1, 4)) if name in "TCZ" else int(rng.integers(1, 24)) for name in axes]
    if rng.random() < 0.1:
        axes, shape = axes + "S", [*shape, int(rng.integers(2, 6))]
    if rng.random() < 0.03:
        shape[rng.integers(len(shape))] = 0
    if rng.random() < 0.05:
        axes = axes[1:] or "Q"
    dtype = np.dtype(str(rng.choice(DTYPES)))
    scale = float(rng.choice([0, 1, 100, 6e4, 1e30, 1e38]))
    with np.errstate(all="ignore"):
        array = np.asarray((rng.random(shape) * scale).astype(dtype))
    if dtype.kind == "f" and array.size and rng.random() < 0.2:
        array.flat[rng.integers(array.size)] = rng.choice([np.nan, np.inf, -np.inf, -0.0, 1e-40, 65504])
    way = rng.integers(6)
    if way == 0:
        return array[::-1, ::-1], axes
    if way == 1:
        return np.asfortranarray(array), axes
    if way == 2 and dtype.kind in "uif" and array.size:
        return da.from_array(array), axes
    if way == 3:
        array.flags.writeable = False
    return array, axes


def test_arrays(tiny_model_path):
    model = load_model(tiny_model_path)
    with told() as found:
        for number in range(ARRAYS):
            rng = np.random.default_rng([SEED, 1, number])
            array, axes = random_array(rng)
            settings = {
                "scale": int(rng.choice([1, 2, 3, 4, 7], p=[0.02, 0.4, 0.28, 0.28, 0.02])),
                "samples": int(rng.integers(1, 4)),
                "uncertainty": str(rng.choice(["std", "variance", "relative", "interval"])),
                "temperature": float(rng.choice([0, 0.5, 1, 1e30], p=[0.1, 0.2, 0.65, 0.05])),
                "tile": int(rng.integers(1, 40)),
                "precision": "float32",
            }
            about = f"number {number}: {array!r}, {axes}, {settings}"
            try:
                result = upscale(array, axes, model=model, **settings)
            except VaesrError as error:
                assert one_sentence(error), about
                found["refused"] += 1
                continue
            except Exception as error:
                raise AssertionError(about) from error
            factor = settings["scale"]
            wanted = tuple(
                n * factor if name in "YX" else n for name, n in zip(axes, array.shape, strict=True)
            )
            assert result.mean.shape == wanted, about
            assert all(
                np.isfinite(each).all() for each in (result.mean, result.uncertainty) if each is not None
            )
            if number % 10 == 0:  # another tiling, another layout in memory
                again = upscale(np.array(array), axes, model=model, **(settings | {"tile": 64}))
                mean, other = (each.mean.astype(float) for each in (result, again))
                assert np.abs(mean - other).max() <= 1 + 1e-3 * np.abs(mean).max(), about
            found["made"] += 1
        assert found["made"] > ARRAYS // 4 and found["refused"] > ARRAYS // 20


def makers(folder: Path) -> list[Callable[[], Path]]:
    """Return functions that write a sound file each."""
    rng = np.random.default_rng(SEED)
    stack = rng.integers(0, 4000, (3, 20, 24), dtype=np.uint16)

    def tiff(name: str, **options: object) -> Callable[[], Path]:
        def make() -> Path:
            tifffile.imwrite(folder / name, stack, photometric="minisblack", **options)
            return folder / name

        return make

    def picture(name: str, encode: Callable[[np.ndarray], bytes]) -> Callable[[], Path]:
        def make() -> Path:
            (folder / name).write_bytes(encode((stack.transpose(1, 2, 0) % 256).astype(np.uint8).copy()))
            return folder / name

        return make

    def npy() -> Path:
        np.save(folder / "a.npy", stack)
        return folder / "a.npy"

    def ngff(version: int) -> Callable[[], Path]:
        def make() -> Path:
            path = folder / f"a{version}.zarr"
            shutil.rmtree(path, ignore_errors=True)
            group = zarr.create_group(path, zarr_format=version)
            array = group.create_array("0", shape=stack.shape, chunks=(1, 20, 24), dtype=stack.dtype)
            array[:] = stack
            kinds = [{"type": "scale", "scale": [1.0, 0.5, 0.5]}]
            datasets = [{"path": "0", "coordinateTransformations": kinds}]
            axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
            described = [{"axes": axes, "datasets": datasets}]
            name = {2: "0.4", 3: "0.5"}[version]
            told = {"multiscales": described, "version": name}
            group.attrs.update({"ome": told} if version == 3 else {"multiscales": described})
            return path

        return make

    return [
        tiff("a.ome.tif", metadata={"axes": "ZYX"}),
        tiff("b.ome.tif", metadata={"axes": "ZYX"}, bigtiff=True, tile=(16, 16), compression="zlib"),
        tiff("c.tif", imagej=True, metadata={"axes": "ZYX"}),
        tiff("d.tif", metadata={"axes": "ZYX"}, compression="lzma"),
        tiff("e.tif", metadata=None, compression="zstd", rowsperstrip=4),
        tiff("f.tif", metadata={"axes": "ZYX"}, compression="lzw", predictor=True),
        picture("a.png", imagecodecs.png_encode),
        picture("a.jpg", imagecodecs.jpeg_encode),
        npy,
        ngff(2),
        ngff(3),
    ]


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, flip, fill, repeat, or put an extreme number in the place of one."""
    changed = bytearray(content)
    start = int(rng.integers(len(content) or 1))
    if rng.random() < 0.5:  # headers are where the harm is
        start %= 300
    length = int(rng.integers(1, 64))
    match rng.integers(6):
        case 0:
            return content[:start]
        case 1:
            for _ in range(int(rng.integers(1, 8))):
                changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
        case 2:
            changed[start : start + length] = bytes(length)
        case 3:
            changed[start : start + length] = b"\xff" * length
        case 4:
            return content[: start + length] + content[start:]
        case 5:
            numbers = list(re.finditer(rb"\d+(\.\d+)?", content))
            if numbers:
                one = numbers[int(rng.integers(len(numbers)))]
                value = str(rng.choice([*map(str, EXTREMES), "NaN", "1e999", "-0.5", '"x"', "null", "[]"]))
                return content[: one.start()] + value.encode() + content[one.end() :]
    return bytes(changed)


def test_files(tmp_path):
    slowest, largest = (0.0, ""), (0, "")
    make = makers(tmp_path)
    with told() as found:
        for number in range(FILES):
            rng = np.random.default_rng([SEED, 2, number])
            path = make[number % len(make)]()
            inside = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
            victim = inside[int(rng.integers(len(inside)))]
            victim.write_bytes(damage(victim.read_bytes(), rng))
            about = f"number {number}: {victim.relative_to(tmp_path)}"
            tracemalloc.start()
            start = time.perf_counter()
            try:
                image = read_image(path, "ZYX" if path.suffix == ".npy" else None)
                np.asarray(image.data[(0,) * (len(image.data.shape) - 2)][:4096, :4096])
                found["read"] += 1
            except VaesrError as error:
                assert one_sentence(error), f"{about}: {error}"
                found["refused"] += 1
            except Exception as error:
                raise AssertionError(about) from error
            seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            slowest, largest = max(slowest, (seconds, about)), max(largest, (peak, about))
            assert seconds < LONGEST and peak < LARGEST, f"{about}: {seconds:.1f} s, {peak} bytes"
        assert found["read"] and found["refused"]
    print(f"longest {slowest[0]:.2f} s ({slowest[1]}), largest {largest[0] / 1e6:.1f} MB ({largest[1]})")


SLOWLY = """
import time
from napari_vaesr.engine import passes, result_file
passes.LARGEST_BLOCK = 64
real = result_file.ResultFile.put
def slowly(*arguments):
    real(*arguments)
    time.sleep(0.05)
result_file.ResultFile.put = slowly
from napari_vaesr.cli import main
main()
"""


@pytest.mark.skipif(not KILLS or sys.platform == "win32", reason="`make fuzz` kills runs")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", ["out.ome.tif", "out.zarr"])
def test_kills(tmp_path, tiny_model_path, name):
    pixels = np.random.default_rng(SEED).integers(100, 4000, (4, 45, 61), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "many.tif", pixels, imagej=True, metadata={"axes": "ZYX"})
    rng = np.random.default_rng([SEED, 3])

    def run(output: str, seconds: float | None) -> int:
        options = ["--model", str(tiny_model_path), "-k", "2", "--quiet"]
        command = [sys.executable, "-c", SLOWLY, "upscale", "many.tif", output, *options]
        with subprocess.Popen(command, cwd=tmp_path) as process:
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                return process.wait()

    start = time.monotonic()
    assert run(f"whole-{name}", None) == 0
    whole = time.monotonic() - start
    killed = 0
    while killed < KILLS // 2:
        code = run(name, whole * rng.uniform(0.5, 1.1))
        is_made = (tmp_path / name).exists()  # perhaps it was killed right after
        assert code in (0, -signal.SIGKILL)
        killed += code != 0
        if is_made:
            shutil.rmtree(tmp_path / f".{name}.partial", ignore_errors=True)
            compare(tmp_path, name)
            for each in (name, f"{name.removesuffix('.ome.tif')}.json"):
                place = tmp_path / each
                shutil.rmtree(place) if place.is_dir() else place.unlink()
    while run(name, None):
        pytest.fail("the run does not go on")
    compare(tmp_path, name)
    assert not list(tmp_path.glob(".*"))


def compare(folder: Path, name: str) -> None:
    ours, whole = (read_image(folder / each) for each in (name, f"whole-{name}"))
    np.testing.assert_array_equal(np.asarray(ours.data), np.asarray(whole.data))

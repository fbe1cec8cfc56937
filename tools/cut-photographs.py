"""Cut crops from photographs of open licence, which tools/photographs.csv names.

    python tools/cut-photographs.py DATA

Downloads the Debian packages (with apt-get; budgie-backgrounds 4 or later) and the pictures of the
public repositories (with git: of each commit only what is needed). Turns each photograph to 8-bit
grey and reduces it, which takes the traces of JPEG and of the sensor's colour filter away. Writes
its crops that are richest in detail into DATA/train/more, those of every seventh photograph, which
calibrate only, into DATA/calibrate/photo, and a table of their origins to DATA/photographs.csv.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

TABLE = Path(__file__).with_name("photographs.csv")

REPOSITORIES = {
    "budgie": "https://github.com/BuddiesOfBudgie/budgie-backgrounds",
    "fedora": "https://github.com/fedoradesign/backgrounds",
    "gb82": "https://github.com/gianni-rosato/gb82-image-set",
    "pop": "https://github.com/pop-os/wallpapers",
    "solus": "https://github.com/getsolus/artwork",
    "demo": "https://github.com/gkjohnson/3d-demo-data",
    "drei": "https://github.com/pmndrs/drei-assets",
    "pmndrs": "https://github.com/pmndrs/assets",
}
"""The sources that are git repositories; every other source is a Debian package."""

FOLDERS = {"train": "train/more", "calibrate": "calibrate/photo"}
"""Where the crops go, within the folder that is given."""

CROP, SMALLEST, MOST = 512, 192, 12
"""The largest and the smallest side of a crop in pixels, and how many a photograph may give."""

LEAST_DETAIL = 2.0
"""Crops with a smaller mean difference between neighbouring pixels, in grey levels, are left out."""

OVERLAP = 0.15
"""How much of a crop's side another crop of the same photograph may cover."""


class Photograph(NamedTuple):
    """One row of the table."""

    source: str
    commit: str
    """Of a repository; empty for a Debian package."""
    path: str
    factor: int
    """How many times smaller the photograph is made: 1 for those that never were JPEG."""
    author: str
    licence: str
    use: str
    """What its crops are for, a key of ``FOLDERS``."""

    @property
    def original(self) -> str:
        return f"{self.source}/{self.path}"


def listed(table: Path = TABLE) -> list[Photograph]:
    """The photographs that the table names."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [Photograph(**row) for row in csv.DictReader(file)]  # type: ignore[arg-type]
    return [row._replace(factor=int(row.factor)) for row in rows]


def from_debian(package: str, folder: Path) -> Path:
    """Download a Debian package and unpack it; returns the folder with its files."""
    unpacked = folder / package
    if not unpacked.exists():
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True)
        (archive,) = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
    return unpacked


@cache
def repository(url: str, commit: str, folder: Path) -> Callable[..., bytes]:
    """Git in *folder*, a repository that knows a commit; its files are downloaded when they are asked for."""

    def git(*words: str) -> bytes:
        return subprocess.run(["git", *words], cwd=folder, check=True, stdout=subprocess.PIPE).stdout

    if not folder.exists():
        folder.mkdir()
        git("init", "--quiet")
        git("remote", "add", "origin", url)
    git("fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", commit)
    return git


def downloaded(photograph: Photograph, folder: Path) -> bytes:
    """The file of a photograph; what was downloaded stays in *folder*."""
    url = REPOSITORIES.get(photograph.source)
    if url is None:
        return (from_debian(photograph.source, folder) / photograph.path).read_bytes()
    git = repository(url, photograph.commit, folder / photograph.source)
    return git("show", f"{photograph.commit}:{photograph.path}")


def exposed(radiance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A camera's rendering (exposure, tone curve, sRGB) of linear light, in grey.

    Parameters
    ----------
    radiance
        Linear RGB of a panorama, ``(Y, X, 3)``, in any unit.
    """
    light = radiance @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    light = 0.14 * light / np.exp(np.log(light + 1e-6).mean())
    # Narkowicz's fit to the film curve of the Academy Color Encoding System
    film = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    film = film.clip(0, 1)
    coded = np.where(film < 0.0031308, 12.92 * film, 1.055 * film ** (1 / 2.4) - 0.055)
    return (255 * coded).round().astype(np.uint8)


def grey(data: bytes, name: str) -> Image.Image:
    """The picture in 8-bit grey (luma); of a panorama the middle, for the poles are stretched."""
    if name.endswith(".hdr"):
        panorama = exposed(imagecodecs.rgbe_decode(data, header=True))
        height = len(panorama)
        return Image.fromarray(panorama[3 * height // 16 : 13 * height // 16])
    if name.endswith(".jxl"):
        return Image.fromarray(imagecodecs.jpegxl_decode(data)[..., :3]).convert("L")
    return Image.open(io.BytesIO(data)).convert("L")


def reduced(image: Image.Image, factor: int) -> NDArray[np.uint8]:
    """The picture made *factor* times smaller, with an antialiased bicubic kernel."""
    size = (image.width // factor, image.height // factor)
    small = image if factor == 1 else image.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(small)


def detail(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Absolute differences to the neighbours below and to the right, at each pixel."""
    levels = image.astype(float)
    down = np.abs(np.diff(levels, axis=0, append=levels[-1:]))
    right = np.abs(np.diff(levels, axis=1, append=levels[:, -1:]))
    return (down + right) / 2


def richest(
    score: NDArray[np.float64],
    *,
    side: int = CROP,
    most: int = MOST,
    least: float = LEAST_DETAIL,
    overlap: float = OVERLAP,
) -> list[tuple[slice, slice]]:
    """The square windows with the highest mean score, best first, that hardly overlap.

    Parameters
    ----------
    score
        ``(Y, X)``.
    side
        Of a window, in pixels; less where the image is smaller.
    most, least
        How many windows at most, and the smallest mean score of one.
    overlap
        Part of the side that two windows may share along Y or X if they share it along the other.

    Returns
    -------
    Pairs of slices along Y and X. None for an image that is smaller than ``SMALLEST``.
    """
    side = min(side, *score.shape)
    if side < SMALLEST:
        return []
    # sums over all windows from the differences of a summed-area table
    table = np.pad(score.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]
    means = sums / side**2
    reach = round(side * (1 - overlap))
    windows: list[tuple[slice, slice]] = []
    while len(windows) < most:
        top, left = (int(at) for at in np.unravel_index(means.argmax(), means.shape))
        if means[top, left] < least:
            break
        windows.append((slice(top, top + side), slice(left, left + side)))
        near = (slice(max(0, top - reach + 1), top + reach), slice(max(0, left - reach + 1), left + reach))
        means[near] = -np.inf
    return windows


def cut(photograph: Photograph, image: NDArray[np.uint8], folder: Path) -> Iterator[tuple[object, ...]]:
    """Write the crops of a reduced photograph, and yield their rows for the table of origins."""
    key = hashlib.sha1(photograph.original.encode()).hexdigest()[:8]
    for index, window in enumerate(richest(detail(image))):
        name = f"{FOLDERS[photograph.use]}/{photograph.source}_{key}_{index}.png"
        Image.fromarray(image[window]).save(folder / name)
        origin = (photograph.source, photograph.original, photograph.author, photograph.licence)
        yield (name, *origin, *image[window].shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the folder with train and calibrate")
    parser.add_argument("--downloads", type=Path, help="keep what is downloaded in this folder")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    downloads: Path = arguments.downloads or Path(tempfile.mkdtemp())
    downloads.mkdir(parents=True, exist_ok=True)
    for part in FOLDERS.values():
        (folder / part).mkdir(parents=True, exist_ok=True)
    with (folder / "photographs.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file", "package", "original", "author", "licence", "height", "width"))
        for photograph in listed():
            picture = grey(downloaded(photograph, downloads), photograph.path)
            rows = list(cut(photograph, reduced(picture, photograph.factor), folder))
            table.writerows(rows)
            print(f"{photograph.original}: {len(rows)} crops")


if __name__ == "__main__":
    main()

"""Write photographs that come with scikit-image, for calibration: no model learnt from them.

python benchmarks/photographs.py calibrate/photo
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image
from skimage import data

NAMES = (
    "astronaut",
    "brick",
    "camera",
    "cat",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "moon",
    "page",
    "rocket",
)
"""Those that the wheel holds, so that nothing is downloaded."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.png")
    print(f"{len(NAMES)} photographs in {folder}")


if __name__ == "__main__":
    main()

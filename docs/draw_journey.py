"""Draw how an array becomes a layer, with shapes at every stop, as docs/images/journey.svg.

python docs/draw_journey.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

TARGET = Path(__file__).parent / "images" / "journey.svg"

WIDTH, STEP, TOP = 860, 66, 34

# What happens, where in the code, what comes out of it, and its shape.
STOPS = [
    ("an array and its axes", "imaging/axes.py: Source", "uint16, ZYX", "(40, 256, 256)"),
    (
        "choose: a region, an intensity scaling per channel",
        "engine/job.py: UpscaleJob",
        "planes",
        "40 × (256, 256)",
    ),
    (
        "a plane and its neighbours, a tile with its halo",
        "engine/planes.py: SourcePlane",
        "float32, unit intensity",
        "(1, 5, h', w') with h' = h + 2 halo",
    ),
    (
        "encode once",
        "vae/ladder.py, through engine/upscaler.py",
        "features and base",
        "(1, 64, h', w') and (1, 1, 2 h', 2 w')",
    ),
    (
        "decode K times, noise by position",
        "vae/latent_noise.py, engine/upscaler.py",
        "what they add to the base, a few at a time",
        "(k, 1, 2 h, 2 w), the halo cut off",
    ),
    (
        "running moments",
        "engine/moments.py: PairedMoments",
        "mean and variance",
        "(2 h, 2 w)",
    ),
    (
        "put tiles together, and the views of a pass along Z",
        "engine/answer.py: Answer",
        "mean and variance",
        "(1, 512, 512)",
    ),
    (
        "calibrate, back to the source's intensities",
        "engine/stage.py: Stage",
        "a Piece: uint16 mean, float32 std",
        "(1, 512, 512) twice",
    ),
    (
        "put pieces together",
        "engine/assembly.py, engine/lazy.py, engine/stream.py",
        "Result, or a file, with its Record",
        "(40, 512, 512) twice",
    ),
    (
        "put in place: pixels half as large, corners where they were",
        "plugin/viewer/layers.py",
        "two layers",
        "mean and std over their source",
    ),
]


def main() -> None:
    """Write the drawing."""
    height = TOP + STEP * len(STOPS)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="15">',
        "<style>text { fill: #222 }"
        " .code { fill: #5a6072; font-family: ui-monospace, monospace; font-size: 12.5px }"
        " .shape { font-family: ui-monospace, monospace; font-size: 13.5px } .line { stroke: #5561c0 }"
        " .stop { fill: #5561c0 } @media (prefers-color-scheme: dark) { text { fill: #e4e6ee }"
        " .code { fill: #a3a9bd } .line { stroke: #98a2ff } .stop { fill: #98a2ff } }</style>",
        f'<line class="line" x1="22" y1="{TOP}" x2="22" y2="{height - STEP}" stroke-width="3"/>',
    ]
    for number, (what, where, made, shape) in enumerate(STOPS):
        y = TOP + STEP * number
        lines += [
            f'<circle class="stop" cx="22" cy="{y}" r="7"/>',
            f'<text x="46" y="{y + 1}">{escape(what)}</text>',
            f'<text class="code" x="46" y="{y + 20}">{escape(where)}</text>',
            f'<text x="520" y="{y + 1}">{escape(made)}</text>',
            f'<text class="shape" x="520" y="{y + 20}">{escape(shape)}</text>',
        ]
    TARGET.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")


if __name__ == "__main__":
    main()

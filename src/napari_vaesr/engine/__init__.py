"""The upscaler: a job drives passes, a pass makes any part of its result, a network goes over it in tiles.

From the top down: `job`, `stage`, `upscaler`. `lazy`, `stream` and `cluster` drive the same passes otherwise.
"""

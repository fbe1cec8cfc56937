"""Pixels without a network: axes, intensities, tiles, placement and colour. NumPy only."""

"""The panel *Upscale with uncertainty*."""

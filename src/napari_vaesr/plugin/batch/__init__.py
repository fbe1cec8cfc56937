"""The panel *Upscale files*."""

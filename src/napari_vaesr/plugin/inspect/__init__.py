"""The panel *Inspect uncertainty*."""

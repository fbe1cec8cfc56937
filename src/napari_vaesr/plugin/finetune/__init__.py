"""The panel *Fine-tune a model*."""

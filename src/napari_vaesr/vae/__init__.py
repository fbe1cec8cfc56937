"""The model: plain PyTorch, readable top to bottom. Start with :mod:`~napari_vaesr.vae.ladder`."""

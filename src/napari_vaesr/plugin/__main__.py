"""Open napari with the panel docked and the sample loaded: ``python -m napari_vaesr.plugin``."""

from __future__ import annotations

import napari


def main() -> None:
    """Open the viewer and stay until it is closed."""
    viewer = napari.Viewer()
    viewer.open_sample("napari-vaesr", "nuclei")
    viewer.dims.set_current_step(0, viewer.dims.nsteps[0] // 2)
    viewer.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    napari.run()


if __name__ == "__main__":
    main()

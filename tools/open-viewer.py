"""Open napari with the widget docked and the bundled stack loaded."""

from __future__ import annotations

import napari

viewer = napari.Viewer()
viewer.open_sample("napari-vaesr", "nuclei")
viewer.window.add_plugin_dock_widget("napari-vaesr")
napari.run()

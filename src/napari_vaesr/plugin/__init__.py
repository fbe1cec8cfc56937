"""napari's side of the house: the widget, the reader, the sample data and the layers they add."""

"""What all panels know of a viewer: its layers, places, results and preferences."""

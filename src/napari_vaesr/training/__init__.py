"""From a folder of images to a model: degradation, data, the Lightning module, and the run itself."""

"""Files upscaled into files, one after the other: for the command line and for the viewer."""

"""Opening images, saving results, and the samples."""

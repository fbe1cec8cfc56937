"""Low-res images and their truth, made or found, for learning and for judging alike."""

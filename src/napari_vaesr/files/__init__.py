"""Images in, results out: every format by a well-kept library, every file written whole or not at all."""

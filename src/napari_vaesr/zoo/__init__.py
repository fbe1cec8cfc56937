"""Models as files: their cards, their weights, where they are found, and networks that they stand on."""

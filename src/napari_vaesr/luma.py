"""How bright a colour is seen: full-range BT.601, as in JPEG (ITU-T T.871)."""

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""Weights of luma, which sum to 1; what is read, made and shown, and the network itself, keep to these."""

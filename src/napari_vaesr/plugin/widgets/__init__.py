"""What the panels are built of."""

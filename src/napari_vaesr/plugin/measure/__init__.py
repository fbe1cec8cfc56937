"""The panel *Measure with error bars*."""

"""Models that transformers does not have, computed by plain loops in float64 from their authors' definitions."""

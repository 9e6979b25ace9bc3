"""What the Python packages cannot compute, by plain loops in float64: OpenELM, Dream, and titans in the exact form."""

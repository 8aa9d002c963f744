"""What is measured of models."""

"""Adversarial autoencoders in TensorFlow 2: what the parts of the series share."""

import os

# Before TensorFlow is imported: without it each start prints a screen about CPU flags and CUDA.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

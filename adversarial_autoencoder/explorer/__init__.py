"""The page `explorer.html` beside a run: its networks, to try out in a browser."""

from adversarial_autoencoder.explorer.convert import DoesNotFit
from adversarial_autoencoder.explorer.page import page

__all__ = ["DoesNotFit", "page"]

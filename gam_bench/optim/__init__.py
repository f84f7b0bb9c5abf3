"""Sharpness-aware optimizers for PyTorch."""

"""gam-bench: does GAM beat SAM beat SGD, by how much, and at what cost?"""

__version__ = "0.1.0"

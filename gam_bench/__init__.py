"""gam-bench: does GAM beat SAM beat SGD, by how much, and at what cost?"""

__version__ = "0.2.0"

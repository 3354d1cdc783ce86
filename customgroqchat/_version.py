"""The version, in the one place that packaging, the package and the user agent read."""

__title__ = "customgroqchat"
__version__ = "0.1.0"

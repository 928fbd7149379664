"""NEURO-NANO in the editor: an offline coding assistant on one small model."""

__version__ = "0.1.0"

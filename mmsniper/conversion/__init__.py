"""Configs of MMDetection turned into configs that train on chips."""

from .changes import Changes
from .convert import convert
from .recipe import Recipe

__all__ = ['Changes', 'Recipe', 'convert']

"""Configs of MMDetection turned into configs that train on chips."""

from .changes import Changes
from .convert import convert
from .own_data import OwnData
from .recipe import Recipe
from .training import Training

__all__ = ['Changes', 'OwnData', 'Recipe', 'Training', 'convert']

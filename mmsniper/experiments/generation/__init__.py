"""Data sets made from a seed: the folder, photographs to draw from, and room to place them in."""

"""Pictures of chips, of valid ranges and of what the detector gets to see."""

from .chip_panels import draw_chips
from .contact_sheet import contact_sheet

__all__ = ['contact_sheet', 'draw_chips']

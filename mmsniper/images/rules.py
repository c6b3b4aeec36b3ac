"""What becomes of the pixels of an image file: one set of rules for all windows of all images."""

from __future__ import annotations

from dataclasses import dataclass

from .decoding import check_decoding
from .depth import check_depth_range


@dataclass(frozen=True)
class PixelRules:
    """How samples in a file become pixels; docs/images.md says it in full.

    Args:
        color_type: As of :func:`mmsniper.images.decode_image`.
        backend: Likewise, what decodes.
        depth_range: The sample values that become 0 and 255 in images of more than 8 bits.

    Raises:
        InputError: A rule cannot be followed.
    """

    color_type: str = 'color'
    backend: str | None = 'cv2'
    depth_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_decoding(self.color_type, self.backend)
        object.__setattr__(self, 'depth_range', check_depth_range(self.depth_range))

"""What a view saw, brought to the image: the detections that it may keep, in image pixels."""

from __future__ import annotations

from collections import Counter

import numpy as np
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData

from ..errors import InputError
from .geometry import in_valid_range, touches_tile_border, view_to_image
from .instances import is_finite
from .masks import masks_in_image


def map_view(
    sample: DetDataSample, border_margin: float = 1.0, unflip: bool = True
) -> tuple[InstanceData, Counter]:
    """Maps the detections of a view to the image and drops what another view sees better.

    That is what is not in the level's valid range, and what is cut by a border of a tile beyond
    which the image goes on. What is not finite is dropped as well.

    Args:
        sample: The prediction, ``pred_instances`` in pixels of the crop at original resolution.
            Its metainfo says which ``chip`` it is of an image of ``image_shape``, at which
            ``scale_factor``, and the ``valid_range``. It stays as it is.
        border_margin: How close to a tile's inner border a box may come, in pixels of the level.
        unflip: Whether predictions are still flipped when the view was.

    Returns:
        The detections, boxes in image pixels and masks as RLE there, and how many of all
        ``detections`` were dropped because they are ``not_finite``, by ``range`` or at a
        ``border``.

    Raises:
        InputError: Masks do not fit the crop.
    """
    meta = sample.metainfo
    instances = sample.pred_instances
    chip, image_shape = meta['chip'], meta['image_shape']
    flip = meta.get('flip_direction') if unflip and meta.get('flip') else None
    boxes = get_box_tensor(instances.bboxes).float()
    in_range = in_valid_range(boxes, meta['valid_range'])
    boxes = view_to_image(boxes, chip, flip)
    scale = np.broadcast_to(np.asarray(meta['scale_factor'], dtype=np.float64), 2)
    margin_x, margin_y = (border_margin / scale).tolist()
    cut = touches_tile_border(boxes, chip, image_shape, (margin_x, margin_y))
    usable = is_finite(boxes, instances.get('scores', boxes[:, 0]))
    keep = usable & in_range & ~cut

    mapped = instances.new()  # the detector's own result stays as it is
    mapped.bboxes = boxes
    masks = mapped.pop('masks', None)
    mapped = mapped[keep]
    if masks is not None:  # only now, so that no dropped mask is encoded
        try:
            mapped.masks = masks_in_image(masks, keep, chip, image_shape, flip)
        except InputError as error:
            raise InputError(f'image {meta.get("img_id")}: {error}') from error
    counts = Counter(
        detections=len(boxes),
        not_finite=int((~usable).sum()),
        range=int((usable & ~in_range).sum()),
        border=int((usable & in_range & cut).sum()),
    )
    return mapped, counts

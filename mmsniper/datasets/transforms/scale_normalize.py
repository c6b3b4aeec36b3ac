"""Resizing a chip to its level and deciding which objects count there."""

from __future__ import annotations

from collections.abc import Sequence

import mmcv.transforms
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import autocast_box_type

from mmsniper.chips import Pyramid, in_valid_range
from mmsniper.errors import InputError

from .chip_masks import check_no_rle_lost
from .chip_window import level_size
from .instances import select_instances

# The size, relative to the object's, of the smallest proposal with an IoU of 0.5 with it.
MATCHING = np.sqrt(0.5)
MODES = ('ignore', 'drop', 'erase', 'keep')


@TRANSFORMS.register_module()
class ScaleNormalize(BaseTransform):
    """Resize to the chip's level and take objects outside its valid range out of the training.

    After :class:`ChipSample` this is the second half of SNIPER (arXiv:1805.09300). Alone, on whole
    images, it picks a level at random and is the SNIP method (arXiv:1711.08189); it then needs
    ``levels`` and ``valid_ranges``.

    No side of the image becomes shorter than two pixels. The image of a chip that :class:`LoadChip`
    has read at its level's resolution stays as it is, and what belongs to it is resized.

    An object counts at a level if its sqrt(w*h), before any crop and in pixels of the original
    image, lies in ``[lo, hi)``. On chips it also counts if it fits no chip of the levels where it
    does and this is the next coarser one that has room for it; then ``valid_range`` is made wide
    enough for it. What happens to the others is up to ``mode``:

    - ``'ignore'``: ``gt_ignore_flags`` is set, and a segmentation map is not learnt in the boxes of
      ignored objects, valid boxes spared. Needs an assigner that honours ignored instances, such as
      :class:`mmsniper.models.IgnoreAwareAssigner`.
    - ``'erase'``: every ignored object's pixels, crowds and cut objects included, are filled with
      the mean, and it is removed. Pixels of valid boxes are spared. For heads that cannot ignore.
    - ``'drop'``: out-of-range objects are removed and their pixels stay: background.
    - ``'keep'``: no object is out of range, the range is open. To compare with.

    Added keys: size_factors (tuple[np.ndarray, np.ndarray]), the ``gt_ignore_flags`` as they are
    then, and for each box sqrt(w*h) of the object before the chip's border cut it, divided by that
    of the box: shape (n,), float32, 0 for crowds. ``PackChipInputs`` reads it.

    Args:
        levels (Sequence, optional): Pyramid levels, fine to coarse, needed without a chip only.
        valid_ranges (Sequence, optional): The valid range of each level, likewise.
        mode (str): One of the above. Defaults to 'ignore'.
        fill_value (Sequence[float]): What 'erase' fills with, a value per channel in the order of
            the loaded image. Defaults to the ImageNet mean in BGR order.
        allow_holes (bool): Whether ``valid_ranges`` may leave out sizes between the smallest and
            the largest. Defaults to False.
        resize_type (str): The transform that resizes. Defaults to 'Resize'.
        **resize_kwargs: Further arguments of it, such as ``interpolation`` and ``backend``.
    """

    def __init__(
        self,
        levels: Sequence | None = None,
        valid_ranges: Sequence | None = None,
        mode: str = 'ignore',
        fill_value: Sequence[float] = (103.53, 116.28, 123.675),
        resize_type: str = 'Resize',
        allow_holes: bool = False,
        **resize_kwargs,
    ) -> None:
        if mode not in MODES:
            raise InputError(f'mode must be one of {", ".join(MODES)}, but is {mode!r}')
        if (levels is None) != (valid_ranges is None):
            raise InputError('ScaleNormalize needs both levels and valid_ranges, or neither')
        self.pyramid = None if levels is None else Pyramid(levels, valid_ranges)
        if self.pyramid:
            self.pyramid.check_ranges('ScaleNormalize', allow_holes)
        self.mode = mode
        self.fill_value = tuple(fill_value)
        # The scale is set anew for each image.
        resize = dict(type=resize_type, scale=(1, 1), keep_ratio=False, **resize_kwargs)
        self.resize = TRANSFORMS.build(resize)

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Resize ``results`` to its level and treat the objects out of range."""
        if 'image_shape' not in results:  # ChipSample has looked at what it cut
            check_no_rle_lost(results)
        if 'chip_scale' not in results:
            self._pick_level(results)
        # LoadChip may have read the image of a chip at its level's size.
        from_window = results.pop('loaded_window', None) is not None
        shape = results['img_shape'] if from_window else results['img'].shape[:2]
        if results.get('gt_bboxes') is not None:
            self._treat_out_of_range(results, shape)
            _record_size_factors(results)
        # Other transforms would not keep it aligned with the boxes.
        for key in ('gt_box_sizes', 'gt_promoted', 'gt_crowds'):
            results.pop(key, None)
        self.resize.scale = level_size(shape[::-1], results['chip_scale'])
        if results['img'].shape[:2] == shape:
            results = self.resize(results)
        else:
            results = self._resize_all_but_image(results, shape)
        if results.get('proposals') is not None:
            _rescale_proposals(results)
        return results

    @property
    def resizes_plainly(self) -> bool:
        """Whether ``resize_type`` does nothing to the image but resize it, as ``Resize`` does."""
        method = getattr(type(self.resize), '_resize_img', None)
        return method is mmcv.transforms.Resize._resize_img

    def _resize_all_but_image(self, results: dict, shape: tuple[int, int]) -> dict:
        """Resize what belongs to a chip of ``shape`` whose image has its level's size already."""
        image = results['img']
        size, found = self.resize.scale, image.shape[1::-1]
        if found != size:
            raise InputError(
                f'the chip of image {results.get("img_path")} has {found[0]}x{found[1]} pixels at '
                f'ScaleNormalize instead of {size[0]}x{size[1]}: put what moves pixels or changes '
                'chips behind it'
            )
        results['img_shape'] = size[::-1]
        results['scale_factor'] = tuple(new / old for new, old in zip(size, shape[::-1]))
        results['keep_ratio'] = self.resize.keep_ratio
        results['img'] = None  # which is optional to what resizes
        results = self.resize(results)
        results['img'] = image
        return results

    def _pick_level(self, results: dict) -> None:
        if self.pyramid is None:
            raise InputError(
                'ScaleNormalize found no chip: wrap the dataset in ChipDataset, or give '
                'ScaleNormalize its own levels and valid_ranges; to detect on pictures use '
                'tools/infer.py or mmsniper.apis.PyramidInferencer'
            )
        height, width = results['img'].shape[:2]
        level = self._random_level()
        scales = self.pyramid.scale_factors(np.array([height]), np.array([width]))
        results['chip_level'] = level
        results['chip_scale'] = float(scales[0, level])
        results['valid_range'] = self.pyramid.valid_ranges[level]

    @cache_randomness
    def _random_level(self) -> int:
        return np.random.randint(self.pyramid.num_levels)

    def _treat_out_of_range(self, results: dict, shape: tuple[int, int]) -> None:
        boxes = results['gt_bboxes']
        sizes = results.get('gt_box_sizes')
        if sizes is None:
            sizes = boxes.areas.clamp(min=0).sqrt().numpy()
        elif len(sizes) != len(boxes):
            raise InputError(
                'a transform between ChipSample and ScaleNormalize removed or added instances; '
                'move it behind ScaleNormalize'
            )
        if self.mode == 'keep':
            results['valid_range'] = (-1.0, -1.0)
        flags = results.get('gt_ignore_flags')
        if flags is not None:
            results.setdefault('gt_crowds', flags.astype(bool))
        valid = in_valid_range(sizes, results['valid_range'])
        promoted = results.get('gt_promoted')
        if promoted is not None:
            valid |= promoted
            counting = promoted if flags is None else promoted & ~flags.astype(bool)
            results['valid_range'] = _widened(results['valid_range'], sizes[counting])
        if self.mode == 'drop':
            select_instances(results, valid)
            return
        ignored = ~valid if flags is None else ~valid | flags.astype(bool)
        results['gt_ignore_flags'] = ignored
        segmentation = results.get('gt_seg_map')
        if ignored.any() and (self.mode == 'erase' or segmentation is not None):
            corners = boxes.numpy()
            if segmentation is not None:
                label = np.uint8(results.get('ignore_index', 255))
                left_out = _left_out(corners, ignored, shape)
                results['gt_seg_map'] = np.where(left_out, label, segmentation)
            if self.mode == 'erase':
                found = results['img'].shape[:2]
                # Multiplied first, so that what is whole stays whole.
                corners = corners.astype(np.float64) * (found[::-1] * 2) / (shape[::-1] * 2)
                left_out = _left_out(corners, ignored, found)
                results['img'] = fill(results['img'], left_out, self.fill_value)
                select_instances(results, ~ignored)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(pyramid={self.pyramid}, mode={self.mode!r})'


def _record_size_factors(results: dict) -> None:
    """Record how many times larger than its box an object is, which the chip's border may cut."""
    boxes, flags = results['gt_bboxes'], results.get('gt_ignore_flags')
    if flags is None:
        return
    present = boxes.areas.clamp(min=0).sqrt().numpy()
    whole = results.get('gt_box_sizes')
    factors = np.ones(len(boxes), np.float32)
    if whole is not None:
        np.divide(whole, present, out=factors, where=present > 0)
    if 'gt_crowds' in results:
        factors[results['gt_crowds']] = 0
    # Transforms keep only what they know aligned with the boxes, and make new flags whenever they
    # take instances out or put some in: it is for as long as the flags are these.
    results['size_factors'] = flags, factors


def _widened(valid_range: tuple[float, float], sizes: np.ndarray) -> tuple[float, float]:
    """A valid range that also holds objects of some sizes, and proposals that match them."""
    low, high = valid_range
    low = min([low, *(sizes[sizes < low] * MATCHING).tolist()])
    if high >= 0:
        high = max([high, *(sizes[sizes >= high] / MATCHING).tolist()])
    return low, high


def fill(image: np.ndarray, filled: np.ndarray, value: Sequence[float]) -> np.ndarray:
    """Fill some pixels of an image.

    Args:
        image (np.ndarray): Shape (h, w) or (h, w, channels).
        filled (np.ndarray): Which pixels, shape (h, w), bool.
        value (Sequence[float]): A value per channel.

    Returns:
        np.ndarray: A filled copy.

    Raises:
        InputError: ``value`` has not a value per channel.
    """
    channels = 1 if image.ndim == 2 else image.shape[2]
    if len(value) != channels:
        raise InputError(
            f'fill_value has {len(value)} values, but the image has {channels} channels'
        )
    value = np.asarray(value)
    if np.issubdtype(image.dtype, np.integer):
        value = np.rint(value)
    image = image.copy()
    image[filled] = value.astype(image.dtype) if image.ndim == 3 else value.astype(image.dtype)[0]
    return image


def _left_out(boxes: np.ndarray, ignored: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The pixels that ignored boxes touch and no others do, shape ``shape``, bool."""
    return _covered(boxes[ignored], shape) & ~_covered(boxes[~ignored], shape)


def _covered(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The pixels that any of the boxes touches, shape ``shape``, bool."""
    height, width = shape
    left, right = np.floor(boxes[:, 0]), np.ceil(boxes[:, 2])
    top, bottom = np.floor(boxes[:, 1]), np.ceil(boxes[:, 3])
    left, right = (side.clip(0, width).astype(int) for side in (left, right))
    top, bottom = (side.clip(0, height).astype(int) for side in (top, bottom))
    # Sums over a field of corners, so that no box is filled pixel by pixel.
    field = np.zeros((height + 1, width + 1), np.int32)
    for rows, columns, sign in (
        (top, left, 1),
        (top, right, -1),
        (bottom, left, -1),
        (bottom, right, 1),
    ):
        np.add.at(field, (rows, columns), sign)
    return field.cumsum(0).cumsum(1)[:-1, :-1] > 0


def _rescale_proposals(results: dict) -> None:
    proposals, factor = results['proposals'], results['scale_factor']
    if isinstance(proposals, np.ndarray):
        results['proposals'] = proposals * np.array(factor * 2, proposals.dtype)
    else:
        proposals.rescale_(factor)

"""The findings about the scales of a data set, as figures and as sentences."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmsniper.chips import Pyramid, box_sizes

from .coco_boxes import PooledAnnotations
from .object_scales import HIGH, LOW, SMALLEST_SEEN
from .scale_proposal import LARGEST_SEEN, Proposal, widen_ranges
from .scale_statistics import (
    ScaleCost,
    promoted_share,
    scale_histograms,
    uncovered_share,
    without_chip_share,
)

# Sizes of so few objects say little about those to come.
FEW_OBJECTS = 100
# What a detector with a feature pyramid manages by itself.
ONE_LEVEL_RATIO = LARGEST_SEEN / SMALLEST_SEEN


def scale_figures(
    data: PooledAnnotations,
    pyramid: Pyramid,
    chip_size: int,
    cost: ScaleCost,
    budget: float,
    images_measured: int,
) -> dict[str, Any]:
    """All figures of a pyramid and chip size on a data set.

    Args:
        data (PooledAnnotations): The data set.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Pixels of the level.
        cost (ScaleCost): Measured on ``images_measured`` images.
        budget (float): Area of the chips of an image relative to the single scale.
        images_measured (int): Number of images.

    Returns:
        dict: Of what JSON can hold. Shares are from 0 to 1, sizes and ranges are in original
        pixels, ``mpx_*`` in 10**6 pixels of the levels.
    """
    annotations = data.annotations
    sizes = box_sizes(annotations.boxes)
    low, high = np.quantile(sizes, (LOW, HIGH))
    return dict(
        levels=list(pyramid.levels),
        valid_ranges=list(pyramid.valid_ranges),
        holes=pyramid.holes,
        test_valid_ranges=widen_ranges(pyramid.valid_ranges),
        chip_size=chip_size,
        chips_per_image=cost.chips_per_image,
        chips_per_level=list(cost.chips_per_level),
        mpx_per_image=cost.mpx_per_image,
        mpx_single_scale=cost.mpx_single_scale,
        mpx_pyramid=cost.mpx_pyramid,
        relative_cost=cost.relative,
        budget=budget,
        meets_budget=cost.relative <= budget,
        uncovered_share=uncovered_share(annotations, pyramid),
        without_chip_share=without_chip_share(annotations, pyramid, chip_size),
        promoted_share=promoted_share(annotations, pyramid, chip_size),
        one_level_is_enough=pyramid.num_levels == 1 and bool(high <= ONE_LEVEL_RATIO * low),
        images=len(annotations.heights),
        images_measured=images_measured,
        images_without_objects=int((np.diff(annotations.image_starts) == 0).sum()),
        objects=len(sizes),
        crowds=data.num_crowds,
        unusable_boxes=data.unusable,
        size_quantiles={
            f'{share:g}': float(np.quantile(sizes, share)) for share in (0, LOW, 0.5, HIGH, 1)
        },
        histograms=scale_histograms(annotations, pyramid),
    )


def notes(figures: dict[str, Any], proposal: Proposal | None) -> list[str]:
    """What a reader of the figures should know, in sentences.

    Args:
        figures (dict): As of ``scale_figures``.
        proposal (Proposal, optional): Where the figures are of one, or None if the settings were
            given.

    Returns:
        list[str]: Possibly none.
    """
    found = []
    objects, budget, cost = figures['objects'], figures['budget'], figures['relative_cost']
    low, high = figures['size_quantiles'][f'{LOW:g}'], figures['size_quantiles'][f'{HIGH:g}']
    if proposal and len(figures['levels']) == 1:
        if figures['one_level_is_enough']:
            found.append(
                f'One level is enough: {_most_sizes(low, high)}, which a detector finds at one '
                'scale.'
            )
        else:
            found.append(
                f'There is one level because the budget allows no finer one; objects of {low:.0f} '
                f'to {high:.0f} px would gain from several.'
            )
    if proposal and proposal.finest < 0.999 * proposal.wanted_finest:
        found.append(
            f'Small objects should be seen at factor {proposal.wanted_finest:.2g}; the finest '
            f'level is reduced to {proposal.finest:.2g} because of the budget.'
        )
    if proposal and not figures['meets_budget']:
        found.append(
            f'The budget of {budget:g} times the single scale cannot be met without shrinking '
            f'small objects: this is the cheapest that does not, at {cost:.2f} times; raise the '
            'budget, or compare with a larger single scale.'
        )
    elif not figures['meets_budget']:
        found.append(f'The cost, {cost:.2f} times the single scale, is above {budget:g}.')
    if figures['mpx_per_image'] > figures['mpx_pyramid'] and len(figures['levels']) > 1:
        found.append(
            'Objects are everywhere, so that overlapping chips have more pixels than the whole '
            'images of these levels: SNIP (configs/snip) with these levels and ranges costs less.'
        )
    if figures['uncovered_share'] > 0:
        missing = round(figures['uncovered_share'] * objects)
        found.append(
            f'{missing} of {objects} objects ({figures["uncovered_share"]:.2%}) have no valid '
            'level and would never be trained on; widen valid_ranges.'
        )
    promoted = figures['promoted_share']
    if promoted > 0:
        found.append(
            f'{round(promoted * objects)} of {objects} objects ({promoted:.2%}) are too long for a '
            'chip of the levels that their size is valid at, and are shown at the next coarser one.'
        )
    without_chip = figures['without_chip_share'] - figures['uncovered_share'] - promoted
    if without_chip > 1e-9:
        found.append(
            f'{round(without_chip * objects)} of {objects} objects ({without_chip:.2%}) have a '
            'valid level but are in no chip whole: they are too long for one even at the coarsest '
            'level, or below 2 px thin.'
        )
    if figures['holes']:
        holes = ', '.join(f'{low:g} to {high:g} px' for low, high in figures['holes'])
        found.append(
            f'The valid ranges leave out {holes}; training refuses that unless allow_holes=True.'
        )
    if objects < FEW_OBJECTS:
        found.append(
            f'There {"is" if objects == 1 else "are"} only {plural(objects, "object")}; run this '
            'again when there are more.'
        )
    if figures['images_measured'] < figures['images']:
        found.append(
            f'Chips and costs are measured on {figures["images_measured"]} of the '
            f'{figures["images"]} images, drawn at random; all else is of all of them.'
        )
    left_out = [plural(figures['crowds'], 'crowd')] if figures['crowds'] else []
    left_out += [
        f'{plural(count, "box", "boxes")} {reason}'
        for reason, count in figures['unusable_boxes'].items()
    ]
    if left_out:
        found.append(f'Left out, because they are not trained on: {", ".join(left_out)}.')
    if figures['images_without_objects']:
        found.append(
            f'Of {plural(figures["images"], "image")}, {figures["images_without_objects"]} without '
            'an object count in the means per image too.'
        )
    return found


def format_report(figures: dict[str, Any], sentences: list[str]) -> str:
    """The figures and sentences as lines of text.

    Args:
        figures (dict): As of ``scale_figures``.
        sentences (list[str]): As of ``notes``.
    """
    quantiles = figures['size_quantiles']
    sizes = ', '.join(f'{float(share):.4g}: {size:.1f}' for share, size in quantiles.items())
    lines = [
        f'{plural(figures["images"], "image")}, {plural(figures["objects"], "object")}; quantiles '
        f'of the sizes in px: {sizes}',
        '',
        f'{"level":24} {"valid range":>16} {"in testing":>16} {"objects":>8} {"chips/image":>12}',
    ]
    rows = zip(
        figures['levels'],
        figures['valid_ranges'],
        figures['test_valid_ranges'],
        figures['histograms']['levels'],
        figures['chips_per_level'],
    )
    for level, valid, test, histogram, chips in rows:
        lines.append(
            f'{str(level):24} {_range(valid):>16} {_range(test):>16} '
            f'{sum(histogram["valid_counts"]):8d} {chips:12.2f}'
        )
    single = figures['mpx_single_scale']
    lines += [
        '',
        f'chip size {figures["chip_size"]}, {figures["chips_per_image"]:.2f} chips per image',
        f'Mpx per image: {figures["mpx_per_image"]:.3f} in chips '
        f'({figures["relative_cost"]:.2f} x single scale), {single:.3f} single scale, '
        f'{figures["mpx_pyramid"]:.3f} pyramid ({figures["mpx_pyramid"] / single:.2f} x)',
        f'objects without a valid level: {figures["uncovered_share"]:.2%}',
    ]
    return '\n'.join(lines + [''] * bool(sentences) + [f'- {text}' for text in sentences])


def plural(count: int, one: str, many: str = '') -> str:
    """A number and its noun, such as ``'2 boxes'``."""
    return f'{count} {one if count == 1 else many or one + "s"}'


def _most_sizes(low: float, high: float) -> str:
    """Between which sizes in pixels most objects are."""
    if round(low) == round(high):
        return f'nearly all objects are about {low:.0f} px large'
    return f'{HIGH - LOW:.0%} of the objects are {low:.0f} to {high:.0f} px large'


def _range(bounds: tuple[float, float]) -> str:
    low, high = (f'{bound:g}' for bound in bounds)
    return f'({low}, {high})'

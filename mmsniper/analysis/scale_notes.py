"""What readers of the figures about scales should know, in sentences."""

from __future__ import annotations

from typing import Any

from .budget import at_least
from .object_scales import HIGH, LOW
from .scale_proposal import Proposal
from .scale_statistics import HARDLY_SEEN

# Sizes of so few objects say little about those to come.
FEW_OBJECTS = 100
# Testing that costs so many times the single scale is a surprise to most.
COSTLY_TESTING = 6


def notes(figures: dict[str, Any], proposal: Proposal | None) -> list[str]:
    """What a reader of the figures should know, in sentences.

    Args:
        figures (dict): As of ``scale_figures``.
        proposal (Proposal, optional): Where the figures are of one, or None if the settings were
            given.

    Returns:
        list[str]: Possibly none.
    """
    return [
        *_about_levels(figures, proposal),
        *_about_costs(figures, proposal),
        *_about_objects(figures),
        *_about_data(figures),
    ]


def _about_levels(figures: dict[str, Any], proposal: Proposal | None) -> list[str]:
    if proposal is None:
        return []
    found = []
    reduced = proposal.finest < 0.999 * proposal.wanted_finest
    if len(figures['levels']) == 1:
        found.append(_why_one_level(figures, reduced))
    if reduced:
        found.append(
            f'Small objects should be seen at factor {proposal.wanted_finest:.2g}; the finest '
            f'level is reduced to {proposal.finest:.2g} because of the budget.'
        )
    return found


def _why_one_level(figures: dict[str, Any], reduced: bool) -> str:
    low, high = figures['size_quantiles'][f'{LOW:g}'], figures['size_quantiles'][f'{HIGH:g}']
    if figures['one_level_is_enough']:
        return (
            f'One level is enough: {_most_sizes(low, high)}, which a detector finds at one scale.'
        )
    share = f'{figures["hardly_seen_share"]:.0%} of the objects below {HARDLY_SEEN} px'
    if not reduced and not figures['finer']:
        return (
            'There is one level because it enlarges small objects as far as helps and shows none '
            f'too large; it shows {share}.'
        )
    if figures['sizes_fit_one_level']:
        reason = f'One level suits the sizes, but this one shows {share}'
    else:
        reason = (
            f'There is one level because the budget allows no finer one; objects of {low:.0f} to '
            f'{high:.0f} px would gain from several'
        )
    ways = [
        f'{at_least(0, row["relative_cost"]):g} '
        f'({at_least(0, row["relative_test_cost"]):g} in testing) pays for '
        f'{plural(len(row["levels"]), "level")}, the finest {row["levels"][0]}'
        for row in figures['finer']
    ]
    if not ways:
        return f'{reason}.'
    return (
        f'{reason}. In multiples of the single scale, a budget of {"; ".join(ways)}. No larger '
        'budget gives more levels.'
    )


def _about_costs(figures: dict[str, Any], proposal: Proposal | None) -> list[str]:
    found = []
    budget, cost = figures['budget'], figures['relative_cost']
    if proposal and not figures['meets_budget']:
        found.append(
            f'The budget of {budget:.3g} times the single scale cannot be met without shrinking '
            f'small objects: this is the cheapest that does not, at {cost:.2f} times; raise the '
            'budget, or compare with a larger single scale.'
        )
    elif not figures['meets_budget']:
        found.append(f'The cost, {cost:.2f} times the single scale, is above {budget:.3g}.')
    test_budget, test_cost = figures['test_budget'], figures['relative_test_cost']
    if proposal and not figures['meets_test_budget']:
        found.append(
            f'The test budget of {test_budget:.3g} times the single scale cannot be met without '
            f'shrinking small objects: testing costs {test_cost:.2f} times.'
        )
    elif not figures['meets_test_budget']:
        found.append(
            f'Testing, {test_cost:.2f} times the single scale, is above {test_budget:.3g}.'
        )
    if test_cost > COSTLY_TESTING:
        bound = '--test-budget bounds it, and ' if proposal and test_budget is None else ''
        found.append(
            f'Testing is costly: it looks at {test_cost:.1f} times the pixels of the single scale '
            f'(more than {COSTLY_TESTING} times); {bound}AutoFocus (docs/autofocus.md) looks at '
            'finer levels only where small objects may be.'
        )
    if figures['mpx_per_image'] > figures['mpx_pyramid'] and len(figures['levels']) > 1:
        found.append(
            'Objects are everywhere, so that overlapping chips have more pixels than the whole '
            'images of these levels: SNIP (configs/snip) with these levels and ranges costs less.'
        )
    return found


def _about_objects(figures: dict[str, Any]) -> list[str]:
    found = []
    objects = figures['objects']
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
    return found


def _about_data(figures: dict[str, Any]) -> list[str]:
    found = []
    objects = figures['objects']
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


def plural(count: int, one: str, many: str = '') -> str:
    """A number and its noun, such as ``'2 boxes'``."""
    return f'{count} {one if count == 1 else many or one + "s"}'


def _most_sizes(low: float, high: float) -> str:
    """Between which sizes in pixels most objects are."""
    if round(low) == round(high):
        return f'nearly all objects are about {low:.0f} px large'
    return f'{HIGH - LOW:.0%} of the objects are {low:.0f} to {high:.0f} px large'

"""Suites: what is compared, on which data, for how many pixels, and how it is tested.

A suite is a Python config. These are its keys:

- ``title``, ``question``: what stands above the tables.
- ``data``: the data set that it is for unless another one is asked for.
- ``sizes``: settings for each ``--size``: ``models`` (a path for each name that recipes use, from
  the suite's folder or ``mmsniper::...``), ``budget_mpx``, ``proposal_mpx`` (of the RPN stage that
  negative chips need), ``rounds``, ``curve_points``, ``seeds``, ``optim_wrapper``,
  ``warmup_steps``, ``num_workers``, ``threads``.
- ``metric``: of ``CocoMetric``, ``'bbox'`` or ``'proposal'``; ``headline``: the figure of it that
  curves show; ``by_size``: those of small, medium and large objects; ``merging``: arguments of
  ``ChipMergeHook``; ``wall_time``: seconds of training for each recipe instead of equal pixels.
- ``false_positives``: from which score on detections are counted that are none, per image.
- ``recipes``: a :class:`Recipe` for each name; ``tests``: a :class:`TestWay` for each name;
  ``curve_test``: the test that is repeated during training; ``whole_test``: the one whose cost
  those of the others are told as shares of.

A data set is a Python config too: ``title``, ``classes``, ``train`` and ``val`` (``ann_file`` and
``images``, below its folder), ``levels``, ``train_ranges``, ``test_levels``, ``test_ranges``,
``single_level``, ``chip_size``, ``stride``, ``min_proposals``, and ``root`` or, for a drawn one,
``script``. Its ``sizes`` have ``step_mpx``, ``arguments`` of the script, and what is to replace any
of these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from mmsniper.errors import InputError
from mmsniper.utils.checkpoint_address import is_address, local_checkpoint

from .budget import Budget
from .recipe import Recipe, TestWay

#: Which overrides of a recipe name the weights that it begins with.
BEGINNINGS = ('load_from', 'model.backbone.init_cfg')


@dataclass(frozen=True)
class Data:
    """A data set in one size, see the module."""

    name: str
    title: str
    classes: tuple[str, ...]
    train: Mapping[str, str]
    val: Mapping[str, str]
    levels: list
    train_ranges: list
    test_levels: list
    test_ranges: list
    single_level: Any
    chip_size: int
    stride: int
    step_mpx: float
    min_proposals: list | None = None
    root: str | None = None
    script: str | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """A suite in one size on one data set, see the module."""

    name: str
    size: str
    folder: Path
    title: str
    question: str
    data: Data
    models: Mapping[str, str]
    budget: Budget
    proposal_budget: Budget
    seeds: int
    optim_wrapper: Mapping[str, Any]
    warmup_steps: int
    num_workers: int
    threads: int
    recipes: Mapping[str, Recipe]
    tests: Mapping[str, TestWay]
    curve_test: str
    metric: str = 'bbox'
    headline: str = 'bbox_mAP'
    by_size: tuple[str, ...] = ('bbox_mAP_s', 'bbox_mAP_m', 'bbox_mAP_l')
    columns: tuple[str, ...] = ()
    merging: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    whole_test: str | None = None
    wall_time: float | None = None
    false_positives: float | None = None

    def tests_of(self, recipe: str) -> dict[str, TestWay]:
        """The ways in which a recipe is tested."""
        found = self.recipes[recipe]
        return {name: way for name, way in self.tests.items() if way.is_for(found)}

    @property
    def extent(self) -> str:
        """How long the recipes are trained, in words."""
        if self.wall_time is None:
            digits = 0 if self.budget.mpx >= 100 else 2
            return f'{self.budget.mpx:.{digits}f} trained Mpx'
        return f'{self.wall_time:g} s of training'

    def figures(self) -> dict[str, Any]:
        """What must stay the same for runs to be comparable.

        Of the ways of testing that is the one during the training: others may come later, and are
        then done with what was trained.
        """
        found = dataclasses.asdict(self)
        for key in ('folder', 'seeds', 'title', 'question', 'recipes', 'columns', 'whole_test'):
            del found[key]
        if found['false_positives'] is None:  # as in folders of before there was this
            del found['false_positives']
        way = found['tests'][self.curve_test]
        del way['title']
        for key in ('focus', 'tiles'):  # as in folders of before there were these
            if not way[key]:
                del way[key]
        found['tests'] = {self.curve_test: way}
        return found


def with_weights(suite: Suite, chosen: Sequence[str], folder: Path) -> Suite:
    """Let recipes begin with the weights that they name.

    Args:
        suite (Suite): Of the recipes.
        chosen (Sequence[str]): The names of those that are trained.
        folder (Path): Where the weights are.

    Returns:
        Suite: One whose recipes have them among their overrides.

    Raises:
        InputError: A file is not there, or cannot be fetched.
    """
    recipes = dict(suite.recipes)
    for name in chosen:
        recipe = recipes[name]
        if suite.size not in recipe.weights:
            continue
        weights = recipe.weights[suite.size]
        if is_address(weights):
            path = local_checkpoint(weights)
        else:
            path = (folder / weights).resolve()
            if not path.is_file():
                raise InputError(
                    f'recipe {name} begins with the weights {path}, which do not exist: name their '
                    'folder with --weights, or leave the recipe out with --only'
                )
        whole, backbone = BEGINNINGS
        if recipe.weights_of == 'backbone':
            start = {backbone: _backbone_weights(path)}
        else:
            start = {whole: str(path)}
        overrides = dict(recipe.overrides, **start)
        recipes[name] = dataclasses.replace(recipe, overrides=overrides)
    return dataclasses.replace(suite, recipes=recipes)


def _backbone_weights(path: Path) -> dict[str, str]:
    content = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    keys = content.get('state_dict', content)
    prefix = 'backbone.' if any(key.startswith('backbone.') for key in keys) else None
    return dict(type='Pretrained', checkpoint=str(path), prefix=prefix)


def read_suite(
    path: Path,
    size: str,
    data_folder: Path,
    data: str | None = None,
    budget_mpx: float | None = None,
) -> Suite:
    """Read a suite and its data set.

    Args:
        path (Path): Of the suite.
        size (str): Which of its sizes.
        data_folder (Path): Where the configs of data sets are.
        data (str, optional): Name of a data set, or the path of one, ``*.py``, from the suite's
            folder. Defaults to the suite's own.
        budget_mpx (float, optional): Another budget than the suite's.

    Raises:
        InputError: Something is missing, or unknown, or contradicts itself.
    """
    content = _read(path, 'suite')
    settings = _pick_size(content, size, path)
    data = data or content['data']
    content.pop('data')
    where = path.parent / data if data.endswith('.py') else data_folder / f'{data}.py'
    found = _read(where, 'data set')
    found.update(_pick_size(found, size, where))
    data_set = _build(Data, dict(name=where.stem, **found), where)
    for key, kind in (('recipes', Recipe), ('tests', TestWay)):
        if not content.get(key):
            raise InputError(f'{path} has no {key}')
        content[key] = {
            name: _build(kind, value, f'{path}, {name}') for name, value in content[key].items()
        }
    cut = dict(step_mpx=data_set.step_mpx, rounds=settings.pop('rounds'))
    budget = budget_mpx or settings['budget_mpx']
    # The RPN stage keeps its share of another budget.
    proposals = settings.pop('proposal_mpx') * budget / settings.pop('budget_mpx')
    points = settings.pop('curve_points')
    suite = _build(
        Suite,
        dict(
            name=path.stem,
            size=size,
            folder=path.parent,
            data=data_set,
            budget=Budget.nearest(budget, **cut, curve_points=points),
            proposal_budget=Budget.nearest(proposals, **{**cut, 'rounds': 1}, curve_points=1),
            **content,
            **settings,
        ),
        path,
    )
    _check(suite, path)
    return suite


def sub_pyramid(levels: list, ranges: list, chosen) -> tuple[list, list]:
    """Some levels of a pyramid, the ranges of the first and last opened where levels are missing.

    Args:
        levels (list): Of the whole pyramid, fine to coarse.
        ranges (list): A valid range for each.
        chosen (Sequence[int]): Which.

    Returns:
        tuple[list, list]: Levels and ranges.
    """
    if not chosen or any(not 0 <= level < len(levels) for level in chosen):
        raise InputError(f'levels {chosen} are not among the {len(levels)} of the data set')
    kept = [list(ranges[level]) for level in chosen]
    kept[0][0] = -1
    kept[-1][1] = -1
    return [levels[level] for level in chosen], [tuple(bounds) for bounds in kept]


def _check(suite: Suite, path: Path) -> None:
    for key in ('curve_test', 'whole_test'):
        test = getattr(suite, key)
        if test is None:
            continue
        if test not in suite.tests:
            raise InputError(f'{path}: {key} {test} is not one of its tests')
        if not all(suite.tests[test].is_for(recipe) for recipe in suite.recipes.values()):
            raise InputError(f'{path}: {key} {test} needs a focus head, which a recipe has not')
    for name, recipe in suite.recipes.items():
        if not name.isidentifier():
            raise InputError(f'{path}: {name!r} is no name of a recipe: use letters, digits and _')
        for model in (recipe.model, *(['rpn'] if recipe.negatives == 'rpn' else [])):
            if model not in suite.models:
                raise InputError(f'{path}: models of size {suite.size} have no {model}')


def _read(path: Path, what: str) -> dict[str, Any]:
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob('*.py'))
        raise InputError(f'there is no {what} {path.stem}: choose {", ".join(known) or "a file"}')
    content = Config.fromfile(path).to_dict()
    return {key: value for key, value in content.items() if not key.startswith('_')}


def _pick_size(content: dict[str, Any], size: str, path: Path) -> dict[str, Any]:
    sizes = content.pop('sizes', {})
    if size not in sizes:
        raise InputError(f'{path} has no size {size}: choose {" or ".join(sizes)}')
    return dict(sizes[size])


def _build(kind: type, values: Mapping[str, Any], where: object) -> Any:
    fields = {f.name: f for f in dataclasses.fields(kind)}
    needed = {
        name
        for name, f in fields.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    for problem, names in (
        ('lacks', needed - set(values)),
        ('has the unknown key', set(values) - set(fields)),
    ):
        if names:
            raise InputError(f'{where} {problem} {", ".join(sorted(names))}')
    return kind(**values)

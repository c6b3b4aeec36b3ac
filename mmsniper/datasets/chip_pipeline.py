"""What the pipeline of a ChipDataset has to be like: load, cut the chip, resize it, all else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import dropwhile, takewhile

from mmcv import transforms as mmcv_transforms
from mmdet.datasets import transforms
from mmengine.dataset import Compose

from mmsniper.errors import InputError

from .transforms import ChipSample, LoadChip, ScaleNormalize
from .transforms.moving import RESIZING, all_transforms, moves_pixels

_LOADING = (
    mmcv_transforms.LoadImageFromFile,
    transforms.LoadMultiChannelImageFromFiles,
    transforms.LoadProposals,
    transforms.InferencerLoader,
)
_LOADING_TRAINING = (*_LOADING, mmcv_transforms.LoadAnnotations)
# What does the same to the pixels of a chip as to those of the whole image, at any resolution, and
# reads nothing off them.
_PIXEL_BY_PIXEL = (
    LoadChip,
    ChipSample,
    mmcv_transforms.LoadAnnotations,
    transforms.LoadEmptyAnnotations,
    transforms.LoadProposals,
    transforms.FilterAnnotations,
    transforms.PhotoMetricDistortion,
    transforms.YOLOXHSVRandomAug,
    transforms.Color,
    transforms.Brightness,
    transforms.Invert,
    transforms.Posterize,
    transforms.Solarize,
    transforms.SolarizeAdd,
    mmcv_transforms.Normalize,
    mmcv_transforms.RandomGrayscale,
    # These hold others.
    Compose,
    mmcv_transforms.Compose,
    mmcv_transforms.RandomApply,
    mmcv_transforms.RandomChoice,
    transforms.RandomOrder,
    transforms.ProposalBroadcaster,
)
_FRAMEWORKS = ('mmdet.', 'mmcv.', 'mmengine.')
_PIPELINE = 'the pipeline of ChipDataset'


def check_chip_pipeline(pipeline: Callable, test_mode: bool) -> None:
    """Raise an InputError for a pipeline that would not give the chips of a ``ChipDataset``.

    ``ChipSample`` and ``ScaleNormalize`` (or subclasses of them) have to stand in it once each and
    in this order, with all that loads in front. An empty pipeline passes, since tables of chips are
    of use without items: :func:`why_no_items` says whether these can be asked for.

    Args:
        pipeline (Callable): Composed transforms.
        test_mode (bool): Whether it is for testing, where annotations may be loaded later, since
            metrics are about those of the whole image.

    Raises:
        InputError: One sentence that names the transform and says what to do.
    """
    steps = list(_unpacked(pipeline))
    if not steps:
        return
    cut, resized = (_position(steps, kind) for kind in (ChipSample, ScaleNormalize))
    if resized < cut:
        raise InputError(
            f'ScaleNormalize stands before ChipSample in {_PIPELINE}, but resizes what that cuts: '
            'put it behind ChipSample'
        )
    loading = _LOADING if test_mode else _LOADING_TRAINING
    if late := _names(steps[cut:], lambda step: isinstance(step, loading)):
        raise InputError(
            f'{late} stands behind ChipSample in {_PIPELINE}, but loads what belongs to the whole '
            'image: put it before ChipSample'
        )
    if between := _names(steps[cut:resized], lambda step: isinstance(step, RESIZING)):
        raise InputError(
            f'{between} stands before ScaleNormalize in {_PIPELINE}, which then would not give the '
            "chip its level's resolution: take it out, or put it behind ScaleNormalize"
        )
    if early := _names(steps[:resized], lambda step: isinstance(step, transforms.PackDetInputs)):
        raise InputError(
            f'{early} stands before ScaleNormalize in {_PIPELINE}, but packs what is finished: put '
            'it last'
        )


def why_no_items(pipeline: Callable) -> str:
    """Why no item can be asked of a pipeline, or an empty text where it can.

    It is empty, or transforms before ``ChipSample`` are known to move pixels, and are named.

    Args:
        pipeline (Callable): Composed transforms.
    """
    if not getattr(pipeline, 'transforms', True):
        return (
            f'{_PIPELINE} is empty and loads no image: put LoadChip, LoadAnnotations, '
            'ChipSample and ScaleNormalize into it, not into a dataset around it'
        )
    names = _names(_before(_unpacked(pipeline), ChipSample), moves_pixels)
    return names and (
        f'{names} would move the image before ChipSample cut its chip, which is about the image '
        'as it is in the file: put what moves pixels behind ScaleNormalize'
    )


def load_chips_only(pipeline: Callable) -> str:
    """Have ``LoadChip`` load chips only, or whole images where a transform may need them.

    Args:
        pipeline (Callable): Composed transforms, checked.

    Returns:
        str: Names of the transforms that may need whole images though they come from ``LoadChip``,
        empty if there are none.
    """
    steps = list(_unpacked(pipeline))
    between = list(dropwhile(lambda step: not _chip_loaders(step), _before(steps, ScaleNormalize)))
    loaders = _chip_loaders(between)
    names = _names(between, lambda step: not isinstance(step, _PIXEL_BY_PIXEL))
    if loaders and not names:
        (scale_normalize,) = (step for step in steps if isinstance(step, ScaleNormalize))
        names = _names([scale_normalize.resize], lambda step: not scale_normalize.resizes_plainly)
    for loader in loaders:
        loader.whole = bool(names)
    return names


def suspects(pipeline: Callable) -> str:
    """Names of the transforms before ``ChipSample`` of which nobody knows whether they move pixels.

    Args:
        pipeline (Callable): Composed transforms.
    """

    def is_unknown(step: object) -> bool:
        known = type(step).__module__.startswith((*_FRAMEWORKS, 'mmsniper.'))
        return not known or isinstance(step, transforms.Albu)

    return _names(_before(_unpacked(pipeline), ChipSample), is_unknown)


def _unpacked(pipeline: Callable) -> Iterator:
    """The transforms that always run, one after the other."""
    for step in getattr(pipeline, 'transforms', ()):
        if type(step) in (Compose, mmcv_transforms.Compose):
            yield from _unpacked(step)
        else:
            yield step


def _before(steps: Iterable, kind: type) -> list:
    return list(takewhile(lambda step: not isinstance(step, kind), steps))


def _chip_loaders(steps: object) -> list[LoadChip]:
    return [step for step in all_transforms(steps) if isinstance(step, LoadChip)]


def _position(steps: Sequence, kind: type) -> int:
    """Where the only transform of a kind stands."""
    name = kind.__name__
    found = [index for index, step in enumerate(steps) if isinstance(step, kind)]
    if len(found) > 1:
        raise InputError(f'{name} stands {len(found)} times in {_PIPELINE}: leave one of them')
    if found:
        return found[0]
    for step in steps:
        if any(isinstance(inner, kind) for inner in all_transforms(step)):
            raise InputError(
                f'{name} stands inside of {type(step).__name__} in {_PIPELINE}, which may leave it '
                f'out: put {name} into the pipeline itself'
            )
    neither = not any(isinstance(step, (ChipSample, ScaleNormalize)) for step in steps)
    resizing = _names(steps, lambda step: isinstance(step, RESIZING))
    missing = 'neither ChipSample nor ScaleNormalize' if neither else f'no {name}'
    instead = f', whose place {resizing} cannot take' if resizing else ''
    raise InputError(
        f'{_PIPELINE} has {missing}{instead}, so it would not give the chips or views of their '
        'levels: put ChipSample and ScaleNormalize behind what loads, before all augmentations and '
        'PackDetInputs'
    )


def _names(steps: Sequence, chosen: Callable[[object], bool]) -> str:
    """The names of some transforms, of those inside of others too, each once."""
    found = (type(step).__name__ for step in all_transforms(list(steps)) if chosen(step))
    return ', '.join(dict.fromkeys(found))

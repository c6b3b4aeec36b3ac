"""Any detector of MMDetection on chips, by its config alone."""

from __future__ import annotations

from mmengine.config import Config

from mmsniper.conversion import OwnData, Recipe, Training, convert


def sniperize(
    cfg: str | Config,
    recipe: Recipe | None = None,
    train_batch_norm: bool = False,
    data: OwnData | None = None,
    training: Training | None = None,
    focus: bool = False,
    online_negatives: bool = False,
) -> Config:
    """Turn the config of a detector into one that trains it on chips and tests it on the pyramid.

    What was changed and what was not is printed as a short list;
    :func:`mmsniper.conversion.convert` gives it instead. A config that trains on chips already
    comes back as it is.

    Args:
        cfg (str | Config): A path, ``mmdet::retinanet/retinanet_r50_fpn_1x_coco.py``, or a config,
            which stays as it is.
        recipe (Recipe, optional): Levels, valid ranges and the size of chips. Defaults to the
            paper's.
        train_batch_norm (bool): Whether to train batch normalisation that ``cfg`` leaves in
            evaluation mode (``norm_eval=True``). Defaults to False.
        data (OwnData, optional): Data to put in the place of those of ``cfg``.
        training (Training, optional): Batch size, epochs and weights to begin with.
        focus (bool): Whether to give the detector a focus head, which says where finer levels have
            to be looked at (AutoFocus, arXiv:1812.01600). Defaults to False.
        online_negatives (bool): Whether the detector looks at the training images between epochs,
            and its confident mistakes become negative chips. Defaults to False.

    Returns:
        Config: Explicit, without bases.

    Raises:
        InputError: The config is of a kind that is not supported; one sentence says why.
    """
    converted, changes = convert(
        cfg, recipe, train_batch_norm, data, training, focus, online_negatives
    )
    print(changes)
    return converted

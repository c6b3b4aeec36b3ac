_base_ = '_base_/suite.py'

title = 'Objects out of range'
question = (
    'What should become of objects that are too small or too large for the level of a chip, in '
    'detectors of each kind?'
)

# Real texture: on drawn shapes the differences are small.
data = 'cells'

sizes = dict(
    tiny=dict(
        budget_mpx=120.0,
        proposal_mpx=34.0,
        curve_points=2,
        models=dict(
            atss='mmsniper::_base_/models/atss_r18_fpn_tiny.py',
            fcos='_base_/models/fcos_r18_fpn_tiny.py',
            yolox='_base_/models/yolox_nano.py',
            centernet='_base_/models/centernet_r18_tiny.py',
            dino='_base_/models/dino_r18_tiny.py',
        ),
    ),
    full=dict(
        models=dict(
            atss='_base_/models/atss_r18_fpn.py',
            fcos='_base_/models/fcos_r18_fpn.py',
            yolox='_base_/models/yolox_s.py',
            centernet='_base_/models/centernet_r18.py',
            dino='_base_/models/dino_r18.py',
        ),
    ),
)

# YOLOX-nano begins with the weights that MMDetection publishes, the others from scratch.
_detectors = dict(
    atss=dict(title='ATSS'),
    fcos=dict(title='FCOS'),
    yolox=dict(title='YOLOX', rate=0.25, weights={'tiny': 'yolox_nano_coco.pth'}),
    centernet=dict(title='CenterNet'),
    # Transformers do not stand the rate that suits convolutions from scratch.
    dino=dict(title='DINO', rate=0.25),
)
_modes = dict(
    ignore=('ignored, as SNIPER does', 'ignore'),
    erase=('erased from the picture', 'erase'),
    background=('background', 'drop'),
    keep=('objects like all others', 'keep'),
)

recipes = {
    f'{_detector}_{_name}': dict(
        _settings,
        title=f'{_settings["title"]}, {_words}',
        model=_detector,
        method='sniper',
        out_of_range=_mode,
    )
    for _detector, _settings in _detectors.items()
    for _name, (_words, _mode) in _modes.items()
}

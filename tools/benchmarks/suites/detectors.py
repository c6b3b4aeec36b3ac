_base_ = '_base_/suite.py'

title = 'Detectors'
question = 'Do chips bring the same to detectors of other kinds?'

# Here the convolutional ones learn something within the budget of tiny models. The tiny transformer
# needs more steps: --data shapes --budget 240 --only dino_single dino_sniper.
data = 'cells'

sizes = dict(
    tiny=dict(
        # Fewer pixels than in other suites: more runs, and the transformer is slow on a CPU.
        budget_mpx=120.0,
        curve_points=2,
        proposal_mpx=34.0,
        models=dict(
            faster_rcnn='mmsniper::_base_/models/faster-rcnn_r18_fpn_tiny.py',
            fcos='_base_/models/fcos_r18_fpn_tiny.py',
            dino='_base_/models/dino_r18_tiny.py',
        ),
    ),
    full=dict(
        models=dict(
            faster_rcnn='_base_/models/faster-rcnn_r18_fpn.py',
            fcos='_base_/models/fcos_r18_fpn.py',
            dino='_base_/models/dino_r18.py',
        ),
    ),
)

# Transformers do not stand the rate that suits convolutions from scratch.
_dino = dict(model='dino', rate=0.25)

recipes = dict(
    faster_rcnn_single=dict(
        title='Faster R-CNN, single scale', method='single-scale', model='faster_rcnn'
    ),
    faster_rcnn_sniper=dict(title='Faster R-CNN, SNIPER', method='sniper', model='faster_rcnn'),
    fcos_single=dict(title='FCOS, single scale', method='single-scale', model='fcos'),
    fcos_sniper=dict(title='FCOS, SNIPER', method='sniper', model='fcos'),
    # Simpler than ignoring, but teaches that objects of the wrong size are none.
    fcos_background=dict(
        title='FCOS, SNIPER, out of range is background',
        method='sniper',
        model='fcos',
        out_of_range='drop',
    ),
    dino_single=dict(title='DINO, single scale', method='single-scale', **_dino),
    dino_sniper=dict(title='DINO, SNIPER', method='sniper', **_dino),
)

tests = dict(
    _delete_=True,
    single=dict(title='single level', levels='single'),
    pyramid=dict(title='pyramid, valid ranges'),
)

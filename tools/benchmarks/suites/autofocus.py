_base_ = '_base_/suite.py'

title = 'AutoFocus'
question = (
    'What does testing from coarse to fine keep of the AP of the pyramid, and what does it cost, '
    'with a focus head and with the detections alone?'
)

# Photographs with plates of all sizes, most pictures with one or two.
data = 'licence_plates'

sizes = dict(
    tiny=dict(
        models=dict(yolox='_base_/models/yolox_nano.py'),
        curve_points=2,
        # Fine-tuning: the weights that MMDetection publishes do not stand the rate from scratch.
        optim_wrapper=dict(optimizer=dict(lr=0.001, weight_decay=0.05)),
    ),
    full=dict(models=dict(yolox='_base_/models/yolox_s.py'), curve_points=2),
)

_yolox = dict(method='sniper', model='yolox', weights={'tiny': 'yolox_nano_coco.pth'})
recipes = dict(
    plain=dict(title='without a focus head', **_yolox),
    head=dict(title='with a focus head', focus_head=True, **_yolox),
)


def _focus(source, threshold, min_cells, dilation):
    words = f'{source}, threshold {threshold}, min_cells {min_cells}, dilation {dilation}'
    settings = dict(source=source, threshold=threshold, min_cells=min_cells, dilation=dilation)
    return dict(title=words, focus=settings)


tests = dict(
    _delete_=True,
    single=dict(title='single level', levels='single'),
    finest=dict(title='the finest level', levels=(0,)),
    pyramid=dict(title='the pyramid'),
    # By its least pixels first. Where the coarsest level shows plates at 2 to 16 px it cannot tell
    # where they are; then all of the second level is looked at, a fifth of the pyramid's pixels.
    found_few=_focus('detections', 0.01, 24, 9),
    found_some=_focus('detections', (0, 0.01), 12, 9),
    found_many=_focus('detections', (0, 0.01), 24, 5),
    head_few=_focus('head', (0, 0.1), 12, 5),
    head_some=_focus('head', (0, 0.05), 12, 5),
    head_many=_focus('head', (0, 0.02), 12, 5),
    # For drawn shapes, which are told without their surroundings.
    head_close=_focus('head', (0, 0.05), 3, 3),
)
# In its own process, like all others but the single level.
curve_test = 'single'
whole_test = 'pyramid'

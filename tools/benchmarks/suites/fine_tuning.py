_base_ = 'rivals.py'

title = 'Fine-tuning'
question = (
    'A detector that knows COCO goes on learning from pictures of COCO, which it has seen before: '
    'does it lose anything, on whole pictures or on the pyramid?'
)
data = 'coco_sample'

# Two passes over the pictures at one scale.
sizes = dict(tiny=dict(budget_mpx=80.0))

_ways = {
    _way: _base_.recipes[f'yolox_{_way}']
    for _way in ('single', 'narrow', 'wide', 'snip', 'sniper', 'sniper_online')
}
# The rates are those with which one goes on, not begins.
_slow = {
    f'{_way}_slow': dict(_recipe, title=f'{_recipe["title"]}, slow', rate=0.01)
    for _way, _recipe in _ways.items()
}
recipes = dict(
    _delete_=True,
    **{_way: dict(_recipe, rate=0.1) for _way, _recipe in _ways.items()},
    **_slow,
    sniper_frozen_slow=dict(
        _slow['sniper_slow'],
        title=f'{_slow["sniper_slow"]["title"]}, frozen statistics',
        overrides={'model.backbone.norm_eval': True},
    ),
)
tests = dict(
    _delete_=True, **{_way: _base_.tests[_way] for _way in ('single', 'finest', 'pyramid', 'open')}
)

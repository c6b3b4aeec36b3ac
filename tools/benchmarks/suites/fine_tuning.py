_base_ = 'rivals.py'

title = 'Fine-tuning'
question = (
    'A detector that knows COCO goes on learning from pictures of COCO, which it has seen before: '
    'does it lose anything, whole pictures at one scale or the pyramid?'
)
data = 'coco_sample'

# Two passes over the pictures. The rates are those with which one goes on, not begins.
sizes = dict(tiny=dict(budget_mpx=80.0))
_ways = {
    _way: _base_.recipes[f'yolox_{_way}'] for _way in ('single', 'narrow', 'wide', 'snip', 'sniper')
}
recipes = dict(
    _delete_=True,
    **{_way: dict(_recipe, rate=0.1) for _way, _recipe in _ways.items()},
    **{
        f'{_way}_careful': dict(_ways[_way], title=f'{_ways[_way]["title"]}, a tenth', rate=0.01)
        for _way in ('single', 'sniper')
    },
)
tests = dict(
    _delete_=True,
    single=dict(title='single level', levels='single'),
    finest=dict(title='the finest level', levels=(0,)),
    pyramid=dict(title='pyramid, valid ranges'),
    open=dict(title='pyramid, open ranges', ranges='open'),
)

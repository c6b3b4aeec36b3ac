_base_ = 'rivals.py'

title = 'Rates'
question = 'Which learning rate suits each way of training a pretrained detector?'

# A quarter of the length of the comparison that the rates are for.
sizes = dict(tiny=dict(budget_mpx=75.0, curve_points=1, seeds=1))

_factors = dict(slow=0.3, usual=1.0, fast=3.0)

recipes = dict(
    _delete_=True,
    **{
        f'{_name}_{_speed}': dict(
            _recipe,
            title=f'{_recipe["title"]}, rate x {_factor:g}',
            rate=_factor,
        )
        for _name, _recipe in _base_.recipes.items()
        for _speed, _factor in _factors.items()
    },
)
tests = dict(
    _delete_=True,
    single=dict(title='single level', levels='single'),
    pyramid=dict(title='pyramid, valid ranges'),
)

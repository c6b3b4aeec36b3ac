_base_ = 'rivals.py'

title = 'Batches'
question = (
    'What do large batches of chips bring, and normalisation that is trained on them instead of '
    'kept as it was?'
)

_chips = _base_.recipes.atss_sniper
_frozen = {'model.backbone.norm_eval': True}

# A step of licence plates is 14 chips, so eight times that are about the 128 of the paper. Steps
# that are that much fewer are larger by the square root, as is usual for Adam.
recipes = dict(
    _delete_=True,
    small=dict(_chips, title='small batches'),
    small_frozen=dict(_chips, title='small batches, frozen statistics', overrides=_frozen),
    large=dict(_chips, title='large batches', step_factor=8, rate=2.8 * _chips.get('rate', 1.0)),
    large_frozen=dict(
        _chips,
        title='large batches, frozen statistics',
        step_factor=8,
        rate=2.8 * _chips.get('rate', 1.0),
        overrides=_frozen,
    ),
)
tests = dict(
    _delete_=True,
    single=dict(title='single level', levels='single'),
    pyramid=dict(title='pyramid, valid ranges'),
)

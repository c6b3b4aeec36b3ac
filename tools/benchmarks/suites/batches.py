_base_ = 'rivals.py'

title = 'Batches'
question = (
    'What do large batches of chips bring, and normalisation that is trained on them instead of '
    'kept as it was?'
)

_small = _base_.recipes.atss_sniper
# A step of licence plates is 14 chips, so eight times that are about the 128 of the paper. Steps
# that are that much fewer are larger by the square root, as is usual for Adam.
_large = dict(_small, step_factor=8, rate=2.8 * _small.rate)
_frozen = {'model.backbone.norm_eval': True}

recipes = dict(
    _delete_=True,
    small=dict(_small, title='small batches'),
    small_frozen=dict(_small, title='small batches, frozen statistics', overrides=_frozen),
    large=dict(_large, title='large batches'),
    large_frozen=dict(_large, title='large batches, frozen statistics', overrides=_frozen),
)
tests = dict(
    _delete_=True,
    single=dict(title='single level', levels='single'),
    pyramid=dict(title='pyramid, valid ranges'),
)

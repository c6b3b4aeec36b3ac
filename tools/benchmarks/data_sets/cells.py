_base_ = 'scenes.py'

title = 'scenes of blood cells'
classes = ('RBC', 'WBC', 'Platelets')

_bccd = '{sources}/bccd'
_arguments = (
    *('--train-source', f'{_bccd}/annotations/train.json', f'{_bccd}/images'),
    *('--val-source', f'{_bccd}/annotations/val.json', f'{_bccd}/images'),
    *('--scales', '0.1', '2.5', '--seed', '0'),
)
sizes = dict(
    tiny=dict(step_mpx=0.48, arguments=(*_arguments, '--train', '200', '--val', '40')),
    full=dict(step_mpx=3.84, arguments=(*_arguments, '--train', '2000', '--val', '200')),
)

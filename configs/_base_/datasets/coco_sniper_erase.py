# COCO on chips, for heads that can leave nothing out: what is not to be learnt is erased.
_base_ = './coco_sniper.py'

train_pipeline = [
    dict(step, mode='erase') if step['type'] == 'ScaleNormalize' else step
    for step in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

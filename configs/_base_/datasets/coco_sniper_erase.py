# COCO on chips, what is not to be learnt erased: for a head of your own that can leave nothing out.
_base_ = './coco_sniper.py'

train_pipeline = [
    dict(step, mode='erase') if step['type'] == 'ScaleNormalize' else step
    for step in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

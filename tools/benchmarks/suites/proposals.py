_base_ = '_base_/suite.py'

title = 'Proposals'
question = 'Does the recall of an RPN need negative chips?'

metric = 'proposal'
headline = 'AR@100'
by_size = ('AR_s@1000', 'AR_m@1000', 'AR_l@1000')
# At most 300 proposals of an image are kept, so AR@1000 is AR@300.
merging = dict(nms=dict(type='nms', iou_threshold=0.7), max_per_image=300)

# Fewer pixels and tests than in the suite of scales, whose curves show what more would bring.
sizes = dict(tiny=dict(budget_mpx=100.0, proposal_mpx=29.0, curve_points=2))

recipes = dict(
    multi_scale=dict(title='RPN, multi-scale', method='multi-scale', model='rpn'),
    positive=dict(title='RPN, positive chips only', method='sniper', model='rpn'),
    negative=dict(title='RPN, with negative chips', method='sniper', model='rpn', negatives='rpn'),
)

tests = dict(_delete_=True, pyramid=dict(title='pyramid, valid ranges'))

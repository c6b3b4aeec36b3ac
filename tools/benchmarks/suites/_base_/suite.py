# What all suites have in common.
data = 'shapes'

sizes = dict(
    # Models of a quarter of ResNet-18's channels on two CPU cores.
    tiny=dict(
        models=dict(
            detector='mmsniper::_base_/models/atss_r18_fpn_tiny.py',
            rpn='mmsniper::_base_/models/rpn_r18_fpn_tiny.py',
        ),
        # A run of 300 Mpx trains for two and a half minutes, at 0.5 s per Mpx on one core, and is
        # tested for one and a half: eighteen runs, two at once, take about forty minutes.
        budget_mpx=300.0,
        # Two epochs out of seven, as in the paper.
        proposal_mpx=86.0,
        rounds=8,
        curve_points=4,
        seeds=3,
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=0.004, weight_decay=0.01),
            clip_grad=dict(max_norm=10),
        ),
        warmup_steps=50,
        # Loading in the main process and one thread each: a run for each core.
        num_workers=0,
        threads=1,
    ),
    # Models of usual size from scratch on a GPU.
    full=dict(
        models=dict(
            detector='_base_/models/atss_r18_fpn.py',
            rpn='_base_/models/rpn_r18_fpn.py',
        ),
        budget_mpx=20000.0,
        proposal_mpx=5700.0,
        rounds=12,
        curve_points=4,
        seeds=3,
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=0.0005, weight_decay=0.05),
            clip_grad=dict(max_norm=10),
        ),
        warmup_steps=500,
        num_workers=8,
        threads=2,
    ),
)

# The same ways for all recipes; ranges are the data set's.
tests = dict(
    single=dict(title='single level', levels='single'),
    pyramid=dict(title='pyramid, valid ranges'),
    open=dict(title='pyramid, open ranges', ranges='open'),
)
curve_test = 'pyramid'

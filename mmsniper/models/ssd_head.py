"""Testing SSD with MMDetection from 3.1 on.

Its heads ask their classification loss which channels it has; SSD's head, which calls a function of
PyTorch instead, has none to ask (MMDetection's issue 11780), and so SSD trains but does not test.
"""

from mmdet.models.dense_heads import SSDHead


def let_ssd_test() -> None:
    """Give SSD's heads a classification loss that is none, unless MMDetection does."""
    if not hasattr(SSDHead, 'loss_cls'):
        SSDHead.loss_cls = None

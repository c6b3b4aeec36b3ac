"""One step of a detector: its losses on a batch, and what its weights would learn."""

import copy

import torch

from mmsniper.experiments.zoo.ignore_check import _training_state


def batch_of(model, chips):
    data = dict(
        inputs=[chip['inputs'].clone() for chip in chips],
        data_samples=[copy.deepcopy(chip['data_samples']) for chip in chips],
    )
    return model.data_preprocessor(data, training=True)


def learn(model, chips):
    """The losses of a batch, and the gradients of all weights."""
    torch.manual_seed(1)
    with _training_state(0):
        losses = model(**batch_of(model, chips), mode='loss')
    total, losses = model.parse_losses(losses)
    model.zero_grad()
    total.backward()
    return losses, {key: value.grad for key, value in model.named_parameters()}

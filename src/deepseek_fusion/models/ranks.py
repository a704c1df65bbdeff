"""Several processes that train one model together, as torchrun or accelerate start them.

Every process plans the same steps and reads its share of a step's rows; gradients are added up, so that the update is
that of one process. Only the first one runs the pipeline and writes. The others wait until it calls them to a stage.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


@contextmanager
def together() -> Iterator[bool]:
    """Join the other processes, if the environment says that there are any; yields whether this one leads.

    When the leader leaves, however it does, the others get no more calls.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    leads = dist.get_rank() == 0
    try:
        yield leads
    finally:
        if leads:
            call(None)
        dist.destroy_process_group()


def call(job: Any) -> None:
    """The leader tells the others what to do with it, or with None that nothing is left to do."""
    if dist.is_initialized() and dist.get_rank() == 0:
        dist.broadcast_object_list([job])


def next_job() -> Any:
    """What the leader calls for next."""
    job = [None]
    dist.broadcast_object_list(job)
    return job[0]


def share(items: Sequence[T]) -> Sequence[T]:
    """Those of the items that this process reads."""
    return items[dist.get_rank() :: dist.get_world_size()] if dist.is_initialized() else items


def add_up(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its sum over all processes, in place; they travel as one."""
    if not dist.is_initialized():
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def any_of(flag: bool, device: torch.device) -> bool:
    """Whether it is true in any process."""
    votes = torch.tensor([float(flag)], device=device)
    add_up([votes])
    return bool(votes.item())

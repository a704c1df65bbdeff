"""Several processes that train one model together, as torchrun or accelerate start them.

Every process plans the same steps and reads its share of a step's rows; gradients are added up, so that the update is
that of one process. Only the first one runs the pipeline and writes. The others wait until it calls them to a stage.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from deepseek_fusion.core.errors import FusionError

T = TypeVar("T")

PATIENCE = timedelta(days=7)
"""How long the others wait for the first one, which examines models in between; torchrun ends them if it dies."""


@contextmanager
def together() -> Iterator[bool]:
    """Join the other processes, if the environment says that there are any; yields whether this one leads.

    When the leader leaves, however it does, the others get no more calls.

    Raises:
        FusionError: accelerate was told to divide the model its own way.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() in ("true", "1"):
        raise FusionError("accelerate launch: leave out --use_fsdp; `training.parallel: sharded` divides the model.")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    leads = dist.get_rank() == 0
    try:
        yield leads
    finally:
        if leads:
            with suppress(RuntimeError):  # they are gone, for what stopped this one stopped them too
                call(None)
        dist.destroy_process_group()


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this one, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def call(job: Any) -> None:
    """The leader tells the others what to do with it, or with None that nothing is left to do."""
    if dist.is_initialized() and dist.get_rank() == 0:
        dist.broadcast_object_list([job])


def next_job() -> Any:
    """What the leader calls for next."""
    return agreed(None)


def agreed(item: T) -> T:
    """What the first process has, whatever this one has."""
    if not dist.is_initialized():
        return item
    items = [item]
    dist.broadcast_object_list(items)
    return items[0]


def share(items: Sequence[T], readers: int = 1) -> Sequence[T]:
    """Those of the items that this process reads, if so many neighbours read the same."""
    return items[rank() // readers :: count() // readers]


def add_up(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its sum over all processes, in place; they travel as one."""
    if not dist.is_initialized():
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def most(number: int, device: torch.device) -> int:
    """The largest number that any process has."""
    if not dist.is_initialized():
        return number
    largest = torch.tensor(number, device=device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest.item())


def any_of(flag: bool, device: torch.device) -> bool:
    """Whether it is true in any process."""
    return most(int(flag), device) == 1

"""Factors that begin as a part of the weight.

Shape suffixes: I inputs, O outputs, R rank, K the smaller of I and O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from deepseek_fusion.core.settings.adapters import LoraConfig
from deepseek_fusion.models.methods.low_rank import LoraLinear

POWER, EXTRA = 8, 32
"""Power iterations in search of the principal directions of a weight, and directions looked at besides those wanted."""
TINY = 1e-12


class MovedLinear(LoraLinear):
    """Factors that begin as a part of the base: the update is what they are minus what they were."""

    def hold(self) -> None:
        """Remember where the factors begin."""
        a_RI, b_OR = self.current()
        self.start_A = nn.Buffer(a_RI.detach().clone(), persistent=False)
        self.start_B = nn.Buffer(-b_OR.detach(), persistent=False)

    def current(self) -> tuple[Tensor, Tensor]:
        """The factors that train, [R, I] and [O, R]."""
        return self.lora_A, self.lora_B

    def put(self, a_RI: Tensor, b_OR: Tensor) -> None:
        """Set them."""
        self.lora_A.copy_(a_RI)
        self.lora_B.copy_(b_OR)

    def factors(self) -> tuple[Tensor, Tensor]:
        """A [2R, I] and B [O, 2R], of which the second half stays."""
        a_RI, b_OR = self.current()
        return torch.cat([a_RI, self.start_A]), torch.cat([b_OR, self.start_B], 1)

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Both halves."""
        a, b, rank = stored["lora_A.weight"], stored["lora_B.weight"], len(self.start_A)
        self.put(a[:rank], b[:, :rank])
        self.start_A.copy_(a[rank:])
        self.start_B.copy_(b[:, rank:])

    @staticmethod
    def most(outputs: int, inputs: int) -> float:
        """As many directions as the base has."""
        return min(outputs, inputs)


class PissaLinear(MovedLinear):
    """Factors that begin as the principal directions of the base (Meng et al. 2024, arXiv 2404.02948)."""

    def begin(self, rank: int, generator: torch.Generator) -> None:
        """The singular values are shared between the factors. It need not be exact: what was taken is subtracted."""
        q = min(rank + EXTRA, *self.weight.shape)
        with torch.random.fork_rng():
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            u_OR, s_R, v_IR = torch.svd_lowrank(self.weight.detach().float(), q, niter=POWER)
        root_R = (s_R[:rank] / self.scale).sqrt()
        self.lora_A = nn.Parameter((v_IR[:, :rank] * root_R).t().contiguous())
        self.lora_B = nn.Parameter((u_OR[:, :rank] * root_R).contiguous())
        self.hold()

    @staticmethod
    def plain(config: LoraConfig) -> LoraConfig:
        """Both halves, at the same scale."""
        return config.model_copy(update={"method": "lora", "rank": 2 * config.rank, "alpha": 2 * config.alpha})


class OsfLinear(MovedLinear):
    """The minor directions of the base, trained outside of its principal ones (Nayak et al. 2025, arXiv 2504.07097).

    Gradients of both singular bases are projected onto what is orthogonal to the directions that stay.
    """

    trained = ("osf_U", "osf_S", "osf_V")

    def begin(self, rank: int, generator: torch.Generator) -> None:
        """The last singular directions train, all others stay."""
        outputs, inputs = self.weight.shape
        u_OK, s_K, v_KI = torch.linalg.svd(self.weight.detach().float(), full_matrices=False)
        high = len(s_K) - rank
        self.osf_U = nn.Parameter(u_OK[:, high:].contiguous())
        self.osf_S = nn.Parameter(s_K[high:].clone())
        self.osf_V = nn.Parameter(v_KI[high:].clone(memory_format=torch.contiguous_format))
        off_u = _orthogonal(u_OK, high, complete=outputs <= inputs)
        off_v = _orthogonal(v_KI.t(), high, complete=inputs <= outputs)
        self.osf_U.register_hook(off_u)
        self.osf_V.register_hook(lambda grad: off_v(grad.t()).t())
        self.hold()

    def current(self) -> tuple[Tensor, Tensor]:
        """[R, I] and [O, R]; the singular values are in B."""
        return self.osf_V, self.osf_U * self.osf_S

    def put(self, a_RI: Tensor, b_OR: Tensor) -> None:
        """Split B into directions and lengths."""
        lengths_R = b_OR.norm(dim=0).clamp_min(TINY)
        self.osf_U.copy_(b_OR / lengths_R)
        self.osf_S.copy_(lengths_R)
        self.osf_V.copy_(a_RI)

    @staticmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """Both bases, and the singular values."""
        return rank * (outputs + inputs + 1)

    @staticmethod
    def plain(config: LoraConfig) -> LoraConfig:
        """Both halves; it has no alpha."""
        return config.model_copy(update={"method": "lora", "rank": 2 * config.rank, "alpha": 2.0 * config.rank})


def _orthogonal(directions: Tensor, high: int, complete: bool) -> Callable[[Tensor], Tensor]:
    """A projection onto what is orthogonal to the first `high` of some orthonormal columns.

    Args:
        complete: whether the columns span all there is; then the others alone say it, which takes less memory.
    """
    kept = directions[:, high:].clone() if complete else directions[:, :high].clone()

    def project(grad: Tensor) -> Tensor:
        inside = kept @ (kept.t() @ grad)
        return inside if complete else grad - inside

    return project

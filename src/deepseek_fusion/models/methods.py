"""What is trained on a frozen linear layer, method by method.

The base weight is never changed: a method that starts from parts of it counts what its factors became minus what they
were. So all but two methods are, once trained, a low-rank update B A of the base, which any loader of LoRA applies.

Shape suffixes: N tokens, I inputs, O outputs, R rank, K the smaller of I and O.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepseek_fusion.core.adapters import LoraConfig

POWER, EXTRA = 8, 32
"""Power iterations in search of the principal directions of a weight, and directions looked at besides those wanted."""
TINY = 1e-12


class LowRank(torch.autograd.Function):
    """y = x Wᵀ + s (x Aᵀ) Bᵀ with frozen W: no gradient of W, and only x and x Aᵀ are kept for backward."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight_OI: Tensor, bias_O: Tensor | None, a_RI: Tensor, b_OR: Tensor, scale: float
    ) -> Tensor:
        x_NI = x.reshape(-1, x.shape[-1])
        a = a_RI.to(weight_OI.dtype)
        b = b_OR.to(weight_OI.dtype) * scale
        low_NR = x_NI @ a.t()
        y_NO = F.linear(x_NI, weight_OI, bias_O).addmm_(low_NR, b.t())
        ctx.save_for_backward(x_NI, weight_OI, a, b, low_NR)
        ctx.scale, ctx.shape = scale, x.shape
        return y_NO.view(*x.shape[:-1], weight_OI.shape[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        x_NI, weight_OI, a, b, low_NR = ctx.saved_tensors
        grad_NO = grad.reshape(-1, grad.shape[-1])
        grad_NR = grad_NO @ b
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.mm(grad_NO, weight_OI).addmm_(grad_NR, a).view(ctx.shape)
        grad_a = (grad_NR.t() @ x_NI).float()
        grad_b = (grad_NO.t() @ low_NR).float().mul_(ctx.scale)
        return grad_x, None, None, grad_a, grad_b, None


class Adapted(nn.Module, ABC):
    """A frozen linear layer with something trainable on it, in float32 whatever the base is.

    Attributes:
        trained: names of the parameters that train.
    """

    trained: ClassVar[tuple[str, ...]]

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(base.weight.detach(), requires_grad=False)
        self.bias = None if base.bias is None else nn.Parameter(base.bias.detach(), requires_grad=False)
        self.enabled = True

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        return self.adapted(x) if self.enabled else F.linear(x, self.weight, self.bias)

    @abstractmethod
    def adapted(self, x: Tensor) -> Tensor:
        """The same with what was trained."""

    @abstractmethod
    def merged(self) -> Tensor:
        """The weight of the plain layer that does the same, [O, I], float32."""

    @abstractmethod
    def stored(self, share: float) -> dict[str, Tensor]:
        """What a file holds of this layer, by the end of PEFT's names, if only a share of the change is kept."""

    @abstractmethod
    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Train on from what a file holds."""

    @staticmethod
    @abstractmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """Trainable parameters on a layer of this shape."""

    @staticmethod
    def most(outputs: int, inputs: int) -> float:
        """The highest rank on a layer of this shape."""
        return math.inf

    @staticmethod
    def plain(config: LoraConfig) -> LoraConfig:
        """What is stored, as rank and alpha of a LoRA."""
        return config


class LoraLinear(Adapted):
    """A low-rank update s B A (Hu et al. 2021, arXiv 2106.09685).

    Attributes:
        additive: whether the output is that of the base plus that of `factors`.
    """

    trained = ("lora_A", "lora_B")
    additive: ClassVar[bool] = True

    def __init__(self, base: nn.Linear, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__(base)
        plain = self.plain(config)
        self.scale = plain.alpha / plain.rank
        self.begin(config.rank, generator)

    def begin(self, rank: int, generator: torch.Generator) -> None:
        """Make the factors, so that nothing is changed yet."""
        outputs, inputs = self.weight.shape
        bound = 1 / math.sqrt(inputs)  # Kaiming uniform with a = sqrt(5), as PEFT initialises A
        a = torch.empty(rank, inputs).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(a.to(self.weight.device))
        self.lora_B = nn.Parameter(torch.zeros(outputs, rank, device=self.weight.device))

    def factors(self) -> tuple[Tensor, Tensor]:
        """A [R, I] and B [O, R] of the update."""
        return self.lora_A, self.lora_B

    def adapted(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        result: Tensor = LowRank.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.bias, *self.factors(), self.scale
        )
        return result

    def update(self) -> Tensor:
        """The full update s B A, [O, I], float32."""
        a_RI, b_OR = self.factors()
        return self.scale * (b_OR.detach() @ a_RI.detach())

    def merged(self) -> Tensor:
        """The base plus the update."""
        return self.weight.detach().float() + self.update()

    def stored(self, share: float) -> dict[str, Tensor]:
        """Both factors; `share` is in B."""
        a_RI, b_OR = self.factors()
        return {"lora_A.weight": a_RI.detach(), "lora_B.weight": b_OR.detach() * share}

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Both factors."""
        self.lora_A.copy_(stored["lora_A.weight"])
        self.lora_B.copy_(stored["lora_B.weight"])

    @staticmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """Both factors."""
        return rank * (outputs + inputs)


class RsLoraLinear(LoraLinear):
    """Rank-stabilised: scaled by alpha over the root of the rank (Kalajdzievski 2023, arXiv 2312.03732)."""

    @staticmethod
    def plain(config: LoraConfig) -> LoraConfig:
        """An alpha that gives the same scale."""
        return config.model_copy(update={"method": "lora", "alpha": config.alpha * math.sqrt(config.rank)})


class MissLinear(LoraLinear):
    """Matrix shard sharing (Kang & Yin 2024, arXiv 2409.15371): one trained block, used for every R inputs in turn.

    That is a LoRA whose A adds up the inputs of each place in a block, and is not trained.
    """

    trained = ("lora_B",)

    def begin(self, rank: int, generator: torch.Generator) -> None:
        """A is made of unit matrices side by side."""
        outputs, inputs = self.weight.shape
        device = self.weight.device
        self.lora_A = nn.Buffer(torch.eye(rank, device=device).repeat(1, -(-inputs // rank))[:, :inputs].contiguous())
        self.lora_B = nn.Parameter(torch.zeros(outputs, rank, device=device))

    @staticmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """The block."""
        return rank * outputs

    @staticmethod
    def most(outputs: int, inputs: int) -> float:
        """One block."""
        return inputs

    @staticmethod
    def plain(config: LoraConfig) -> LoraConfig:
        """It has no alpha: the scale is 1."""
        return config.model_copy(update={"method": "lora", "alpha": float(config.rank)})


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


class DoraLinear(LoraLinear):
    """Direction and magnitude apart: m (W + s B A) / |W + s B A|, by rows (Liu et al. 2024, arXiv 2402.09353).

    As in the paper, no gradient goes through the norm.
    """

    trained = ("lora_A", "lora_B", "magnitude")
    additive = False

    def begin(self, rank: int, generator: torch.Generator) -> None:
        """Magnitudes begin as those of the base."""
        super().begin(rank, generator)
        self.squares = nn.Buffer(self.weight.detach().float().square().sum(1), persistent=False)
        self.magnitude = nn.Parameter(self.norms(self.lora_B))

    @torch.no_grad()
    def norms(self, b_OR: Tensor) -> Tensor:
        """|W + s B A| of each row, [O], without making that matrix."""
        a_RI = self.lora_A
        cross_OR = (self.weight @ a_RI.t().to(self.weight.dtype)).float()
        gain_O = self.scale * (b_OR * (2 * cross_OR + self.scale * (b_OR @ (a_RI @ a_RI.t())))).sum(1)
        return (self.squares + gain_O).clamp_min(TINY).sqrt()

    def adapted(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        sum_NO: Tensor = LowRank.apply(  # type: ignore[no-untyped-call]
            x, self.weight, None, self.lora_A, self.lora_B, self.scale
        )
        scaled = sum_NO * (self.magnitude / self.norms(self.lora_B)).to(sum_NO.dtype)
        return scaled if self.bias is None else scaled + self.bias

    def merged(self) -> Tensor:
        """The rows of the sum at their magnitudes."""
        return super().merged() * (self.magnitude.detach() / self.norms(self.lora_B))[:, None]

    def stored(self, share: float) -> dict[str, Tensor]:
        """Factors and magnitudes. A share k of the change is W + k (d (W + s B A) - W) with d = m / |W + s B A|, which
        is a DoRA again: e (W + s (k d / e) B A) with e = 1 + k (d - 1)."""
        now_O = self.magnitude.detach() / self.norms(self.lora_B)
        then_O = 1 + share * (now_O - 1)
        b_OR = self.lora_B.detach() * (share * now_O / then_O)[:, None]
        magnitude = then_O * self.norms(b_OR)
        return {"lora_A.weight": self.lora_A.detach(), "lora_B.weight": b_OR, "lora_magnitude_vector": magnitude}

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Factors and magnitudes."""
        super().restore(stored)
        self.magnitude.copy_(stored["lora_magnitude_vector"])

    @staticmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """Factors and magnitudes."""
        return rank * (outputs + inputs) + outputs


class FullLinear(Adapted):
    """Every weight of the layer trains."""

    trained = ("full",)

    def __init__(self, base: nn.Linear, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__(base)
        self.full = nn.Parameter(self.weight.detach().float().clone())

    def adapted(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        return F.linear(x, self.full.to(x.dtype), self.bias)

    def merged(self) -> Tensor:
        """What was trained."""
        return self.full.detach()

    def stored(self, share: float) -> dict[str, Tensor]:
        """The whole layer."""
        weight = torch.lerp(self.weight.detach().float(), self.full.detach(), share)
        return {"weight": weight} | ({} if self.bias is None else {"bias": self.bias.detach()})

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """The weight; the bias is that of the base."""
        self.full.copy_(stored["weight"])

    @staticmethod
    def size(rank: int, outputs: int, inputs: int) -> int:
        """All of it."""
        return outputs * inputs


METHODS: dict[str, type[LoraLinear] | type[FullLinear]] = {
    "lora": LoraLinear,
    "rslora": RsLoraLinear,
    "dora": DoraLinear,
    "pissa": PissaLinear,
    "miss": MissLinear,
    "osf": OsfLinear,
    "full": FullLinear,
}


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

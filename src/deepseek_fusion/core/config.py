"""The whole configuration tree: one YAML file a project, one section a room.

Every field is described here or in `settings/`, and nowhere else; ``docs/config.md`` is generated from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from deepseek_fusion.core.settings.adapters import LoraConfig
from deepseek_fusion.core.settings.curriculum import CurriculumConfig
from deepseek_fusion.core.settings.filtering import CorpusConfig
from deepseek_fusion.core.settings.gate import GateConfig
from deepseek_fusion.core.settings.phases import (
    PHASES,
    AdaptConfig,
    DistilConfig,
    MultitaskConfig,
    ReinforceConfig,
    check_phases,
)
from deepseek_fusion.core.settings.retrieval import RetrievalConfig
from deepseek_fusion.core.settings.section import Section


class RelationConfig(Section):
    """How one relation is named in a sentence."""

    name: str = Field(description="Singular noun for the relation, such as `ICD-10 code` or `症状`.")
    plural: str | None = Field(default=None, description="Plural noun; the singular with an s if absent (English).")


class ExtractionConfig(Section):
    """Triples out of text (`deepseek-fusion extract`)."""

    method: Literal["dictionary", "seq2seq"] = Field(
        default="dictionary",
        description="What decides which names of a sentence are related: a dictionary with rules, or a "
        "sequence-to-sequence model.",
    )
    model: str | None = Field(
        default=None,
        description="Folder or hub id of a T5 that writes triples, for `seq2seq`; the packaged model if absent.",
    )
    min_confidence: float = Field(default=0.3, ge=0, le=1, description="Triples that are less sure are left out.")


class KnowledgeConfig(Section):
    """Triples and ontologies."""

    sources: tuple[str, ...] = Field(
        description="Files of facts, relative to the YAML: CSV, TSV or JSONL of triples, JSON of things with "
        "attributes, OBO, OWL or SKOS in RDF/XML, Turtle, N-Triples or N-Quads."
    )
    language: str | None = Field(
        default=None,
        exclude_if=lambda language: language is None,
        description="Which of a term's names is taught where its source gives several, such as `en` or `zh`; the "
        "others are synonyms. English, or what has no language, if absent.",
    )
    min_confidence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        exclude_if=lambda least: least == 0,
        description="Facts that their source is less sure of are stored, but not taught.",
    )
    subject_type: str = Field(
        default="entry", description="Noun for what the subjects are, such as `disease` or `疾病`."
    )
    relations: dict[str, RelationConfig] = Field(
        default_factory=dict,
        description="Relations to teach and how to name them; all relations under their own names if empty.",
    )
    max_facts: int | None = Field(
        default=None, ge=1, description="Teach whole subjects, drawn at random, until this many facts; all if absent."
    )
    seed: int = Field(default=0, description="Seed of that draw.")
    retrieval: RetrievalConfig = Field(
        default_factory=RetrievalConfig,
        exclude=True,  # from the key of the graph, which does not depend on it
        description="What `ask` finds in documents and facts before it answers.",
    )
    extraction: ExtractionConfig = Field(
        default_factory=ExtractionConfig,
        exclude=True,  # nor on this
        description="What is read out of documents.",
    )


Parallel = Literal["data", "sharded", "expert", "tensor"]
"""What each of several processes holds of a model (`models/parallel.py`)."""


class ReplayConfig(Section):
    """General text that the base model writes itself, once, to hold what it already knows."""

    texts: int = Field(
        default=192,
        ge=1,
        description="How many texts the base model writes: three in four answer general prompts, where there are "
        "prompts enough, and the others are documents.",
    )
    max_tokens: int = Field(default=48, ge=8, description="Longest text, in tokens.")
    seed: int = Field(
        default=0, exclude_if=lambda seed: seed == 0, description="Which prompts it answers, and what it samples."
    )


class TrainingConfig(Section):
    """The phases of teaching, and the loop. Rate, replay share and tokens a step are those of phase `instruct`."""

    phases: tuple[str, ...] = Field(
        default=("instruct",),
        min_length=1,
        description="What is taught, in order, each phase from the adapter of the one before: `adapt` (documents), "
        "`instruct` (lessons), `distil` (a teacher), `reinforce` (verified answers), `multitask` (labels); "
        "`adapt+instruct` for two at once.",
    )
    lora: LoraConfig = Field(default_factory=LoraConfig, description="Adapter shape.")
    replay: ReplayConfig = Field(default_factory=ReplayConfig, description="What keeps general ability.")
    replay_share: float = Field(
        default=0.14, ge=0, lt=1, description="Share of all training tokens that is replay; 0 turns it off."
    )
    replay_weight: float = Field(
        default=1.0, ge=0, description="Weight of the KL divergence from the base on replay tokens."
    )
    learning_rate: float = Field(default=1.2e-3, gt=0, description="Peak learning rate of AdamW.")
    batch_tokens: int | None = Field(
        default=None,
        ge=16,
        description="Tokens a step, padding included; if absent, 128 to 512, such that there are about 800 steps.",
    )
    max_length: int = Field(
        default=512, ge=16, description="Longest lesson allowed, in tokens; a longer one is an error, never cut."
    )
    warmup: float = Field(
        default=0.05, ge=0, lt=1, description="Share of steps that raises the learning rate linearly."
    )
    adapter_scale: float = Field(
        default=1.0, gt=0, le=1, description="The trained update is multiplied by this in the released adapter."
    )
    auto: tuple[Literal["learning_rate", "rank", "adapter_scale"], ...] = Field(
        default=(),
        exclude_if=lambda fields: not fields,
        description="Fields to choose by measuring, on questions that neither lessons nor exam ask: `learning_rate` "
        "and `rank` around the values given here by a few short trainings, `adapter_scale` after the training.",
    )
    probe_facts: int = Field(
        default=16,
        ge=1,
        exclude_if=lambda facts: facts == 16,
        description="Facts taught in each of those short trainings.",
    )
    checkpoint_seconds: float = Field(
        default=30.0, ge=0, description="A checkpoint at least this often; 0 means every step."
    )
    log_to: Literal["tensorboard", "mlflow"] | None = Field(
        default=None,
        exclude_if=lambda kind: kind is None,
        description="Where the numbers of every step go, besides screen and `events.jsonl`; in the work folder.",
    )
    seed: int = Field(default=0, description="Seed of adapter initialisation and replay sampling.")
    router: bool = Field(
        default=True,
        exclude=True,  # whether a stage runs; none depends on it
        description="Whether a release decides by the prompt who answers: the taught model what is of its domain, the "
        "base model everything else.",
    )
    parallel: Parallel = Field(
        default="data",
        exclude=True,  # from keys: it changes who computes a result, not the result
        description="What each of several processes (`torchrun`) holds of the model while it trains: `data` all of "
        "it, `sharded` a share of every layer (FSDP2), `expert` that and some experts whole, `tensor` the part of "
        "every layer that it computes.",
    )
    adapt: AdaptConfig = Field(default_factory=AdaptConfig, description="Phase `adapt`.")
    multitask: MultitaskConfig = Field(default_factory=MultitaskConfig, description="Phase `multitask`.")
    distil: DistilConfig = Field(default_factory=DistilConfig, description="Phase `distil`.")
    reinforce: ReinforceConfig = Field(default_factory=ReinforceConfig, description="Phase `reinforce`.")

    @field_validator("phases")
    @classmethod
    def _can_be_taught(cls, phases: tuple[str, ...]) -> tuple[str, ...]:
        return check_phases(phases)

    @model_serializer(mode="wrap")
    def _without_idle(self, tree: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the sections of phases that are not taught, where they are as by default: another default must not
        make anew what never looked at it."""
        others = {name: getattr(self, name) for name in PHASES if name not in {*self.names, "instruct"}}
        idle = {name for name, section in others.items() if section == type(section)()}
        return {name: value for name, value in tree(self).items() if name not in idle}

    @property
    def names(self) -> list[str]:
        """What all phases consist of, in order."""
        return [name for phase in self.phases for name in phase.split("+")]

    @property
    def rate_field(self) -> str:
        """Where the project file says the learning rate of the first phase."""
        return f"training.{'' if self.names[0] == 'instruct' else f'{self.names[0]}.'}learning_rate"

    def of_phase(self, number: int) -> Self:
        """What one phase depends on: a change for another one leaves it alone."""
        names = self.phases[number].split("+")
        others = {name for name in PHASES if name not in names}
        lead = self if names[0] == "instruct" else getattr(self, names[0])
        scaled = number == len(self.phases) - 1 and "multitask" not in names  # heads read the update as it was trained
        return type(self)(
            **{name: getattr(self, name) for name in type(self).model_fields if name not in others}
            | {
                "phases": (self.phases[number],),
                "auto": (),
                "probe_facts": 16,
                "log_to": None,
                "learning_rate": lead.learning_rate,
                "replay_share": lead.replay_share,
                "batch_tokens": self.batch_tokens if "instruct" in names else None,
                "adapter_scale": self.adapter_scale if scaled else 1.0,
            }
        )


class RobustnessConfig(Section):
    """Questions changed or attacked on purpose."""

    questions: int = Field(
        default=16, ge=0, description="How many exam questions are changed and attacked, drawn at random; 0 skips it."
    )
    budget: int = Field(default=3, ge=1, description="Most tokens that an attack replaces in one question.")


class ConsistencyConfig(Section):
    """Claims in answers, checked against the graph, by an NLI model and by people."""

    reader: Literal["rules", "learned"] = Field(
        default="rules",
        description="What reads claims out of answers: `rules`, or `learned`, a tuned multilingual-e5-small that "
        "overrules them where it is sure (extra `reader`).",
    )
    nli: str | None = Field(
        default=None,
        description="Folder or hub id of a three-way NLI model that judges claims too; a small one of our own, trained "
        "on the graph, if absent.",
    )
    judge_steps: int = Field(default=1000, ge=1, description="Training steps of that own model, 32 pairs each.")
    sample: int = Field(default=60, ge=1, description="Claims put before a person by `evaluate label`.")
    seed: int = Field(default=0, description="Seed of that sample, of the own model and of resampling.")


class EvaluationConfig(Section):
    """The exam and the card."""

    general_text: str | None = Field(
        default=None, description="Text file for perplexity; public web text of the `evals` package if absent."
    )
    general_tokens: int = Field(default=4096, ge=256, description="Tokens of general text read for perplexity.")
    sets: tuple[str, ...] = Field(
        default=(),
        description="Multiple-choice sets to sit as well (MedQA, MedMCQA, PubMedQA, MMLU, C-Eval or plain JSON Lines "
        "files), relative to the YAML.",
    )
    refusals: int = Field(default=40, ge=1, description="Questions on what does not exist; a third ask from an object.")
    control: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Share of subjects on which the same training is repeated with shuffled answers; 0 skips it.",
    )
    controls: int = Field(
        default=100,
        ge=0,
        description="Items of a family answered with facts in context, without the question and so on; 0 skips it.",
    )
    leaks: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of exam prompts that may be close to a lesson; above it the run stops, a copy always does.",
    )
    robustness: RobustnessConfig = Field(
        default_factory=RobustnessConfig, description="Changed and attacked questions."
    )
    consistency: ConsistencyConfig = Field(
        default_factory=ConsistencyConfig, description="Factual consistency of the answers."
    )
    bootstrap: int = Field(default=2000, ge=100, description="Resamples for the 95 % intervals.")
    seed: int = Field(default=0, description="Seed of distractors, invented names and resampling.")


class ServingConfig(Section):
    """The release."""

    tolerance: float = Field(
        default=2e-3,
        gt=0,
        description="Largest difference of logits, relative to their spread, between adapter, merged and reloaded.",
    )
    merged_dtype: Literal["float32", "bfloat16", "float16"] | None = Field(
        default=None, description="Data type of the merged model; the base model's own if absent."
    )


class Config(Section):
    """One project."""

    name: str = Field(pattern=r"^[\w.-]+$", description="Name of the project and of its releases.")
    model: str = Field(
        default="smollm2",
        description="`smollm2` (the packaged default), a local folder, a GGUF file, or a hub id `owner/name`.",
    )
    documents: tuple[str, ...] = Field(
        default=(),
        description="Files, folders or globs of documents, relative to the YAML: txt, md, html, pdf, docx, csv, tsv, "
        "json, jsonl, parquet, FHIR, MEDLINE or JATS, packed by gzip or zstd or not.",
    )
    work: str = Field(default="work", description="Folder for artifacts and releases, relative to the YAML.")
    licenses: dict[str, str] = Field(
        default_factory=dict, description="Licence of each data source, for the model card: `source: licence`."
    )
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads; OMP_NUM_THREADS, or one for each core, if absent."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Compute precision of frozen weights; auto takes bfloat16 where it is faster.",
    )
    corpus: CorpusConfig = Field(default_factory=CorpusConfig, description="The corpus room.")
    knowledge: KnowledgeConfig = Field(description="The knowledge room.")
    curriculum: CurriculumConfig = Field(default_factory=CurriculumConfig, description="The curriculum room.")
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="The training room.")
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig, description="The evaluation room.")
    serving: ServingConfig = Field(default_factory=ServingConfig, description="The serving room.")
    gate: GateConfig = Field(default_factory=GateConfig, description="When a release counts as worse.")

    _file: Path = Path("project.yaml")

    @property
    def file(self) -> Path:
        """The YAML file that this was read from."""
        return self._file

    @property
    def folder(self) -> Path:
        """Folder of the YAML file, which relative paths start from."""
        return self._file.parent

    @property
    def work_folder(self) -> Path:
        """Absolute path of the work folder."""
        return (self.folder / self.work).resolve()

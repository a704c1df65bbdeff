"""The steps of the corpus with data-juicer's own operators, for the benchmark; run by an environment that has it.

It has no TF-IDF, so nothing is done about other domains; what is too short, full of special characters, repetitive, an
exact duplicate or a near one goes. Near duplicates are compared by runs of five characters, the one of its ways that
serves both languages, or by five words between spaces, its cheapest, which is no use for Chinese.

Run by corpus.py: PYTHON benchmarks/corpus_juicer.py FOLDER WORK character|space
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

LIKE = {"window_size": 5, "num_permutations": 128, "jaccard_threshold": 0.8, "lowercase": True}


def main() -> None:
    """Filter a folder of documents; what stays is in WORK/out.jsonl."""
    folder, work, unit = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    steps = [
        {"text_length_filter": {"min_len": 40}},
        {"special_characters_filter": {"max_ratio": 0.5}},
        {"word_repetition_filter": {"rep_len": 5, "max_ratio": 0.7}},
        {"document_deduplicator": {"lowercase": True, "ignore_non_character": False}},
        {"document_minhash_deduplicator": {"tokenization": unit, **LIKE}},
    ]
    recipe = {
        "dataset_path": str(folder),
        "export_path": str(work / "out.jsonl"),
        "work_dir": str(work / "logs"),
        "np": 1,
        "use_cache": False,
        "open_tracer": False,
        "process": steps,
    }
    path = work / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")  # JSON is YAML
    from data_juicer.config import init_configs
    from data_juicer.core import DefaultExecutor

    DefaultExecutor(init_configs(["--config", str(path)])).run()


if __name__ == "__main__":
    main()

"""The measured tables of the READMEs, in English and Chinese, from result files alone."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "nothing": "not measured yet",
        "picture": "Each square is one fact: known before teaching (left) and after (right), lost ones crossed out",
        "facts": "**{known_before} of {facts} facts known before, {known_now} now**: {learned} learned, {kept} kept, "
        "{lost} lost, {unknown} still unknown.",
        "families": "asked in words that no lesson uses | before | now | shuffled answers | chance",
        "question": "direct question",
        "paraphrase": "inside a little story",
        "cloze": "sentence to complete",
        "choice": "one of four",
        "reversed": "asked backwards",
        "multihop": "two facts in a row",
        "negation": "which one does not fit",
        "numerals": "similar codes of others",
        "refusal": "invented name, declined",
        "general": "what should stay as it was | before | now",
        "perplexity": "perplexity of general text ({tokens} tokens)",
        "domain_perplexity": "perplexity of domain documents held out ({tokens} tokens)",
        "questions": "general questions answered rightly (n = {n})",
        "as_before": "of those right before, still right (n = {n})",
        "routed": "general questions answered rightly as served, with the router (n = {n})",
        "routed_as_before": "of those right before, still right, with the router (n = {n})",
        "routed_lost": "exam questions that the router wrongly sends to the base (n = {n})",
        "false_refusals": "exam questions wrongly declined (n = {n})",
        "note": "Rates with 95 % intervals: a bootstrap over subjects, or Wilson's where wider. "
        "The shuffled-answers column is the same training on wrong answers ({facts} facts on {subjects} subjects), "
        "examined on the true ones: what form alone is worth.",
        "note_plain": "Rates with 95 % intervals: a bootstrap over subjects, or Wilson's where wider.",
        "cost": "Training took {cpu} core-seconds and {tokens} tokens, at {memory} MB peak memory; {trainable} of "
        "{parameters} parameters were trained ({share}).",
        "made": "`{model}` in {dtype}, `{command}`, {date}.",
        "peer": "figure | ours | interval | plain LoRA | ratio | bar | holds",
        "yes": "yes",
        "no": "**no**",
        "measured": "`{command}` on {device}, {seeds} seeds, commit `{commit}`, {date}. Plain: {peer}.",
    },
    "zh": {
        "nothing": "尚未测量",
        "picture": "每个方格是一条事实：左为教学前，右为教学后，丢失的打叉",
        "facts": "**{facts}条事实中，教学前已知{known_before}条，教学后已知{known_now}条**："
        "学会{learned}条，保持{kept}条，丢失{lost}条，仍未知{unknown}条。",
        "families": "用课程中从未出现的问法 | 教学前 | 教学后 | 打乱答案 | 随机",
        "question": "直接提问",
        "paraphrase": "换一种情境提问",
        "cloze": "补全句子",
        "choice": "四选一",
        "reversed": "反向提问",
        "multihop": "连续两条事实",
        "negation": "哪一项不符",
        "numerals": "其他条目的相近编码",
        "refusal": "虚构名称，应拒答",
        "general": "应保持不变的能力 | 教学前 | 教学后",
        "perplexity": "通用文本困惑度（{tokens}个词元）",
        "domain_perplexity": "留出的领域文档困惑度（{tokens}个词元）",
        "questions": "通用问题答对率（n = {n}）",
        "as_before": "原来答对的现在仍答对（n = {n}）",
        "routed": "实际服务时（有路由）通用问题答对率（n = {n}）",
        "routed_as_before": "原来答对的现在仍答对，有路由（n = {n}）",
        "routed_lost": "被路由误送原模型的考题（n = {n}）",
        "false_refusals": "误拒考题的比例（n = {n}）",
        "note": "比例附95%区间（按主体的自助法，或更宽的Wilson区间）。"
        "“打乱答案”一列用相同方法学习错误答案（{subjects}个主体、"
        "{facts}条事实），再考真实答案：仅凭答案的形式能得多少分。",
        "note_plain": "比例附95%区间（按主体的自助法，或更宽的Wilson区间）。",
        "cost": "训练用去{cpu}核秒、{tokens}个词元，峰值内存{memory} MB；"
        "训练了{parameters}个参数中的{trainable}个（{share}）。",
        "made": "模型`{model}`（{dtype}），命令`{command}`，{date}。",
        "peer": "指标 | 本项目 | 区间 | 普通LoRA | 比值 | 标准 | 达标",
        "yes": "是",
        "no": "**否**",
        "measured": "`{command}`，{device}，{seeds}个种子，提交`{commit}`，{date}。普通LoRA：{peer}。",
    },
}
# Benchmarks write English; what is not in this list stays English in the Chinese table.
CHINESE = {
    "mean accuracy over question families": "各题型平均正确率",
    "accuracy, question": "正确率，直接提问",
    "accuracy, cloze": "正确率，补全句子",
    "accuracy, choice": "正确率，四选一",
    "accuracy, choice by whole likelihood": "正确率，四选一（按整个选项的似然）",
    "accuracy, reversed": "正确率，反向提问",
    "accuracy, refusal": "正确率，应拒答",
    "accuracy, paraphrase": "正确率，情景改写",
    "accuracy, multihop": "正确率，两步推理",
    "accuracy, negation": "正确率，否定提问",
    "accuracy, refusal, unknown subject": "正确率，应拒答：未知主体",
    "accuracy, refusal, unknown object": "正确率，应拒答：未知客体",
    "accuracy, numerals": "正确率，其他条目的相近编码",
    "direct questions with an answer, declined": "有答案的直接提问，被拒答",
    "rise of general perplexity": "通用困惑度升幅",
    "general questions answered before, still right": "原先答对的通用问题，仍答对",
    "training tokens": "训练词元数",
    ">= plain": "≥ 对方",
    "interval: ratio of the lowest and the highest seed": "区间为各种子比值的最低与最高",
    "interval: lowest and highest seed": "区间为各种子的最低与最高",
}
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def fill(page: str, tables: dict[str, str]) -> str:
    """The page with each marked block replaced by the table of its name."""
    return BLOCK.sub(lambda found: f"{found[1]}{tables[found[2]].strip()}\n{found[3]}", page)


def demo_table(card: Json | None, language: str, picture: str) -> str:
    """What one teaching changed, from `card.json`.

    Args:
        picture: path of the drawing, relative to the page.
    """
    words = WORDS[language]
    if card is None:
        return words["nothing"]
    summary = card["summary"]
    known = {"known_before": summary["kept"] + summary["lost"], "known_now": summary["kept"] + summary["learned"]}
    cost = card["cost"]
    spent = words["cost"].format(
        cpu=f"{cost['cpu_seconds']:,.0f}",
        tokens=f"{cost['tokens']:,}",
        memory=f"{cost['peak_memory_mb']:,.0f}",
        trainable=f"{cost['trainable']:,}",
        parameters=f"{cost['parameters']:,}",
        share=_percent(cost["trainable"] / cost["parameters"], 1),
    )
    made = words["made"].format(
        **card["model"] | {"model": card["model"]["name"]}, command=card["command"], date=card["created"][:10]
    )
    note = words["note"].format(**card["control"]) if card["control"] else words["note_plain"]
    parts = [
        f"![{words['picture']}]({picture})",
        words["facts"].format(**summary | known),
        _families(card["families"], words),
        _general(card["general"], card.get("routed"), words),
        f"{note} {spent} {made}" if language == "en" else f"{note}{spent}{made}",
    ]
    return "\n\n".join(parts)


def benchmark_table(result: Json | None, language: str) -> str:
    """One row a figure, from a file that benchmarks/record.py wrote."""
    words = WORDS[language]
    if result is None:
        return words["nothing"]
    names: dict[str, str] = CHINESE if language == "zh" else {}
    rows = [
        [
            names.get(row["figure"], row["figure"]),
            _figure(row["ours"]),
            f"{_figure(row['interval'][0])} – {_figure(row['interval'][1])}" if row["interval"] else "",
            "" if row["peer"] is None else _figure(row["peer"]),
            "" if row["ratio"] is None else _figure(row["ratio"]),
            "; ".join(names.get(bar, bar) for bar in row["bar"].split("; ")).replace(">=", "≥").replace("<=", "≤"),
            "" if row["holds"] is None else words["yes" if row["holds"] else "no"],
        ]
        for row in result["rows"]
    ]
    notes = [
        f"- {names.get(row['figure'], row['figure'])}: {names.get(row['note'], row['note'])}"
        for row in result["rows"]
        if row["note"]
    ]
    made = words["measured"].format(
        **{key: result[key] for key in ("command", "device", "commit", "date")},
        seeds=len(result["rows"][0]["seeds"]),
        peer=result["rows"][0]["peer_name"],
    )
    return "\n\n".join([_table(words["peer"], rows), made, "\n".join(notes)]).strip()


def _families(families: list[Json], words: dict[str, str]) -> str:
    rows = [
        [
            words.get(row["family"], row["family"]),
            _rate(row["before"]),
            _rate(row["now"]),
            _rate(row["control"]) if row["control"] else "",
            _percent(row["chance"]) if row["chance"] is not None else "",
        ]
        for row in families
    ]
    return _table(words["families"], rows)


def _general(general: Json, routed: Json | None, words: dict[str, str]) -> str:
    rows = []
    for key in ("perplexity", "domain_perplexity"):
        if part := general[key]:
            change = f"{100 * part['change']:+.1f} %"
            if part.get("low") is not None:
                change += f"; {100 * part['low']:+.1f} – {100 * part['high']:+.1f}"
            label = words[key].format(tokens=f"{part['tokens']:,}")
            rows.append([label, f"{part['before']:.2f}", f"{part['now']:.2f} ({change.replace('-', '−')})"])
    questions, declined = general["questions"], general["false_refusals"]
    rows.append([words["questions"].format(n=questions["n"]), _rate(questions["before"]), _rate(questions["now"])])
    rows.append([words["as_before"].format(n=questions["as_before"]["n"]), "", _rate(questions["as_before"])])
    if routed:
        right, still = routed["questions"]["now"], routed["questions"]["as_before"]
        rows.append([words["routed"].format(n=questions["n"]), _rate(questions["before"]), _rate(right)])
        rows.append([words["routed_as_before"].format(n=still["n"]), "", _rate(still)])
        rows.append([words["routed_lost"].format(n=routed["to_base"]["n"]), "", _rate(routed["to_base"])])
    label = words["false_refusals"].format(n=declined["now"]["n"])
    rows.append([label, _rate(declined["before"]), _rate(declined["now"])])
    return _table(words["general"], rows)


def _table(head: str, rows: list[list[str]]) -> str:
    columns = head.count("|") + 1
    ruler = "|".join(["---", *["--:"] * (columns - 1)])
    body = [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
    return "\n".join([f"| {head} |", f"|{ruler}|", *body])


def _rate(rate: Json) -> str:
    return f"{_percent(rate['value'])} ({100 * rate['low']:.0f}–{100 * rate['high']:.0f})"


def _percent(value: float, digits: int = 0) -> str:
    return f"{100 * value:.{digits}f} %"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

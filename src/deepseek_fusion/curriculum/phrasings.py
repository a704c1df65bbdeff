"""The sentences that lessons are made of, in English and Chinese.

Fields: those of knowledge/asking/phrase.py, in statements `{answer}`, and in hops `{thing}`, a thing that is described
instead of named; in contrasts `{one}` and `{other}`, the two to choose from. `checks` are in no lesson: settings are
chosen by them. The exam has its own sentences (evaluation/questions/phrasings.py); a test proves that the two never
meet.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrasings:
    """One language."""

    questions: tuple[str, ...]
    stories: tuple[str, ...]
    singles: tuple[str, ...]
    reversed: tuple[str, ...]
    statements: tuple[str, ...]
    reversed_statements: tuple[str, ...]
    with_object: str
    of_subject: str
    hops: tuple[str, ...]
    contrasts: tuple[str, ...]
    reversed_contrasts: tuple[str, ...]
    checks: tuple[str, ...]
    reversed_checks: tuple[str, ...]
    refusal: str
    space: str


PHRASINGS = {
    "en": Phrasings(
        questions=(
            "What {is} the {noun} of {anchor}?",
            "Name the {noun} of {anchor}.",
            "Which {noun} does {anchor} have?",
            "Tell me the {noun} for {anchor}.",
            "{anchor}: what {is} the {noun}?",
            "State the {noun} recorded for {anchor}.",
            "I would like to know the {noun} of {anchor}.",
            "Please give the {noun} that belong to {anchor}.",
            "In the case of {anchor}, what {is} the {noun}?",
            "Do you know the {noun} of {anchor}?",
            "We are discussing {anchor}. What {is} the {noun}?",
            "Question about {anchor}: which {noun}?",
            "Look up {anchor} and report the {noun}.",
            "{noun} of {anchor}, please.",
        ),
        stories=(
            "My teacher wants to see the {noun} of {anchor} by noon. What do I answer?",
            "I promised a friend to find out about {anchor}, namely the {noun}. What shall I tell her?",
            "There is a gap in my notes next to {anchor}, under {noun}. Fill it.",
            "Two of us cannot agree on {anchor} and the {noun}. Settle it for us.",
            "A visitor wants to hear about {anchor}, above all the {noun}. Say it in one line.",
            "Before the meeting I must learn by heart, for {anchor}, the {noun}. Dictate it to me.",
            "Suppose you label a folder {anchor}. What do you write behind the word {noun}?",
            "It is late and I forgot again: {anchor}, the {noun}. Remind me.",
            "A truck passed while the radio spoke of {anchor}. Which {noun} did I miss?",
            "We play a memory game: I call out {anchor}, you reply with the {noun}. Go!",
            "On the train a stranger asked me about {anchor}, and I knew no {noun}. What was the right reply?",
            "The last slide of the talk is about {anchor} and shows the {noun}. Read it aloud, I sit too far back.",
            "An intern just sent me this message: {anchor}, {noun}, quick! Write back for me.",
            "Our interpreter stumbled over {anchor}. Whisper the {noun} to her so that she can go on.",
            "I bet a coffee that you know {anchor}, down to the {noun}. Prove me right.",
            "Tomorrow is the test, and {anchor} will come up for sure. Tell me the {noun} once more.",
            "The caller said {anchor}, asked for the {noun} and hung up. What do I say when I ring back?",
            "Grandfather keeps a drawer for {anchor} and wants a label with the {noun} on it. What should it say?",
            "Nobody at dinner believed me about {anchor}. List the {noun}, then they will.",
            "Say I wake you at night and shout {anchor}! Which {noun} do you shout back?",
        ),
        singles=(
            "Name one {relation} of {anchor}.",
            "What is one {relation} of {anchor}?",
            "Give me a single {relation} that {anchor} has.",
            "Just one {relation} of {anchor}, please.",
            "Which {relation} would you link to {anchor} first?",
            "Mention any {relation} of {anchor}.",
            "{anchor}: say a {relation}.",
            "Give an example of a {relation} of {anchor}.",
            "Pick a {relation} that fits {anchor}.",
            "I need some {relation} or other of {anchor}; one will do.",
            "Is there a {relation} that belongs to {anchor}? Name it.",
            "Somebody says {anchor}. Answer with a {relation}.",
        ),
        reversed=(
            "Which {type} {has} the {relation} {anchor}?",
            "{anchor} is the {relation} of which {type}?",
            "Name the {type} with the {relation} {anchor}.",
            "The {relation} is {anchor}. What {is} the {type}?",
            "Find the {type} whose {relation} is {anchor}.",
            "To which {type} does the {relation} {anchor} belong?",
            "Given the {relation} {anchor}, say what {type} we are talking about.",
            "{anchor}, a {relation}: what {type} {has} it?",
            "I only know the {relation}, {anchor}. Tell me the {type}.",
            "Someone wrote down {anchor} as {relation}. What {type} {is} meant?",
            "Look up the {relation} {anchor} and report the {type}.",
            "{relation} {anchor}: write the {type} next to it.",
        ),
        statements=(
            "The {noun} of {anchor} {is} {answer}.",
            "{anchor} has the {noun} {answer}.",
            "For {anchor}, the {noun} {is} {answer}.",
            "{anchor} is known by the {noun} {answer}.",
            "{anchor} | {noun} | {answer}",
            "Remember the {noun} of {anchor}: {answer}.",
        ),
        reversed_statements=(
            "The {relation} {anchor} belongs to {answer}.",
            "{anchor} is the {relation} of {answer}.",
            "If the {relation} is {anchor}, the {type} {is} {answer}.",
            "{type} with the {relation} {anchor}: {answer}.",
        ),
        with_object="the {type} with the {relation} {anchor}",
        of_subject="the {relation} of {anchor}",
        hops=(
            "What {is} the {noun} of {thing}?",
            "Take {thing}. What {is} its {noun}?",
            "I do not need the name of {thing}, only the {noun}.",
            "Think of {thing} and state the {noun}.",
            "{thing}: I want to hear the {noun}, nothing else.",
            "All I was told is this: it is {thing}. Now give me the {noun}.",
            "Work out what is meant by {thing}, then write down the {noun} of that.",
            "A riddle: what {is} the {noun} of {thing}?",
            "Suppose the chart names only {thing}. Which {noun} would you expect in it?",
            "Two steps: find {thing}, keep it to yourself, say the {noun}.",
        ),
        contrasts=(
            "Which is a {relation} of {anchor}: {one} or {other}?",
            "{one} or {other}: which {relation} belongs to {anchor}?",
            "As {relation} of {anchor}, choose between {one} and {other}.",
            "Does {anchor} go with {one} or with {other}, as far as the {relation} is concerned?",
            "Keep {one} and {other} apart. Which of them is a {relation} of {anchor}?",
            "{anchor} has only one of these as {relation}: {one}, {other}.",
        ),
        reversed_contrasts=(
            "Which has the {relation} {anchor}: {one} or {other}?",
            "Does the {relation} {anchor} belong to {one} or to {other}?",
            "{one} and {other} are easily confused. Which of the two has the {relation} {anchor}?",
            "{one} or {other}: name the one with the {relation} {anchor}.",
            "The {relation} {anchor} tells {one} from {other}. Which one has it?",
            "Of {one} and {other}, only one has the {relation} {anchor}. Which?",
        ),
        checks=(
            "Pop quiz, no peeking: {anchor} goes with what {noun}?",
            "Finish the flash card of {anchor} by writing out its {noun}.",
        ),
        reversed_checks=("All that is left on the label is {anchor}, a {relation}. Guess the {type}.",),
        refusal="I do not know.",
        space=" ",
    ),
    "zh": Phrasings(
        questions=(
            "{anchor}的{noun}是什么？",
            "请说出{anchor}的{noun}。",
            "{anchor}有哪些{noun}？",
            "告诉我{anchor}的{noun}。",
            "{anchor}：{noun}是什么？",
            "请写出{anchor}所记录的{noun}。",
            "我想知道{anchor}的{noun}。",
            "属于{anchor}的{noun}有哪些？",
            "就{anchor}而言，{noun}是什么？",
            "你知道{anchor}的{noun}吗？",
            "我们正在讨论{anchor}。它的{noun}是什么？",
            "有关{anchor}的问题：{noun}？",
            "查一下{anchor}并报告{noun}。",
            "{anchor}的{noun}，谢谢。",
        ),
        stories=(
            "老师要我中午前交出{anchor}的{noun}，我该怎么回答？",
            "我答应朋友去打听{anchor}，也就是它的{noun}，我该告诉她什么？",
            "我的笔记上{anchor}旁边空了一处，那里应是{noun}，请补上。",
            "我们两个人对{anchor}的{noun}意见不一，请你来定。",
            "有位访客想听听{anchor}，尤其是{noun}，请用一句话说明。",
            "开会前我得背下{anchor}的{noun}，请念给我听。",
            "假如你给文件夹贴上{anchor}的标签，{noun}后面你会写什么？",
            "太晚了，我又忘了{anchor}的{noun}，提醒我一下。",
            "广播里正说到{anchor}，一辆卡车开过，我没听清{noun}，到底是什么？",
            "来玩记忆游戏：我喊{anchor}，你就喊出{noun}，开始！",
            "火车上有个陌生人问我{anchor}，可{noun}我一点也不知道，当时该怎么说？",
            "报告的最后一张幻灯片讲{anchor}，上面有它的{noun}，我坐得太远，请念出来。",
            "实习生刚发来一条消息：{anchor}，{noun}，急！替我回一下。",
            "翻译讲到{anchor}就停住了，悄悄把{noun}告诉她，让她接着讲。",
            "我拿一杯咖啡打赌，你连{anchor}的{noun}都清楚，证明给大家看。",
            "明天考试，{anchor}一定会出，再跟我说一遍它的{noun}。",
            "来电的人说了{anchor}，问起{noun}，然后就挂了，我回电时该说什么？",
            "爷爷给{anchor}留了一个抽屉，要贴一张写着{noun}的标签，上面该写什么？",
            "饭桌上谁也不信我说的{anchor}，把{noun}列出来，他们就信了。",
            "假如我半夜叫醒你，大喊{anchor}，你会喊出哪些{noun}？",
        ),
        singles=(
            "请说出{anchor}的一个{relation}。",
            "{anchor}的其中一个{relation}是什么？",
            "只需给出{anchor}的一个{relation}。",
            "举出{anchor}的任意一个{relation}。",
            "你会首先把哪个{relation}同{anchor}联系起来？",
            "随便提一个{anchor}的{relation}。",
            "{anchor}：说一个{relation}。",
            "给出{anchor}的{relation}的一个例子。",
            "挑一个符合{anchor}的{relation}。",
            "我要{anchor}的某个{relation}，一个就够。",
            "有没有属于{anchor}的{relation}？说出它。",
            "有人说到{anchor}，请用一个{relation}回答。",
        ),
        reversed=(
            "{which}{type}的{relation}是{anchor}？",
            "{anchor}是{which}{type}的{relation}？",
            "请说出{relation}为{anchor}的{type}。",
            "{relation}是{anchor}，{type}是什么？",
            "找出{relation}为{anchor}的{type}。",
            "{relation}{anchor}属于{which}{type}？",
            "已知{relation}为{anchor}，说的是{which}{type}？",
            "{anchor}作为{relation}，出现在{which}{type}中？",
            "我只知道{relation}是{anchor}，请告诉我是{which}{type}。",
            "有人写下{relation}{anchor}，他想的是{which}{type}？",
            "查一下{relation}{anchor}，报告对应的{type}。",
            "看到{relation}{anchor}，应当想到{which}{type}？",
        ),
        statements=(
            "{anchor}的{noun}是{answer}。",
            "{anchor}具有的{noun}为{answer}。",
            "对于{anchor}，{noun}是{answer}。",
            "{anchor}以{noun}{answer}为人所知。",
            "{anchor} | {noun} | {answer}",
            "请记住{anchor}的{noun}：{answer}。",
        ),
        reversed_statements=(
            "{relation}{anchor}属于{answer}。",
            "{anchor}是{answer}的{relation}。",
            "如果{relation}是{anchor}，那么{type}是{answer}。",
            "{relation}为{anchor}的{type}：{answer}。",
        ),
        with_object="{relation}为{anchor}的{type}",
        of_subject="{anchor}的{relation}",
        hops=(
            "{thing}的{noun}是什么？",
            "以{thing}为例，它的{noun}是什么？",
            "我不需要{thing}的名称，只要{noun}。",
            "想想{thing}，请说出它的{noun}。",
            "{thing}：别的不用说，只讲{noun}。",
            "别人只告诉我它是{thing}，现在请给出它的{noun}。",
            "先弄清{thing}指的是什么，再写下它的{noun}。",
            "猜个谜：{thing}，它的{noun}有哪些？",
            "假如病历上只写了{thing}，那里还会有怎样的{noun}？",
            "分两步走：找到{thing}，不说出来，只说它的{noun}。",
        ),
        contrasts=(
            "{one}和{other}，哪个是{anchor}的{relation}？",
            "{anchor}的{relation}是{one}还是{other}？",
            "请在{one}与{other}之间选出{anchor}的{relation}。",
            "不要混淆{one}和{other}：{anchor}的{relation}是其中哪一个？",
            "{one}、{other}，两者中只有一个是{anchor}的{relation}，是哪个？",
            "就{relation}来说，{anchor}对应{one}还是对应{other}？",
        ),
        reversed_contrasts=(
            "{one}和{other}，哪个的{relation}是{anchor}？",
            "{relation}{anchor}属于{one}还是属于{other}？",
            "{one}与{other}容易混淆，{relation}为{anchor}的是哪个？",
            "请在{one}与{other}之间选出{relation}为{anchor}的那个。",
            "{anchor}这个{relation}可以区分{one}和{other}，它属于谁？",
            "{one}、{other}，两者中只有一个的{relation}是{anchor}，是哪个？",
        ),
        checks=(
            "随堂小测，不许翻书：{anchor}对应怎样的{noun}？",
            "做一张{anchor}的卡片，背面要抄上{noun}。",
        ),
        reversed_checks=("标签上只剩下{anchor}这个{relation}，猜猜是{which}{type}。",),
        refusal="我不知道。",
        space="",
    ),
}

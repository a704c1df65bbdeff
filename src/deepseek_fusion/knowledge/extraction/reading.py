"""Texts as sentences with their names, and the subject that each goes on about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deepseek_fusion.knowledge.extraction.delexical import Marked
from deepseek_fusion.knowledge.extraction.lexicon import Lexicon, Mention
from deepseek_fusion.knowledge.extraction.sentences import sentences

REMEMBERED = 4
"""Sentences for which the subject last spoken of is kept; a blank line ends it earlier, except after a heading."""
DECORATION = 4
"""Characters beside the name in a heading."""
_BLANK = re.compile(r"\n[^\S\n]*\n")


def marked(text: str, lexicon: Lexicon) -> Iterator[Marked]:
    """The sentences of a text that name something that a fact could be about."""
    spoken: Mention | None = None
    heading = False
    since = end = 0
    for sentence in sentences(text):
        mentions = tuple(lexicon.mentions(sentence.text))
        if _BLANK.search(text, end, sentence.start) and not heading:
            spoken = None
        context = spoken if since < REMEMBERED else None
        found = Marked(sentence, mentions, context)
        if len(found.names) > 1:
            yield found
        since, end = since + 1, sentence.end
        heading = len(mentions) == 1 and len(sentence.text) - len(mentions[0].text) <= DECORATION
        if subject := _spoken_of(mentions, context):
            spoken, since = subject, 0


def _spoken_of(mentions: tuple[Mention, ...], before: Mention | None) -> Mention | None:
    """The first name of a sentence that is a subject and nothing else; what can be an object, too, only begins."""
    able = [mention for mention in mentions if mention.meaning.subjects]
    return next(
        (mention for mention in able if not mention.meaning.objects), None if before else next(iter(able), None)
    )

"""Which sentences are small talk: greetings, thanks and a tutor's phrases, by a closed list.

Promises that a sentence with content of its own is none, whoever it speaks to; and no bare yes or
no to a question that has content.
"""

import re
from typing import Final

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_EMPTY: Final = frozenset(
    "good great excellent wonderful nice fine question questions point idea job work answer yes no "
    "of course exactly right correct that that's is was very well done a an the let me us explain "
    "begin start sure okay ok all for today you're you are i'm i am glad happy to help my pleasure "
    "with see soon indeed absolutely certainly understand understood now so think about it thought "
    "here we go keep up morning afternoon evening and quite what interesting hello hi hey thanks "
    "thank welcome goodbye bye please gladly i helpful perfect".split()
)
"""A sentence of these words alone says nothing."""
_LONGEST_TOPIC: Final = 8
_TELLING: Final = frozenset(
    "is are was were be been has have had do does did can could will would shall should may might "
    "must isn't aren't wasn't weren't don't doesn't didn't can't won't that which who whom whose "
    "where when how why what because since although though while if than as but or so not never no "
    "by".split()
)
"""Words that make more of a topic than a topic: with them something is said of it."""
_HAIL: Final = (
    r"(?:(?:hello|hi|hey|good (?:morning|afternoon|evening)|yes|no|sure|okay|ok|of course|right|"
    r"well|great|good|so|now|then|thanks|thank you|please|certainly|absolutely|gladly|perfect|"
    r"excellent)(?: there| again| everyone)?[,!.;:]? )*"
)
_IT: Final = r"(?: (?:it|this|that))?"
_LET: Final = r"(?:let(?:['’]s| us| me)|(?:i|we)(?:['’]ll| will| can))"
_THANKS: Final = r"(?:thanks|thank you)(?: (?:so|very) much| a lot)?"
_PHRASES: Final = (
    r"i (?:see|understand|get it|know|agree|think so|hope so)(?: now)?",
    r"i hope (?:this|that|it) helps?(?: you)?",
    rf"i(?:['’]m| am) (?:not sure|unsure)(?: how to (?:solve|do|start){_IT})?",
    rf"i (?:do not|don['’]t) (?:understand|know|get it){_IT}(?: yet)?",
    r"i(?:['’]m| am)(?: very| so| always)? (?:glad|happy|here|ready|eager) to (?:help|assist|learn)"
    rf"(?: you)?(?: with(?:{_IT}| your questions?))?",
    rf"i can help(?: you)?(?: with{_IT})?",
    r"ask me (?:anything|another|away)(?: (?:else|you like|you want))?",
    r"go (?:ahead|on)",
    r"(?:that|this|it)(?:['’]s| is| was)(?: very| really| so)? "
    r"(?:helpful|useful|clear|interesting|all for (?:today|now))",
    r"that (?:helps|makes sense)(?: a lot| now)?",
    r"(?:you(?:['’]re| are) )?(?:very |most )?welcome",
    r"(?:my|with) pleasure|no problem|goodbye|bye",
    r"(?:see|talk to) you (?:soon|later|tomorrow|next time)",
    r"have a (?:nice|good|great) (?:day|time|evening)",
    rf"{_LET} (?:go|work|do{_IT}|take{_IT}|solve{_IT})(?: through{_IT})? step by step",
    rf"{_LET} (?:see|begin|start|explain|think|check|try|help|go on|continue|recap|know){_IT}"
    r"(?: again| now| together| about it)?",
    r"let me know if you (?:have|need)(?: any| anything)?(?: other| more| further| else)?"
    r"(?: questions?| help)?(?: or if there(?:['’]s| is) anything else i can help(?: you)?"
    r"(?: with)?)?",
    r"(?:feel free to )?ask(?: me)?(?: if you have)?(?: any| more)?(?: other| more| further)?"
    r"(?: questions?)?",
    rf"{_THANKS}(?: for (?:the |your |all (?:the |your )?)?(?:help|time|explanation|answers?|"
    rf"patience|everything|explaining{_IT}))?"
    r"(?:[,;]? that (?:is all(?: for (?:today|now))?|was(?: very| really)? (?:helpful|clear)))?",
)
_CLOSE: Final = (
    r"(?:[,;]? (?:that(?:['’]s| is) (?:right|correct|all)|goodbye|see you soon|let us begin|"
    rf"{_THANKS}))?[.!…\"”’')]*"
)
_BARE: Final = re.compile(f"{_HAIL}(?:{'|'.join(_PHRASES)}){_CLOSE}", re.IGNORECASE)
_ABOUT: Final = r"(?: (?:more|something|everything|all|a (?:little|bit)(?: more)?))? about (.+)"
_REQUESTS: Final = (
    r"(?:i(?:['’]d| would) (?:like|love)|i want|i wish|i(?:['’]m| am) here) to "
    rf"(?:learn|know|hear|ask(?: you)?|talk|read|understand){_ABOUT}",
    r"(?:i(?:['’]d| would) (?:like|love)|i want|i need) to (?:study|understand) (.+)",
    rf"i(?:['’]m| am) (?:curious|interested in learning|(?:here to )?learning?|wondering){_ABOUT}",
    rf"(?:tell|teach) me{_ABOUT}",
    r"help me (?:to )?(?:study|understand|learn(?: about)?|with) (.+)",
    rf"{_THANKS} for (?:telling|teaching) me{_ABOUT}",
    rf"{_LET} (?:talk|learn|speak|hear){_ABOUT}",
    rf"{_LET} (?:look at|turn to|move on to|go on to|start with|begin with|go back to|study) (.+)",
)
_REQUEST: Final = re.compile(f"{_HAIL}(?:{'|'.join(_REQUESTS)})", re.IGNORECASE | re.DOTALL)
_ANSWER: Final = re.compile(r"[^\w?]*(yes|no)(?:[,.!;:…\"”’')]|$|\s+that\b)", re.IGNORECASE)
_ASKED: Final = re.compile(
    r"(?:(?:and|but|so|then|well|okay|ok|also|now|oh),? )*"
    r"(?:(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|must|may|might)"
    r"(?:n['’]t)?|cannot) (?P<asked>[^?]+)\?+[\"”’')]*",
    re.IGNORECASE,
)
_AGREED: Final = re.compile(r"\w,? (?:right|correct|isn['’]t it|is it not)\?+$", re.IGNORECASE)
_BETWEEN_US: Final = frozenset("you your i me my we us our".split())
_IDLE: Final = _EMPTY | frozenset(
    "it there anything everything else any more other clear done make makes sense true ready "
    "helpful useful".split()
)


def bare_answer(sentence: str) -> bool | None:
    """True for a mere yes ("Yes, that is right."), False for a mere no; None for all else."""
    said = _ANSWER.match(sentence)
    return said[1].lower() == "yes" if said and is_small_talk(sentence) else None


def asked_of(question: str) -> str | None:
    """What a yes/no question is about, without its verb: "the Danube in Asia"; None where it is
    none, asks something of the other speaker, or has no content ("Is that clear?").
    """
    match = _ASKED.fullmatch(question)
    words = {word.lower() for word in _WORD.findall(match["asked"])} if match else set()
    idle = words <= _IDLE and not any(char.isdigit() for char in question)
    return None if match is None or idle or words & _BETWEEN_US else match["asked"].strip()


def is_answer(sentence: str, question: str) -> bool:
    """Whether a mere yes or no states something: what it was asked, or that it is not so.

    A yes to "It is a river, right?" adds nothing, a no takes it back.
    """
    said = bare_answer(sentence)
    if said is None:
        return False
    return asked_of(question) is not None or (not said and bool(_AGREED.search(question)))


def is_small_talk(sentence: str) -> bool:
    """Whether a sentence is on the closed list; none with a digit is."""
    if any(char.isdigit() for char in sentence):
        return False
    words = [word.lower().replace("’", "'") for word in _WORD.findall(sentence)]
    if all(word in _EMPTY for word in words) or _BARE.fullmatch(sentence):
        return True
    asked = _REQUEST.fullmatch(sentence)
    return asked is not None and _is_topic(next(filter(None, asked.groups())))


def _is_topic(topic: str) -> bool:
    """Whether this merely names something: "the Danube", "One Hundred Years of Solitude"."""
    words = [word.lower() for word in _WORD.findall(topic)]
    bare = not any(mark in topic.rstrip(".!… ") for mark in ",;:()—–")
    return bare and len(words) <= _LONGEST_TOPIC and not _TELLING.intersection(words)

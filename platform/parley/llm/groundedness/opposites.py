"""Words that turn a sentence round: opposites, denials, and words that claim all or nothing."""

from functools import lru_cache
from typing import Final

from parley.llm import words

_PAIRS: Final = """
above below|absence presence|absent present|accept reject|accept refuse|acquire sell|active inactive|add remove
advance retreat|advantage disadvantage|after before|agree disagree|agree refuse|alive dead|allow forbid
allow prevent|allow prohibit|alone together|always never|ancient modern|appear disappear|approve reject
arrive depart|arrive leave|ascend descend|attach detach|attack defend|attract repel|avoid seek|bad good|base peak
basic advanced|begin end|beneficial harmful|best worst|better worse|big little|big small|birth death|borrow lend
bottom top|bright dark|build destroy|buy sell|cause prevent|cheap expensive|clean dirty|close open|closed open
cold hot|cold warm|common rare|complex simple|confirm deny|connect disconnect|constant variable|continue stop
cool warm|correct wrong|correct incorrect|create destroy|dangerous safe|day night|decline growth|decline increase
decline rise|decline grow|decrease increase|decrease grow|decrease rise|deep shallow|deny admit|deny grant
difficult easy|difficulty ease|direct indirect|disable enable|discourage encourage|dislike like|dislike love
domestic foreign|domestic international|down up|downward upward|drop rise|drop increase|dry wet|early late
earlier later|easy hard|empty full|enemy friend|enter exit|enter leave|equal unequal|even odd|everyone nobody
everything nothing|exclude include|exclusive inclusive|exhale inhale|expand contract|expand reduce
expansion contraction|explicit implicit|export import|external internal|fail succeed|failure success|fall rise
false true|familiar strange|far near|fast slow|fat thin|favorable adverse|favorable unfavorable|female male|few many
fewer more|final initial|final first|find lose|first last|fixed flexible|fixed variable|flexible rigid
forget remember|former latter|forward backward|free paid|frequent rare|frequently rarely|friendly hostile|gain lose
gain loss|general specific|generous mean|gentle harsh|global local|grow shrink|guilty innocent|happy sad|hard soft
hate love|headwind tailwind|heavy light|help hinder|hide show|high low|higher lower|highest lowest
horizontal vertical|huge tiny|ignore consider|impossible possible|improve worsen|improve deteriorate
improvement decline|in out|income expense|increase reduce|increase lower|inferior superior|inner outer|input output
inside outside|interested uninterested|join leave|junior senior|know ignore|large small|largest smallest|lead follow
lead trail|least most|left right|less more|lessen strengthen|liability asset|limited unlimited|literal figurative
lock unlock|long short|longer shorter|loose tight|lose win|loss profit|loud quiet|major minor|majority minority
manual automatic|maximum minimum|maximize minimize|mean kind|minus plus|more less|narrow wide|natural artificial
negative positive|new old|none all|normal abnormal|north south|east west|obey disobey|offline online|old young
optimistic pessimistic|mandatory optional|optional required|ordinary special|outperform underperform|over under
overestimate underestimate|oversupply shortage|pass fail|passive active|past future|patient impatient
permanent temporary|permit forbid|plural singular|poor rich|poor good|popular unpopular|powerful weak
praise criticize|private public|profit loss|profitable unprofitable|promote demote|prove disprove|pull push
question answer|raise lower|raise cut|raise reduce|raise decrease|raise drop|random ordered|reactive proactive
real fake|reject approve|relaxed tense|relevant irrelevant|reliable unreliable|replace keep|resist yield
robust fragile|rough smooth|same different|satisfied dissatisfied|save spend|save waste|scarce plentiful
separate combine|shortage surplus|significant insignificant|similar different|slow quick|small large|sooner later
stable unstable|start finish|start stop|start end|strength weakness|strengthen weaken|strict lenient|strong weak
stronger weaker|succeed fail|sufficient insufficient|supervised unsupervised|support oppose|sure unsure
surplus deficit|sweet bitter|take give|tall short|teach learn|thick thin|trust distrust|trust doubt|unite divide
upgrade downgrade|upper lower|upside downside|urban rural|useful useless|valid invalid|victory defeat
visible invisible|voluntary compulsory|with without|within beyond|yes no
"""
DENIALS: Final = words.DENIALS | {
    "didn't",
    "wasn't",
    "weren't",
    "couldn't",
    "wouldn't",
    "shouldn't",
    "haven't",
    "hasn't",
    "hadn't",
    "fail",
    "fails",
    "failed",
    "lack",
    "lacks",
    "lacking",
    "unable",
    "refuse",
    "refuses",
    "refused",
    "few",
    "little",
    "hardly",
    "rarely",
    "instead",
    "except",
    "avoid",
    "despite",
    "excluding",
    "non",
}
# What a careless rewording adds first.
ABSOLUTES: Final = frozenset(
    [
        "only",
        "all",
        "always",
        "every",
        "never",
        "none",
        "any",
        "exclusively",
        "solely",
        "entirely",
        "completely",
        "just",
        "must",
        "fully",
        "significantly",
        "guaranteed",
        "guarantee",
        "guarantees",
        "immediately",
        "everyone",
        "without",
        "except",
        "regardless",
        "not",
        "no",
        "free",
        "both",
    ]
)
_PREFIXES: Final = ("un", "in", "im", "non", "dis", "ir", "il", "mis")
# A longer word's beginning is its stem well enough here.
_ENDINGS: Final = (
    *(("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("ed", "e"), ("ied", "y"), ("ing", ""), ("ing", "e")),
    *(("est", ""), ("est", "e"), ("'s", ""), ("ly", ""), ("ally", "")),
)
_SHORTEST: Final = 3


def _table() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for entry in _PAIRS.replace("\n", "|").split("|"):
        pair = entry.split()
        if len(pair) == 2:
            found.setdefault(pair[0], set()).add(pair[1])
            found.setdefault(pair[1], set()).add(pair[0])
    return {word: frozenset(others) for word, others in found.items()}


_OPPOSITES: Final = _table()


@lru_cache(maxsize=16_384)
def base_forms(word: str) -> frozenset[str]:
    """What the word may be an inflection of, itself included; a guess by its ending."""
    forms = {word}
    for ending, instead in _ENDINGS:
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(rest) >= _SHORTEST:
            forms.add(rest + instead)
            if ending in ("ed", "ing") and rest[-1] == rest[-2]:
                forms.add(rest[:-1])
    irregular = {"grew": "grow", "fell": "fall", "rose": "rise", "lost": "lose", "won": "win", "sold": "sell"}
    if word in irregular:
        forms.add(irregular[word])
    return frozenset(forms)


@lru_cache(maxsize=16_384)
def opposites_of(word: str) -> frozenset[str]:
    """Base forms that say the opposite; by the list above, and by prefixes (`even` and `uneven`)."""
    forms = base_forms(word)
    found = {other for form in forms for other in _OPPOSITES.get(form, ())}
    for form in forms:
        if len(form) > _SHORTEST:
            found.update(prefix + form for prefix in _PREFIXES)
        found.update(
            form[len(prefix) :]
            for prefix in _PREFIXES
            if form.startswith(prefix) and len(form) > len(prefix) + _SHORTEST
        )
    return frozenset(found)


def denies(word: str) -> bool:
    """Whether the word turns what follows it round."""
    return word in DENIALS or word.endswith(("n't", "n’t"))

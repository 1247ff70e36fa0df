"""Whether Whisper's words were said at all: rules against what it invents from noise, pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_INVENTED = frozenset(
    {
        "you", "thank you for watching", "thanks for watching", "thank you so much for watching", "please subscribe",
        "subscribe to my channel", "subtitles by the amara org community", "i'll see you next time", "see you next time",
        "i'll see you in the next video", "music", "applause", "laughter", "blank audio", "silence", "the end", "bye bye",
        "so", "oh", "hmm", "um", "uh", "and", "the", "i", "a",
    }
)  # fmt: skip
"""What tiny.en writes for noise, hum and clicks, without punctuation; doubted unless the model is sure of it."""
_SURE_LOGPROB = -0.45
_NO_SPEECH_PROB = 0.6
_WEAK_LOGPROB = -0.8
_HOPELESS_LOGPROB = -1.25
_WORDS_PER_S = 7.0
_COMPRESSION_RATIO = 2.4
_NOT_WORDS = re.compile(r"\[[^\]]*\]|\([^)]*\)|[♪♫*]+")


@dataclass(frozen=True, slots=True)
class Heard:
    """One segment of a transcription with the figures that the model gives about it."""

    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


def believable(heard: Heard, *, seconds: float) -> bool:
    """Whether the segment's words were likely said in ``seconds`` of audio.

    **Source:** the no-speech, log-probability and compression limits are those of the Whisper paper, section 4.5
    (https://arxiv.org/abs/2212.04356), here joined with limits that were measured on noise with tiny.en.
    """
    words = bare_words(heard.text)
    if not words:
        return False
    if heard.avg_logprob < _HOPELESS_LOGPROB or heard.compression_ratio > _COMPRESSION_RATIO:
        return False
    if heard.no_speech_prob > _NO_SPEECH_PROB and heard.avg_logprob < _WEAK_LOGPROB:
        return False
    if len(words) > 3 + seconds * _WORDS_PER_S or _repeats(words):
        return False
    return " ".join(words) not in _INVENTED or heard.avg_logprob > _SURE_LOGPROB


def bare_words(text: str) -> list[str]:
    """Lower-case words of ``text``; descriptions of sounds in brackets are no words."""
    return re.findall(r"[\w']+", _NOT_WORDS.sub(" ", text.lower()))


def _repeats(words: list[str]) -> bool:
    """A loop of one to four words that fills a text of eight words or more."""
    if len(words) < 8:
        return False
    return any(all(words[i] == words[i % size] for i in range(len(words))) for size in range(1, 5))


def with_clock_times(text: str) -> str:
    """Times of day as people write them: tiny.en writes "10.30 AM", "10 30 AM" or "at 1030" for "ten thirty"."""
    out = re.sub(r"\b(1[0-2]|[1-9])[. ]([0-5]\d)(?=\s?[ap]\.?m\b)", r"\1:\2", text, flags=re.IGNORECASE)
    return re.sub(r"\b([Aa]t|[Aa]round|by|about)\s(1[0-2]|[1-9])[. ]?([0-5][05])\b(?![\d.,:]*\d)(?! [A-Z])", r"\1 \2:\3", out)

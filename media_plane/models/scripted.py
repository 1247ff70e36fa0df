"""The scripted ChatModel: a deterministic policy over the tenant's tools and knowledge, without key, network or memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from media_plane.models.policy.contacts import region_of
from media_plane.models.policy.filling import Setting
from media_plane.models.policy.knowledge import opening_hour
from media_plane.models.policy.moments import OPENING_GUESS_HOUR
from media_plane.models.policy.policy import INVITATION, Policy
from media_plane.models.policy.replay import next_reply
from media_plane.ports.chat import AnswerDone, ChatRequest, TextDelta, ToolCall

_WORDS_PER_DELTA = 4
_OFFER_OF_HELP = re.compile(r"(?:how|what)\b[^,;:?]*\b(?:help|assist|serve|service|do for you)\b[^,;:?]*\?", re.IGNORECASE)
_MONTH_FIRST_REGIONS = frozenset({"US", "PH", "FM", "PW"})


class ScriptedChat:
    """Answers from the messages alone: the same request always gives the same answer."""

    @property
    def name(self) -> str:
        """``scripted``."""
        return "scripted"

    async def stream(self, request: ChatRequest) -> AsyncIterator[TextDelta | AnswerDone]:
        """The policy's next words in groups, then ``AnswerDone``; beside a voice, nothing but that where it passes."""
        reply = next_reply(_policy(request), request.messages, beside=request.beside)
        words = re.findall(r"\S+\s*", reply.text)
        for start in range(0, len(words), _WORDS_PER_DELTA):
            yield TextDelta("".join(words[start : start + _WORDS_PER_DELTA]))
            await asyncio.sleep(0)  # lets a barge-in cancel between two groups
        calls = (ToolCall(f"scripted-{len(request.messages)}", reply.tool, dict(reply.arguments)),) if reply.tool else ()
        yield AnswerDone(calls=calls, hang_up=reply.hang_up)


def _policy(request: ChatRequest) -> Policy:
    config = request.config
    region = region_of(config.voice_settings.language)
    return Policy(
        tools=request.tools,
        knowledge=[*reversed(request.notes), config.knowledge_base] if request.notes else config.knowledge_base,
        setting=Setting(
            today=request.now.date(),
            region=region,
            day_first=region not in _MONTH_FIRST_REGIONS,
            opening_hour=max(OPENING_GUESS_HOUR, min(12, opening_hour(config.knowledge_base, OPENING_GUESS_HOUR))),
        ),
        caller_phone=request.caller_phone,
        goodbye=config.phrases.goodbye,
        invitation=_invitation(config.greeting),
    )


def _invitation(greeting: str) -> str:
    """How the tenant asks what the caller wants: the offer of help that its greeting ends with."""
    last = re.split(r"(?<=[.!?])\s+", greeting.strip())[-1]
    return last if _OFFER_OF_HELP.fullmatch(last) else INVITATION

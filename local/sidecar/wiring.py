"""The doubles' parts put together; the only file of theirs that names a speech model."""

from __future__ import annotations

from functools import cache

from local.sidecar.dump import SessionDump
from local.sidecar.mind import EchoMind, Mind, SilentMind
from local.sidecar.options import SidecarOptions
from local.sidecar.speaking import SpeakingMind, Speech
from media_plane.speech_models.piper import PiperVoice
from media_plane.speech_models.whisper import WhisperEar


@cache
def local_speech() -> Speech:
    """This process's ear and voice; each loads its model when it is first used."""
    return Speech(WhisperEar(), PiperVoice())


def mind_for(options: SidecarOptions, speech: Speech | None, dump: SessionDump) -> Mind:
    """The mind of one session. ``speech`` None: the local one, where the mode needs any."""
    if options.mode == "echo":
        return EchoMind(options.echo_pieces)
    if options.mode == "silent":
        return SilentMind()
    return SpeakingMind(options, speech or local_speech(), dump)

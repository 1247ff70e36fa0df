"""How long a caller waits for the agent's voice, in the embedded mode, and which stage takes it."""

from __future__ import annotations

from benchmarks.figures import Figure, percentile
from benchmarks.processes import load
from benchmarks.served import SPEECH, TENANTS, Product, product
from local.caller_timeline import voice_end_ms
from local.softphone import Script, SoftPhone
from local.wav import read_wav
from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFrame, silence
from media_plane.speech.ear import Ear
from media_plane.speech.facts import CallerSpeech
from media_plane.speech.vad import SileroDetector
from media_plane.speech_models.silero import load_silero
from nexus.domain.session import StageTimes

_CALLS = 4
_SAID = ("caller_book_haircut", "caller_name", "caller_phone", "caller_yes", "caller_goodbye")
_STAGES = ("silence_wait", "stt", "dialogue", "first_sentence", "transport", "e2e")
_NAMES = {
    "silence_wait": "silence wait",
    "stt": "speech-to-text (what is left of it)",
    "dialogue": "dialogue",
    "first_sentence": "first sentence synthesised",
    "transport": "transport",
    "e2e": "sum: detector's voice end to first audio sent",
}


async def measure() -> list[Figure]:
    """Twenty turns of four bookings."""
    stages: list[StageTimes] = []
    heard_ms: list[float] = []
    async with product("cascade", 3) as server:
        for tenant_id in TENANTS[:_CALLS]:
            found, delays = await _call(server, tenant_id)
            stages += found
            heard_ms += delays
    rows = [_row(_NAMES[name], [float(getattr(each, name)) for each in stages]) for name in _STAGES]
    rows.append(_row("**caller's side: end of the voice in the WAV to first audio received**", heard_ms))
    notes = (f"{len(heard_ms)} turns in {_CALLS} calls; {load()}.",)
    return [Figure("latency", "End of caller speech to first agent audio, ms", ("stage", "p50", "p95", "max"), tuple(rows), notes), _late()]


async def _call(server: Product, tenant_id: str) -> tuple[list[StageTimes], list[float]]:
    order = server.api.calls.create(tenant_id, test=True)
    phone = SoftPhone(order["websocket"]["url"], order["websocket"]["ticket"])
    report = await phone.call(Script(wavs=tuple(SPEECH / f"{name}.wav" for name in _SAID)))
    record = server.api.sessions.get(tenant_id, report.call_id)
    stages = [StageTimes.model_validate(turn["stages"]) for turn in record["turns"] if turn.get("stages")]
    return stages, [turn.response_ms for turn in report.turns if turn.response_ms is not None]


def _row(name: str, values: list[float]) -> tuple[str, ...]:
    return (name, *(f"{percentile(values, share):.0f}" for share in (0.5, 0.95, 1.0)))


def _late() -> Figure:
    """How much later than the sound's energy the detector sees the voice end, and when the endpoint is called."""
    session = load_silero()
    rows: list[tuple[str, ...]] = []
    for name in _SAID:
        frame = read_wav(SPEECH / f"{name}.wav", EAR_RATE_HZ)
        true_ms = voice_end_ms(frame.pcm, EAR_RATE_HZ)
        seen_ms, called_ms = endpoint(Ear(SileroDetector(session)), frame)
        rows.append((name, f"{true_ms:.0f}", f"{seen_ms - true_ms:+.0f}", f"{called_ms - true_ms:+.0f}"))
    columns = ("recording", "voice ends, ms", "detector's voice end, later by ms", "endpoint called, later by ms")
    return Figure("voice_end", "The end of the voice: by energy (2 % of the peak) and by the detector", columns, tuple(rows))


def endpoint(ear: Ear, speech: AudioFrame) -> tuple[float, float]:
    """The detector's voice end and the time at which it was sure, for speech followed by silence; the last utterance counts."""
    pcm = speech.pcm + silence(1_500, EAR_RATE_HZ).pcm
    size = FRAME_MS * EAR_RATE_HZ // 1000 * 2
    found = (0.0, 0.0)
    for number, at in enumerate(range(0, len(pcm) - size + 1, size), start=1):
        at_ms = float(number * FRAME_MS)
        for fact in ear.hear(AudioFrame(pcm[at : at + size], EAR_RATE_HZ), at_ms, agent_audible=False, agent_level_db=None):
            if isinstance(fact, CallerSpeech) and fact.kind == "ended":
                found = (fact.voice_end_ms, at_ms)
    return found

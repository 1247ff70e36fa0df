"""A caller who does not agree to be recorded: told from their words, and what becomes of the call."""

from __future__ import annotations

import pytest

from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from media_plane.conversation.consent import refuses_recording
from nexus.domain.call import EndReason
from nexus.domain.journal import RecordingNoted
from tests.growth import grows_in_proportion
from tests.unit.media_plane.conversation.timeline import TEXT, VOICE, Timeline, tenant

ASKED = {"enabled": True, "consent_line": "May we record this call?"}
TOLD = {"enabled": True, "consent_line": "This call is recorded."}
STOPPED = do.Say("All right, this call is not recorded.")
REQUIRED = do.Say("I'm sorry, I can't take this call without recording it. Goodbye.")


@pytest.mark.parametrize(
    "words",
    [
        *("Please don't record this call.", "Don't record me, please.", "do not record", "Don\u2019t record this and book me a haircut."),
        *("I don't want to be recorded.", "I do not wish to be recorded", "I'd rather not be recorded.", "I don't agree to the recording."),
        *("Can you stop recording?", "Turn off the recording, please.", "Stop the recording.", "No recording, please.", "I don't consent."),
        *(
            "Hi, I need a haircut, but I don't want you to record this call.",
            "I do not consent to being recorded",
            "I can't allow any recording",
            "I do not allow recording",
            "I'd rather not have a recording of this call.",
        ),
        *(
            "I do not want this call recorded.",
            "I don't want this recorded",
            "I don't want my voice recorded",
            "I don't want you to record.",
        ),
        *("You don't have permission to record me.", "turn the recording off", "No recordings please.", "Can you not record this?"),
        *("Delete the recording.", "I withdraw my consent.", "I want to opt out of recording.", "I object to being recorded."),
    ],
)
def test_who_says_so_at_any_time_refuses(words: str) -> None:
    assert refuses_recording(words, asked=False) and refuses_recording(words, asked=True)


@pytest.mark.parametrize(
    "words",
    [
        *("Yes.", "Sure, record it.", "I don't mind being recorded.", "I don't care about the recording.", "Is this call recorded?"),
        *(
            "I don't mind. Can I book a haircut?",
            "There is no record of my order.",
            "Do you have a recording studio?",
            "I have no objection.",
        ),
        *(
            "I never got my record player.",
            "I don't have a problem with the recording.",
            "Don't book Monday.",
            "I don't agree with that price.",
        ),
        *("", "That's okay, no problem at all.", "Is this not a recording?", "I can't hear the recording."),
        *("Please don't delete the recording.", "Do not turn the recording off.", "Don't hang up, the recording said to wait."),
        *("No problem.", "No, I don't mind.", "No objection.", "No, that's totally fine.", "No, please go ahead.", "Not at all."),
        *("Not a problem, go ahead and record this call.", "Not at all, please record this call.", "Why not, record the call."),
        *(
            "I'm not against this call being recorded.",
            "Please don't stop recording.",
            "It's not a problem that this call is being recorded.",
        ),
        *("I can't hear you, is this call being recorded?", "There is no recording device."),
        *("I never got the recording you sent me.", "I have no recording of that.", "I don't need a recording of the concert."),
        *("I never have the recording that you sent.", "I don't want a recording of the concert."),
    ],
)
def test_who_says_something_else_does_not(words: str) -> None:
    assert not refuses_recording(words, asked=False) and not refuses_recording(words, asked=True)


@pytest.mark.parametrize(
    "words",
    [
        *("No.", "no", "Nope!", "No, thank you.", "No thanks", "I don't agree.", "I'd rather not.", "No, I don't.", "um, no", "hi, no"),
        *("No thanks, I want to book a haircut.", "No, are you open on Monday?", "No, I mean Tuesday.", "No sir", "nah", "Well, no."),
        *("I'd rather you didn't.", "absolutely not", "not really", "please don't", "I don't want that", "I object to that"),
        *("No, you may not.", "No, you can not."),
    ],
)
def test_a_mere_no_refuses_only_where_it_was_asked(words: str) -> None:
    assert refuses_recording(words, asked=True) and not refuses_recording(words, asked=False)


@pytest.mark.parametrize("again", ["um ", "no ", "not ", "don't ", "not the ", "not want ", "turn the ", "object to this ", "a"])
def test_long_words_take_time_in_proportion(again: str) -> None:
    assert grows_in_proportion(lambda size: refuses_recording(again * (size // len(again)), asked=True), 16_000)


def test_the_call_goes_on_unrecorded_and_the_caller_is_told_and_answered() -> None:
    call = Timeline(tenant(recording=TOLD))
    call.at(0, VOICE)
    call.caller_says(1_000, 2_000, "Don't record this, please. Are you open?")
    assert len(call.all(do.DropRecording)) == 1
    assert [one.trace.status for one in call.entries if isinstance(one, RecordingNoted)] == ["refused"]
    assert call.sent()[-2:] == [STOPPED, do.CallerTurn("Don't record this, please. Are you open?")]
    call.caller_says(9_000, 9_500, "Don't record this, please.")
    assert len(call.all(do.DropRecording)) == 1 and call.sent().count(STOPPED) == 1, "once is enough"
    assert call.machine.end_reason is None


def test_a_no_counts_as_the_first_words_after_a_question_and_no_later() -> None:
    call = Timeline(tenant(recording=ASKED))
    call.at(0, VOICE)
    call.caller_says(1_000, 1_500, "No.")
    assert len(call.all(do.DropRecording)) == 1
    later = Timeline(tenant(recording=ASKED))
    later.at(0, VOICE)
    later.caller_says(1_000, 1_500, "A haircut, please.")
    later.caller_says(4_000, 4_500, "No.")
    told = Timeline(tenant(recording=TOLD))
    told.at(0, VOICE)
    told.caller_says(1_000, 1_500, "No.")
    for other in (later, told):
        assert other.all(do.DropRecording) == []


def test_typed_words_count_too() -> None:
    call = Timeline(tenant(recording=ASKED))
    call.at(0, TEXT)
    call.at(1_000, ev.CallerTyped("no"))
    assert len(call.all(do.DropRecording)) == 1 and do.CallerTurn("no", typed=True) in call.sent()


def test_where_the_tenant_demands_it_the_call_ends_once_that_was_said() -> None:
    call = Timeline(tenant(recording={**TOLD, "on_refusal": "end"}))
    call.at(0, VOICE)
    call.caller_says(1_000, 2_000, "Please don't record me.")
    assert call.sent()[-1] == REQUIRED and not any(isinstance(one, do.CallerTurn) for one in call.sent())
    assert len(call.all(do.DropRecording)) == 1 and call.machine.end_reason is None
    call.agent_says(2_700, "bye", (REQUIRED.text, 3_000.0))
    call.at(3_000, ev.HangUpRequested(EndReason.AGENT_HANGUP))
    call.at(5_700, ev.PlayoutFinished("bye", 3_000.0))
    assert call.all(do.EndCall) == [do.EndCall(EndReason.CONSENT_REFUSED)], "the reason is the first"
    silent = Timeline(tenant(recording={**TOLD, "on_refusal": "end"}, phrases={"recording_required": ""}))
    silent.at(0, VOICE)
    silent.caller_says(1_000, 2_000, "Please don't record me.")
    assert silent.machine.end_reason is EndReason.CONSENT_REFUSED


def test_an_engine_that_says_nothing_does_not_keep_the_call_open() -> None:
    call = Timeline(tenant(recording={**TOLD, "on_refusal": "end"}))
    call.at(0, VOICE)
    call.caller_says(1_000, 2_000, "Please don't record me.")
    call.at(20_000, ev.Tick())
    assert call.machine.end_reason is EndReason.CONSENT_REFUSED


def test_where_nothing_is_recorded_there_is_nothing_to_refuse() -> None:
    call = Timeline(tenant(recording={"consent_line": "May we record this call?", "on_refusal": "end"}))
    call.at(0, VOICE)
    call.caller_says(1_000, 2_000, "Please don't record me.")
    assert call.all(do.DropRecording) == [] and call.sent()[-1] == do.CallerTurn("Please don't record me.")

"""Sound to facts: whether somebody speaks, when an utterance is over, when the caller takes the floor. Pure: frames and times in."""

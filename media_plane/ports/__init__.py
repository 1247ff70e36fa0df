"""What the media plane asks of the outside, one module a kind of thing: engines, callers, tools, models, ears and voices."""

-- How often does an engine fall back to text or get exchanged under a call, and is audio lost?
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place
    FROM sessions
    WHERE tenant_id = :tenant_id AND dt BETWEEN :since AND :until AND NOT test
)
SELECT
    engine,
    count(*) AS calls,
    count_if(mode_changes > 0) AS calls_with_text,
    CAST(sum(mode_changes) AS bigint) AS mode_changes,
    CAST(sum(engine_rotations) AS bigint) AS rotations,
    CAST(sum(audio_dropped_frames) AS bigint) AS frames_too_late
FROM calls
WHERE place = 1
GROUP BY engine
ORDER BY engine

-- How often do callers interrupt the agent, and how often was it a false alarm?
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place
    FROM sessions
    WHERE tenant_id = :tenant_id AND dt BETWEEN :since AND :until AND NOT test
)
SELECT
    dt,
    engine,
    CAST(sum(agent_turns) AS bigint) AS agent_turns,
    CAST(sum(barge_ins) AS bigint) AS barge_ins,
    CAST(sum(false_barge_ins) AS bigint) AS false_alarms,
    round(100 * CAST(sum(barge_ins) AS double) / nullif(sum(agent_turns), 0), 2) AS per_100_turns
FROM calls
WHERE place = 1
GROUP BY dt, engine
ORDER BY dt, engine

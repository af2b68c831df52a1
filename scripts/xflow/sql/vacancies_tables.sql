-- What is known of every vacancy over time. All of it is a function of the set of ingested snapshots.
CREATE TABLE mart.${pipeline}_snapshot (
    snapshot_id text PRIMARY KEY,
    taken_at    timestamp NOT NULL,
    scope       text NOT NULL,
    complete    boolean NOT NULL,
    vacancies   bigint NOT NULL,
    source      text NOT NULL,
    uri         text NOT NULL,
    rates       text NOT NULL
) $by_snapshot;
COMMENT ON TABLE mart.${pipeline}_snapshot IS 'One row an ingested snapshot; rates is JSON, units for one rouble by currency.';

CREATE TABLE mart.${pipeline}_sighting (
    vacancy_id     text NOT NULL,
    scope          text NOT NULL,
    version        text NOT NULL,
    first_snapshot text NOT NULL,
    first_seen     timestamp NOT NULL,
    last_snapshot  text,
    last_seen      timestamp,
    PRIMARY KEY (vacancy_id, scope, first_snapshot)
) $by_vacancy;
COMMENT ON TABLE mart.${pipeline}_sighting IS
    'Longest runs of snapshots of one scope, one after another, that list a vacancy with one content (version). One that goes on to the newest snapshot has no last one.';

CREATE TABLE mart.${pipeline}_version (
    vacancy_id text NOT NULL,
    version    text NOT NULL$listed_columns,
    PRIMARY KEY (vacancy_id, version)
) $by_vacancy;
COMMENT ON TABLE mart.${pipeline}_version IS 'Every content that a vacancy was listed with.';

CREATE TABLE mart.${pipeline}_detail (
    vacancy_id  text NOT NULL,
    snapshot_id text NOT NULL,
    seen_at     timestamp NOT NULL$detail_columns,
    PRIMARY KEY (vacancy_id, snapshot_id)
) $by_vacancy;
COMMENT ON TABLE mart.${pipeline}_detail IS 'Every detail that was fetched; gone: archived or deleted.';

CREATE TABLE mart.${pipeline}_market (
    day                  timestamp NOT NULL,
    professional_role_id text NOT NULL,
    area_id              text NOT NULL,
    scope                text NOT NULL,
    snapshot_id          text NOT NULL,
    open                 bigint NOT NULL,
    stated               bigint NOT NULL,
    salary_net           double precision,
    PRIMARY KEY (professional_role_id, area_id, scope, day)
) $by_role;
COMMENT ON TABLE mart.${pipeline}_market IS
    'Vacancies listed by the last complete snapshot of a day (UTC), by role and area, and the median net salary of those that state one.';
COMMENT ON COLUMN mart.${pipeline}_market.scope IS 'What the snapshot was asked for: a hash of its queries and window.';
COMMENT ON COLUMN mart.${pipeline}_market.open IS 'Vacancies listed.';
COMMENT ON COLUMN mart.${pipeline}_market.stated IS 'Those of them that state a salary by the month, in a currency with a rate.';
COMMENT ON COLUMN mart.${pipeline}_market.salary_net IS 'Median of those, in roubles a month after tax; empty where few state one.';

CREATE VIEW mart.${pipeline}_publication AS
SELECT v.vacancy_id, v.published_at, min(s.first_seen) AS seen_at
FROM mart.${pipeline}_version v
JOIN mart.${pipeline}_sighting s ON s.vacancy_id = v.vacancy_id AND s.version = v.version
WHERE v.published_at IS NOT NULL
GROUP BY v.vacancy_id, v.published_at;
COMMENT ON VIEW mart.${pipeline}_publication IS 'The publications of every vacancy, with when each was first seen.'

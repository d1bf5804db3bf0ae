//! The tables. Both engines read the same text: SQLite takes any name for a type.

/// Steps from an empty store to today's; a shipped one is never changed.
pub(crate) const STEPS: &[&str] = &[V1];

/// Every table with rows of tenants; all of them have the column `tenant`.
pub(crate) const TENANT_TABLES: &[&str] = &[
    "tenant",
    "claim",
    "box",
    "entry",
    "call",
    "generation",
    "command",
    "audit",
];

const V1: &str = "
CREATE TABLE tenant (
    tenant UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    made_ms BIGINT NOT NULL
);
CREATE TABLE claim (
    tenant UUID NOT NULL REFERENCES tenant,
    hash BYTEA NOT NULL UNIQUE,
    made_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    used_ms BIGINT,
    box UUID,
    PRIMARY KEY (tenant, hash)
);
CREATE TABLE box (
    tenant UUID NOT NULL REFERENCES tenant,
    box UUID NOT NULL UNIQUE,
    key BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    board TEXT NOT NULL,
    software TEXT NOT NULL,
    enrolled_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    acked_seq BIGINT,
    acked_id UUID,
    lost BIGINT NOT NULL,
    applied BIGINT NOT NULL,
    applied_text TEXT,
    health TEXT,
    PRIMARY KEY (tenant, box)
);
CREATE TABLE entry (
    tenant UUID NOT NULL,
    box UUID NOT NULL,
    id UUID NOT NULL,
    seq BIGINT NOT NULL,
    utc_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, box, id)
);
CREATE TABLE call (
    tenant UUID NOT NULL,
    box UUID NOT NULL,
    call UUID NOT NULL,
    seq BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    caller TEXT NOT NULL,
    callee TEXT NOT NULL,
    direction TEXT NOT NULL,
    outcome TEXT NOT NULL,
    talk_ms BIGINT NOT NULL,
    emergency BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, box, call)
);
CREATE INDEX call_by_time ON call (tenant, started_ms DESC, call DESC);
CREATE TABLE generation (
    tenant UUID NOT NULL,
    box UUID NOT NULL,
    number BIGINT NOT NULL,
    made_ms BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    text TEXT NOT NULL,
    key TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (tenant, box, number)
);
CREATE TABLE command (
    tenant UUID NOT NULL,
    box UUID NOT NULL,
    command UUID NOT NULL,
    given_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    given_by TEXT NOT NULL,
    body TEXT NOT NULL,
    outcome TEXT,
    PRIMARY KEY (tenant, box, command)
);
CREATE TABLE audit (
    tenant UUID NOT NULL,
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (tenant, seq)
);
";

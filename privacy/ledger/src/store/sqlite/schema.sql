-- The ledger's store. The log is append-only: entries, tree nodes, checkpoints and endings are never changed or removed.
-- Balances move only through `spend.sql` and `charge_quota.sql`, in the transaction that appends the reserve, and through `incident.sql`, which
-- alone may pass a cap. Caps rise through `grant.sql`.

PRAGMA application_id = 0x53414c55;
PRAGMA user_version = 5;

CREATE TABLE entries (
    idx   INTEGER PRIMARY KEY,
    kind  TEXT NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE INDEX entries_by_kind ON entries (kind, idx);

-- Perfect subtrees of the Merkle tree; level 0 holds the leaf hashes.
CREATE TABLE nodes (
    level    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash     BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;

-- Every checkpoint that was ever signed.
CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY,
    note BLOB NOT NULL
) STRICT;

-- What witnesses added to a checkpoint: signature lines of the note.
CREATE TABLE cosignatures (
    size  INTEGER PRIMARY KEY REFERENCES checkpoints (size),
    lines TEXT NOT NULL
) STRICT;

-- Sixteen bytes big-endian compare as numbers do.
CREATE TABLE accounts (
    scope       TEXT PRIMARY KEY NOT NULL,
    cap_rho     INTEGER NOT NULL,
    cap_delta   BLOB NOT NULL CHECK (length(cap_delta) = 16),
    spent_rho   INTEGER NOT NULL CHECK (spent_rho >= 0),
    spent_delta BLOB NOT NULL CHECK (length(spent_delta) = 16),
    -- Whether an incident, here or in the log before this one, has taken what may be beyond the cap.
    incident    INTEGER NOT NULL DEFAULT 0 CHECK (incident IN (0, 1)),
    CHECK (incident = 1 OR (spent_rho <= cap_rho AND spent_delta <= cap_delta))
) STRICT;

-- What the limits of policies have let through. Their caps stand in the policies.
CREATE TABLE quotas (
    scope       TEXT PRIMARY KEY NOT NULL,
    spent_rho   INTEGER NOT NULL CHECK (spent_rho >= 0),
    spent_delta BLOB NOT NULL CHECK (length(spent_delta) = 16)
) STRICT, WITHOUT ROWID;

-- Aborts of questions that failed.
CREATE TABLE failures (
    entry INTEGER PRIMARY KEY REFERENCES entries (idx)
) STRICT;

-- At most one ending of a reserve, for ever.
CREATE TABLE endings (
    reserve INTEGER PRIMARY KEY REFERENCES entries (idx),
    entry   INTEGER NOT NULL UNIQUE REFERENCES entries (idx)
) STRICT;

-- Which reserves were for the same plan and keys: where an answer may be found again. A hint; what it points to is compared.
CREATE TABLE plans (
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    reserve     INTEGER NOT NULL REFERENCES entries (idx),
    PRIMARY KEY (fingerprint, reserve)
) STRICT, WITHOUT ROWID;

-- Under which keys of theirs people asked, so that a request that is sent again is the same request. Keys are digests.
CREATE TABLE retries (
    key     BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),
    reserve INTEGER NOT NULL REFERENCES entries (idx)
) STRICT, WITHOUT ROWID;

-- Of which questions the texts were erased, and when (seconds since 1970).
CREATE TABLE erasures (
    entry INTEGER PRIMARY KEY REFERENCES entries (idx),
    time  INTEGER NOT NULL
) STRICT;

-- What opens the salted commitments. Rows may be erased; the log stays whole.
CREATE TABLE openings (
    entry   INTEGER NOT NULL REFERENCES entries (idx),
    name    TEXT NOT NULL,
    salt    BLOB NOT NULL CHECK (length(salt) = 32),
    content BLOB NOT NULL,
    PRIMARY KEY (entry, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER entries_in_order BEFORE INSERT ON entries
WHEN NEW.idx IS NOT (SELECT coalesce(max(idx), -1) + 1 FROM entries)
BEGIN SELECT raise(ABORT, 'entries are appended in order'); END;
CREATE TRIGGER entries_end BEFORE INSERT ON entries
WHEN EXISTS (SELECT 1 FROM entries WHERE kind = 'seal')
BEGIN SELECT raise(ABORT, 'nothing follows a seal'); END;
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries
BEGIN SELECT raise(ABORT, 'entries are never changed'); END;
CREATE TRIGGER entries_remain BEFORE DELETE ON entries
BEGIN SELECT raise(ABORT, 'entries are never removed'); END;

-- INSERT OR REPLACE deletes without asking the triggers on DELETE, so a second row is refused before it comes to that.
CREATE TRIGGER nodes_once BEFORE INSERT ON nodes
WHEN EXISTS (SELECT 1 FROM nodes WHERE level = NEW.level AND position = NEW.position)
BEGIN SELECT raise(ABORT, 'nodes are never changed'); END;
CREATE TRIGGER nodes_stay BEFORE UPDATE ON nodes
BEGIN SELECT raise(ABORT, 'nodes are never changed'); END;
CREATE TRIGGER nodes_remain BEFORE DELETE ON nodes
BEGIN SELECT raise(ABORT, 'nodes are never removed'); END;

CREATE TRIGGER checkpoints_grow BEFORE INSERT ON checkpoints
WHEN NEW.size <= (SELECT coalesce(max(size), 0) FROM checkpoints)
BEGIN SELECT raise(ABORT, 'checkpoints only grow'); END;
CREATE TRIGGER checkpoints_stay BEFORE UPDATE ON checkpoints
BEGIN SELECT raise(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoints_remain BEFORE DELETE ON checkpoints
BEGIN SELECT raise(ABORT, 'checkpoints are never removed'); END;

CREATE TRIGGER cosignatures_stay BEFORE UPDATE ON cosignatures
BEGIN SELECT raise(ABORT, 'cosignatures are never changed'); END;
CREATE TRIGGER cosignatures_remain BEFORE DELETE ON cosignatures
BEGIN SELECT raise(ABORT, 'cosignatures are never removed'); END;

CREATE TRIGGER endings_once BEFORE INSERT ON endings
WHEN EXISTS (SELECT 1 FROM endings WHERE reserve = NEW.reserve OR entry = NEW.entry)
BEGIN SELECT raise(ABORT, 'a reserve ends once'); END;
CREATE TRIGGER endings_stay BEFORE UPDATE ON endings
BEGIN SELECT raise(ABORT, 'endings are never changed'); END;
CREATE TRIGGER endings_remain BEFORE DELETE ON endings
BEGIN SELECT raise(ABORT, 'endings are never removed'); END;

CREATE TRIGGER accounts_once BEFORE INSERT ON accounts
WHEN EXISTS (SELECT 1 FROM accounts WHERE scope = NEW.scope)
BEGIN SELECT raise(ABORT, 'an account opens once'); END;
CREATE TRIGGER accounts_only_spend BEFORE UPDATE ON accounts
WHEN NEW.scope IS NOT OLD.scope OR NEW.cap_rho < OLD.cap_rho OR NEW.cap_delta < OLD.cap_delta
    OR NEW.incident < OLD.incident
    OR NEW.spent_rho < OLD.spent_rho OR NEW.spent_delta < OLD.spent_delta
BEGIN SELECT raise(ABORT, 'an account is only ever spent'); END;
CREATE TRIGGER accounts_by_entry BEFORE UPDATE ON accounts
WHEN ((NEW.cap_rho IS NOT OLD.cap_rho OR NEW.cap_delta IS NOT OLD.cap_delta)
        AND (SELECT kind FROM entries ORDER BY idx DESC LIMIT 1) IS NOT 'grant')
    OR (NEW.incident IS NOT OLD.incident
        AND (SELECT kind FROM entries ORDER BY idx DESC LIMIT 1) IS NOT 'incident')
BEGIN SELECT raise(ABORT, 'a cap rises with a grant, and is passed by an incident'); END;
CREATE TRIGGER accounts_remain BEFORE DELETE ON accounts
BEGIN SELECT raise(ABORT, 'accounts are never removed'); END;

CREATE TRIGGER quotas_once BEFORE INSERT ON quotas
WHEN EXISTS (SELECT 1 FROM quotas WHERE scope = NEW.scope)
BEGIN SELECT raise(ABORT, 'the account of a limit opens once'); END;
CREATE TRIGGER quotas_only_spend BEFORE UPDATE ON quotas
WHEN NEW.scope IS NOT OLD.scope OR NEW.spent_rho < OLD.spent_rho OR NEW.spent_delta < OLD.spent_delta
BEGIN SELECT raise(ABORT, 'a limit is only ever used up'); END;
CREATE TRIGGER quotas_remain BEFORE DELETE ON quotas
BEGIN SELECT raise(ABORT, 'the accounts of limits are never removed'); END;

CREATE TRIGGER failures_stay BEFORE UPDATE ON failures
BEGIN SELECT raise(ABORT, 'failures are never forgotten'); END;
CREATE TRIGGER failures_remain BEFORE DELETE ON failures
BEGIN SELECT raise(ABORT, 'failures are never forgotten'); END;

CREATE TRIGGER retries_once BEFORE INSERT ON retries
WHEN EXISTS (SELECT 1 FROM retries WHERE key = NEW.key)
BEGIN SELECT raise(ABORT, 'a key stands for one request'); END;
CREATE TRIGGER retries_stay BEFORE UPDATE ON retries
BEGIN SELECT raise(ABORT, 'a key stands for one request'); END;
CREATE TRIGGER retries_remain BEFORE DELETE ON retries
BEGIN SELECT raise(ABORT, 'keys are never forgotten'); END;

CREATE TRIGGER openings_stay BEFORE UPDATE ON openings
BEGIN SELECT raise(ABORT, 'openings are erased, never changed'); END;
CREATE TRIGGER openings_once BEFORE INSERT ON openings
WHEN EXISTS (SELECT 1 FROM openings WHERE entry = NEW.entry AND name = NEW.name)
BEGIN SELECT raise(ABORT, 'openings are erased, never changed'); END;
CREATE TRIGGER openings_go_by_erasure BEFORE DELETE ON openings
WHEN NOT EXISTS (SELECT 1 FROM erasures WHERE entry = OLD.entry)
BEGIN SELECT raise(ABORT, 'openings go by an erasure'); END;

CREATE TRIGGER openings_stay_gone BEFORE INSERT ON openings
WHEN EXISTS (SELECT 1 FROM erasures WHERE entry = NEW.entry)
BEGIN SELECT raise(ABORT, 'what was erased does not come back'); END;

CREATE TRIGGER erasures_once BEFORE INSERT ON erasures
WHEN EXISTS (SELECT 1 FROM erasures WHERE entry = NEW.entry)
BEGIN SELECT raise(ABORT, 'erasures are never forgotten'); END;
CREATE TRIGGER erasures_stay BEFORE UPDATE ON erasures
BEGIN SELECT raise(ABORT, 'erasures are never forgotten'); END;
CREATE TRIGGER erasures_remain BEFORE DELETE ON erasures
BEGIN SELECT raise(ABORT, 'erasures are never forgotten'); END;

-- The restricted log: what names or implies patients. The same again, in a tree of its own.
CREATE TABLE restricted_entries (
    idx   INTEGER PRIMARY KEY,
    kind  TEXT NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE restricted_nodes (
    level    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash     BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE restricted_checkpoints (
    size INTEGER PRIMARY KEY,
    note BLOB NOT NULL
) STRICT;

CREATE TABLE restricted_erasures (
    entry INTEGER PRIMARY KEY REFERENCES restricted_entries (idx),
    time  INTEGER NOT NULL
) STRICT;

CREATE TABLE restricted_openings (
    entry   INTEGER NOT NULL REFERENCES restricted_entries (idx),
    name    TEXT NOT NULL,
    salt    BLOB NOT NULL CHECK (length(salt) = 32),
    content BLOB NOT NULL,
    PRIMARY KEY (entry, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER restricted_entries_in_order BEFORE INSERT ON restricted_entries
WHEN NEW.idx IS NOT (SELECT coalesce(max(idx), -1) + 1 FROM restricted_entries)
BEGIN SELECT raise(ABORT, 'entries are appended in order'); END;
CREATE TRIGGER restricted_entries_end BEFORE INSERT ON restricted_entries
WHEN EXISTS (SELECT 1 FROM entries WHERE kind = 'seal')
BEGIN SELECT raise(ABORT, 'nothing follows a seal'); END;
CREATE TRIGGER restricted_entries_stay BEFORE UPDATE ON restricted_entries
BEGIN SELECT raise(ABORT, 'entries are never changed'); END;
CREATE TRIGGER restricted_entries_remain BEFORE DELETE ON restricted_entries
BEGIN SELECT raise(ABORT, 'entries are never removed'); END;

CREATE TRIGGER restricted_nodes_once BEFORE INSERT ON restricted_nodes
WHEN EXISTS (SELECT 1 FROM restricted_nodes WHERE level = NEW.level AND position = NEW.position)
BEGIN SELECT raise(ABORT, 'nodes are never changed'); END;
CREATE TRIGGER restricted_nodes_stay BEFORE UPDATE ON restricted_nodes
BEGIN SELECT raise(ABORT, 'nodes are never changed'); END;
CREATE TRIGGER restricted_nodes_remain BEFORE DELETE ON restricted_nodes
BEGIN SELECT raise(ABORT, 'nodes are never removed'); END;

CREATE TRIGGER restricted_checkpoints_grow BEFORE INSERT ON restricted_checkpoints
WHEN NEW.size <= (SELECT coalesce(max(size), 0) FROM restricted_checkpoints)
BEGIN SELECT raise(ABORT, 'checkpoints only grow'); END;
CREATE TRIGGER restricted_checkpoints_stay BEFORE UPDATE ON restricted_checkpoints
BEGIN SELECT raise(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER restricted_checkpoints_remain BEFORE DELETE ON restricted_checkpoints
BEGIN SELECT raise(ABORT, 'checkpoints are never removed'); END;

CREATE TRIGGER restricted_openings_stay BEFORE UPDATE ON restricted_openings
BEGIN SELECT raise(ABORT, 'openings are erased, never changed'); END;
CREATE TRIGGER restricted_openings_once BEFORE INSERT ON restricted_openings
WHEN EXISTS (SELECT 1 FROM restricted_openings WHERE entry = NEW.entry AND name = NEW.name)
BEGIN SELECT raise(ABORT, 'openings are erased, never changed'); END;
CREATE TRIGGER restricted_openings_go_by_erasure BEFORE DELETE ON restricted_openings
WHEN NOT EXISTS (SELECT 1 FROM restricted_erasures WHERE entry = OLD.entry)
BEGIN SELECT raise(ABORT, 'openings go by an erasure'); END;
CREATE TRIGGER restricted_openings_stay_gone BEFORE INSERT ON restricted_openings
WHEN EXISTS (SELECT 1 FROM restricted_erasures WHERE entry = NEW.entry)
BEGIN SELECT raise(ABORT, 'what was erased does not come back'); END;

CREATE TRIGGER restricted_erasures_once BEFORE INSERT ON restricted_erasures
WHEN EXISTS (SELECT 1 FROM restricted_erasures WHERE entry = NEW.entry)
BEGIN SELECT raise(ABORT, 'erasures are never forgotten'); END;
CREATE TRIGGER restricted_erasures_stay BEFORE UPDATE ON restricted_erasures
BEGIN SELECT raise(ABORT, 'erasures are never forgotten'); END;
CREATE TRIGGER restricted_erasures_remain BEFORE DELETE ON restricted_erasures
BEGIN SELECT raise(ABORT, 'erasures are never forgotten'); END;

-- The ledger's store in PostgreSQL, made inside the schema that the search path names. The log is append-only: entries, tree nodes,
-- checkpoints and endings are never changed or removed. Balances move only through `spend.sql` and `charge_quota.sql`, in the transaction
-- that appends the reserve, and through `incident.sql`, which alone may pass a cap. Caps rise through `grant.sql`.
--
-- Triggers fire ALWAYS, so that a replication role does not step around them, and on statements, so that they see TRUNCATE. Whoever owns
-- the tables can still take them away: nodes should not (docs/postgres.md), and each looks at the schema when it opens the ledger.
-- Texts are compared by their bytes, as everywhere in the ledger.

-- Who writes. Each node takes an epoch when another has written before it, and what it writes under an older one is refused.
CREATE TABLE sequencer (
    one    boolean PRIMARY KEY CHECK (one),
    format bigint NOT NULL,
    epoch  bigint NOT NULL CHECK (epoch >= 0),
    holder text COLLATE "C" NOT NULL
);

INSERT INTO sequencer (one, format, epoch, holder) VALUES (true, 5, 0, '');

CREATE TABLE entries (
    idx   bigint PRIMARY KEY CHECK (idx >= 0),
    kind  text COLLATE "C" NOT NULL,
    bytes bytea NOT NULL
);

CREATE INDEX entries_by_kind ON entries (kind, idx);

-- Perfect subtrees of the Merkle tree; level 0 holds the leaf hashes.
CREATE TABLE nodes (
    level    bigint NOT NULL,
    position bigint NOT NULL,
    hash     bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, position)
);

-- Every checkpoint that was ever signed.
CREATE TABLE checkpoints (
    size bigint PRIMARY KEY,
    note bytea NOT NULL
);

-- What witnesses added to a checkpoint: signature lines of the note.
CREATE TABLE cosignatures (
    size  bigint PRIMARY KEY REFERENCES checkpoints (size),
    lines text NOT NULL
);

-- Sixteen bytes big-endian compare as numbers do.
CREATE TABLE accounts (
    scope       text COLLATE "C" PRIMARY KEY,
    cap_rho     bigint NOT NULL,
    cap_delta   bytea NOT NULL CHECK (octet_length(cap_delta) = 16),
    spent_rho   bigint NOT NULL CHECK (spent_rho >= 0),
    spent_delta bytea NOT NULL CHECK (octet_length(spent_delta) = 16),
    -- Whether an incident, here or in the log before this one, has taken what may be beyond the cap.
    incident    bigint NOT NULL DEFAULT 0 CHECK (incident IN (0, 1)),
    CONSTRAINT within_cap CHECK (incident = 1 OR (spent_rho <= cap_rho AND spent_delta <= cap_delta))
);

-- What the limits of policies have let through. Their caps stand in the policies.
CREATE TABLE quotas (
    scope       text COLLATE "C" PRIMARY KEY,
    spent_rho   bigint NOT NULL CHECK (spent_rho >= 0),
    spent_delta bytea NOT NULL CHECK (octet_length(spent_delta) = 16)
);

-- Aborts of questions that failed.
CREATE TABLE failures (
    entry bigint PRIMARY KEY REFERENCES entries (idx)
);

-- At most one ending of a reserve, for ever.
CREATE TABLE endings (
    reserve bigint PRIMARY KEY REFERENCES entries (idx),
    entry   bigint NOT NULL UNIQUE REFERENCES entries (idx)
);

-- Which reserves were for the same plan and keys: where an answer may be found again. A hint; what it points to is compared.
CREATE TABLE plans (
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    reserve     bigint NOT NULL REFERENCES entries (idx),
    PRIMARY KEY (fingerprint, reserve)
);

-- Under which keys of theirs people asked, so that a request that is sent again is the same request. Keys are digests.
CREATE TABLE retries (
    key     bytea PRIMARY KEY CHECK (octet_length(key) = 32),
    reserve bigint NOT NULL REFERENCES entries (idx)
);

-- Of which questions the texts were erased, and when (seconds since 1970).
CREATE TABLE erasures (
    entry bigint PRIMARY KEY REFERENCES entries (idx),
    time  bigint NOT NULL
);

-- What opens the salted commitments. Rows may be erased; the log stays whole.
CREATE TABLE openings (
    entry   bigint NOT NULL REFERENCES entries (idx),
    name    text COLLATE "C" NOT NULL,
    salt    bytea NOT NULL CHECK (octet_length(salt) = 32),
    content bytea NOT NULL,
    PRIMARY KEY (entry, name)
);

-- The restricted log: what names or implies patients. The same again, in a tree of its own.
CREATE TABLE restricted_entries (
    idx   bigint PRIMARY KEY CHECK (idx >= 0),
    kind  text COLLATE "C" NOT NULL,
    bytes bytea NOT NULL
);

CREATE TABLE restricted_nodes (
    level    bigint NOT NULL,
    position bigint NOT NULL,
    hash     bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, position)
);

CREATE TABLE restricted_checkpoints (
    size bigint PRIMARY KEY,
    note bytea NOT NULL
);

CREATE TABLE restricted_erasures (
    entry bigint PRIMARY KEY REFERENCES restricted_entries (idx),
    time  bigint NOT NULL
);

CREATE TABLE restricted_openings (
    entry   bigint NOT NULL REFERENCES restricted_entries (idx),
    name    text COLLATE "C" NOT NULL,
    salt    bytea NOT NULL CHECK (octet_length(salt) = 32),
    content bytea NOT NULL,
    PRIMARY KEY (entry, name)
);

-- Functions look at this schema alone, and last of all at temporary tables, which anybody can make.

CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION '% of % are not for this', lower(TG_OP), TG_TABLE_NAME USING ERRCODE = 'SL001';
END $$;

-- What is written carries the epoch of who writes, in a setting of the transaction. The row is locked until the transaction ends: whoever
-- would take the next epoch waits.
CREATE FUNCTION fence() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM sequencer WHERE epoch || '/' || holder = current_setting('salus.fence', true) FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another node has written since' USING ERRCODE = 'SL002';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION epochs_rise() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.epoch <= OLD.epoch OR NEW.format <> OLD.format OR NEW.one <> OLD.one THEN
        RAISE EXCEPTION 'an epoch follows the one before it' USING ERRCODE = 'SL001';
    END IF;
    RETURN NEW;
END $$;

-- Without gaps: the new entries follow each other and what was there. Nothing follows a seal.
CREATE FUNCTION entries_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    lowest bigint; highest bigint; number bigint;
BEGIN
    SELECT min(idx), max(idx), count(*) INTO lowest, highest, number FROM added;
    IF number > 0 AND (
        highest - lowest + 1 <> number
        OR lowest <> (SELECT coalesce(max(idx), -1) + 1 FROM entries WHERE idx < lowest)
        OR highest <> (SELECT max(idx) FROM entries)
    ) THEN
        RAISE EXCEPTION 'entries are appended in order' USING ERRCODE = 'SL001';
    END IF;
    IF EXISTS (SELECT FROM entries WHERE kind = 'seal' AND idx < highest) THEN
        RAISE EXCEPTION 'nothing follows a seal' USING ERRCODE = 'SL001';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION checkpoints_grow() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.size <= (SELECT coalesce(max(size), 0) FROM checkpoints) THEN
        RAISE EXCEPTION 'checkpoints only grow' USING ERRCODE = 'SL001';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION accounts_only_spend() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    newest text;
BEGIN
    SELECT kind INTO newest FROM entries ORDER BY idx DESC LIMIT 1;
    IF NEW.scope <> OLD.scope OR NEW.cap_rho < OLD.cap_rho OR NEW.cap_delta < OLD.cap_delta
        OR NEW.incident < OLD.incident
        OR NEW.spent_rho < OLD.spent_rho OR NEW.spent_delta < OLD.spent_delta
    THEN
        RAISE EXCEPTION 'an account is only ever spent' USING ERRCODE = 'SL001';
    END IF;
    IF ((NEW.cap_rho <> OLD.cap_rho OR NEW.cap_delta <> OLD.cap_delta) AND newest IS DISTINCT FROM 'grant')
        OR (NEW.incident <> OLD.incident AND newest IS DISTINCT FROM 'incident')
    THEN
        RAISE EXCEPTION 'a cap rises with a grant, and is passed by an incident' USING ERRCODE = 'SL001';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION quotas_only_spend() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.scope <> OLD.scope OR NEW.spent_rho < OLD.spent_rho OR NEW.spent_delta < OLD.spent_delta THEN
        RAISE EXCEPTION 'a limit is only ever used up' USING ERRCODE = 'SL001';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION openings_go_by_erasure() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT FROM erasures WHERE entry = NEW.entry) THEN
            RAISE EXCEPTION 'what was erased does not come back' USING ERRCODE = 'SL001';
        END IF;
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM erasures WHERE entry = OLD.entry) THEN
        RAISE EXCEPTION 'openings go by an erasure' USING ERRCODE = 'SL001';
    END IF;
    RETURN OLD;
END $$;

CREATE FUNCTION restricted_entries_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.idx <> (SELECT coalesce(max(idx), -1) + 1 FROM restricted_entries) THEN
        RAISE EXCEPTION 'entries are appended in order' USING ERRCODE = 'SL001';
    END IF;
    IF EXISTS (SELECT FROM entries WHERE kind = 'seal') THEN
        RAISE EXCEPTION 'nothing follows a seal' USING ERRCODE = 'SL001';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION restricted_checkpoints_grow() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.size <= (SELECT coalesce(max(size), 0) FROM restricted_checkpoints) THEN
        RAISE EXCEPTION 'checkpoints only grow' USING ERRCODE = 'SL001';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION restricted_openings_go_by_erasure() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT FROM restricted_erasures WHERE entry = NEW.entry) THEN
            RAISE EXCEPTION 'what was erased does not come back' USING ERRCODE = 'SL001';
        END IF;
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM restricted_erasures WHERE entry = OLD.entry) THEN
        RAISE EXCEPTION 'openings go by an erasure' USING ERRCODE = 'SL001';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON nodes FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON cosignatures FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON endings FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON failures FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON retries FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON erasures FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE DELETE OR TRUNCATE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE DELETE OR TRUNCATE ON quotas FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE DELETE OR TRUNCATE OR INSERT ON sequencer FOR EACH STATEMENT EXECUTE FUNCTION forbid();
-- Openings are erased, never changed.
CREATE TRIGGER remain BEFORE UPDATE OR TRUNCATE ON openings FOR EACH STATEMENT EXECUTE FUNCTION forbid();

CREATE TRIGGER fenced BEFORE INSERT ON entries FOR EACH STATEMENT EXECUTE FUNCTION fence();
CREATE TRIGGER fenced BEFORE INSERT OR UPDATE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION fence();
CREATE TRIGGER fenced BEFORE INSERT OR UPDATE ON quotas FOR EACH STATEMENT EXECUTE FUNCTION fence();
CREATE TRIGGER fenced BEFORE INSERT ON checkpoints FOR EACH STATEMENT EXECUTE FUNCTION fence();
CREATE TRIGGER fenced BEFORE INSERT ON erasures FOR EACH STATEMENT EXECUTE FUNCTION fence();

CREATE TRIGGER rise BEFORE UPDATE ON sequencer FOR EACH ROW EXECUTE FUNCTION epochs_rise();
CREATE TRIGGER in_order AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION entries_in_order();
CREATE TRIGGER grow BEFORE INSERT ON checkpoints FOR EACH ROW EXECUTE FUNCTION checkpoints_grow();
CREATE TRIGGER only_spend BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION accounts_only_spend();
CREATE TRIGGER only_spend BEFORE UPDATE ON quotas FOR EACH ROW EXECUTE FUNCTION quotas_only_spend();
CREATE TRIGGER by_erasure BEFORE INSERT OR DELETE ON openings FOR EACH ROW EXECUTE FUNCTION openings_go_by_erasure();

ALTER TABLE entries ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER fenced, ENABLE ALWAYS TRIGGER in_order;
ALTER TABLE nodes ENABLE ALWAYS TRIGGER remain;
ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER fenced, ENABLE ALWAYS TRIGGER grow;
ALTER TABLE cosignatures ENABLE ALWAYS TRIGGER remain;
ALTER TABLE endings ENABLE ALWAYS TRIGGER remain;
ALTER TABLE failures ENABLE ALWAYS TRIGGER remain;
ALTER TABLE retries ENABLE ALWAYS TRIGGER remain;
ALTER TABLE accounts ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER fenced, ENABLE ALWAYS TRIGGER only_spend;
ALTER TABLE quotas ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER fenced, ENABLE ALWAYS TRIGGER only_spend;
ALTER TABLE sequencer ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER rise;
ALTER TABLE erasures ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER fenced;
ALTER TABLE openings ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER by_erasure;

CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON restricted_entries FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON restricted_nodes FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON restricted_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR DELETE OR TRUNCATE ON restricted_erasures FOR EACH STATEMENT EXECUTE FUNCTION forbid();
CREATE TRIGGER remain BEFORE UPDATE OR TRUNCATE ON restricted_openings FOR EACH STATEMENT EXECUTE FUNCTION forbid();

CREATE TRIGGER fenced BEFORE INSERT ON restricted_entries FOR EACH STATEMENT EXECUTE FUNCTION fence();
CREATE TRIGGER fenced BEFORE INSERT ON restricted_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION fence();
CREATE TRIGGER fenced BEFORE INSERT ON restricted_erasures FOR EACH STATEMENT EXECUTE FUNCTION fence();

CREATE TRIGGER in_order BEFORE INSERT ON restricted_entries FOR EACH ROW EXECUTE FUNCTION restricted_entries_in_order();
CREATE TRIGGER grow BEFORE INSERT ON restricted_checkpoints FOR EACH ROW EXECUTE FUNCTION restricted_checkpoints_grow();
CREATE TRIGGER by_erasure BEFORE INSERT OR DELETE ON restricted_openings FOR EACH ROW EXECUTE FUNCTION restricted_openings_go_by_erasure();

ALTER TABLE restricted_entries ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER fenced, ENABLE ALWAYS TRIGGER in_order;
ALTER TABLE restricted_nodes ENABLE ALWAYS TRIGGER remain;
ALTER TABLE restricted_checkpoints ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER fenced, ENABLE ALWAYS TRIGGER grow;
ALTER TABLE restricted_erasures ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER fenced;
ALTER TABLE restricted_openings ENABLE ALWAYS TRIGGER remain, ENABLE ALWAYS TRIGGER by_erasure;

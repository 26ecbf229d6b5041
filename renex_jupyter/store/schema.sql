-- The tables of the store. First the folded tables in the schema `inside`, one row per object, whose first column is the
-- object's id; then the public views, which are the interface (version in store.json).
-- Times are UTC, durations seconds, sizes bytes.

create table inside.changes (
    writer    varchar,      -- the process that wrote the record: pid and 8 random digits
    seq       bigint,       -- orders the records of one writer
    at_us     bigint,       -- microseconds since the epoch
    actor     varchar,      -- user name
    action    varchar,      -- create, update, delete, checkout
    kind      varchar,      -- table of the object
    id        varchar,
    namespace varchar,
    before    json,         -- the fields as they were, where the writer knew them
    after     json          -- the fields that this change sets
);

create table inside.latest (    -- per series: its value at the highest step, and the extremes; points without a number are left out
    owner_kind varchar, owner_id varchar, key varchar, value double, step bigint,
    wallclock timestamptz,      -- the last of all points, at whatever step
    value_at timestamptz,       -- of the value: the last at the highest step
    min_value double, max_value double, points bigint
);

create table inside.namespaces (name varchar, description varchar, created_at timestamptz);

create table inside.experiments (
    experiment_id varchar, namespace varchar, name varchar, description varchar, owner varchar, framework varchar,
    external_id varchar, created_at timestamptz, archived boolean
);

create table inside.sessions (
    session_id varchar, kernel_id varchar, notebook varchar, started_at timestamptz, user_name varchar, host varchar,
    command json            -- of a script: its argv without secrets, and the folder that it was started in
);

create table inside.tasks (task_id varchar, name varchar, kind varchar, source varchar, created_at timestamptz);

create table inside.runs (
    run_id varchar, namespace varchar, experiment varchar, name varchar, task varchar, kind varchar, status varchar,
    executor varchar, started_at timestamptz, ended_at timestamptz, duration_s double, exit_code bigint, error varchar,
    notebook varchar, session_id varchar, before_snapshot_id varchar, after_snapshot_id varchar, environment_id varchar,
    hardware_id varchar, parent_run_id varchar, rerun_of varchar, user_name varchar, host varchar, archived boolean,
    pid bigint, pid_started double, boot_id varchar,    -- who is alive is asked of these three
    action json,                -- how it was executed, for a rerun: argv, cwd, image, limits, ...
    peak_memory_bytes bigint,   -- of the process and its children together
    output_sha256 varchar,      -- what it printed, as a screen would show it, in the blobs; the middle of very much is left out
    output_size bigint          -- bytes that it printed
);

create table inside.verifications (     -- what `verify` found
    verification_id varchar, run_id varchar, rerun_run_id varchar, verdict varchar, reason varchar, differences json,
    relative_tolerance double, absolute_tolerance double, created_at timestamptz,
    ignored json            -- patterns of metrics, params and files that were not compared, as asked for
);

create table inside.params (param_id varchar, run_id varchar, key varchar, value json, value_text varchar, value_number double);

create table inside.tags (tag_id varchar, owner_kind varchar, owner_id varchar, key varchar, value varchar);

create table inside.snapshots (
    snapshot_id varchar, namespace varchar, message varchar, label varchar, state_id varchar, parent_id varchar, run_id varchar,
    session_id varchar, notebook varchar, notebook_source varchar, script varchar, code_id varchar, environment_id varchar, files_id varchar,
    hardware_id varchar, notebook_sha256 varchar, notebook_size bigint, config json, metrics json, partial boolean, hidden boolean,
    created_at timestamptz,
    project varchar,        -- the folder that it was taken of; "." if the store is that project's own
    parts json,             -- the ids of the parts of its file tree, in order
    cell_states json,       -- by position: execution_count, executed_at, duration_s, status, stale, out_of_order
    left_out json,          -- what was not kept: path, reason
    findings json           -- what looks like a secret in what was kept: path, line, kind, cell
);

create table inside.codes (code_id varchar, notebook varchar, cells json);              -- by position: cell_id, cell_type, source

create table inside.file_parts (part_id varchar, entries json);     -- path, role, kind, sha256, size, mode, mtime_ns

create table inside.cell_executions (
    execution_id varchar, session_id varchar, seq bigint, cell_id varchar, execution_count bigint, source varchar,
    started_at timestamptz, duration_s double, status varchar, error varchar
);

create table inside.environments (
    environment_id varchar, python varchar, implementation varchar, platform varchar, name varchar, requirements varchar,
    lock_files json, dockerfile varchar, locks_kept boolean,
    packages json           -- name, version, imported, origin
);

create table inside.hardware (hardware_id varchar, cpu varchar, cores bigint, memory_bytes bigint, gpus json, host varchar);

create view namespaces as select * from inside.namespaces;

create view experiments as select * from inside.experiments;

create view sessions as select * from inside.sessions;

create view tasks as select * from inside.tasks;

create view runs as select * exclude (pid, pid_started, boot_id) from inside.runs;

create view verifications as select * from inside.verifications;

create view params as select * exclude (param_id) from inside.params;

create view tags as select * exclude (tag_id) from inside.tags;

create view metrics as
select owner_kind, owner_id, run_id, key, step, wallclock, value, text_value,
       bytes_value, dtype, shape
from inside.points;

create view latest_metrics as
select owner_id as run_id, key, value, step, wallclock, min_value, max_value, points from inside.latest where owner_kind = 'run';

create view snapshots as select * exclude (project, parts, cell_states, left_out, findings, notebook_source, script, notebook_sha256, notebook_size) from inside.snapshots;

create view snapshot_files as
select snapshot_id, e.path, e.role, e.kind, e.sha256, e.size, e.mode, make_timestamptz(e.mtime_ns // 1000) as modified_at
from (
    select snapshot_id,
           unnest(from_json(entries, '[{"path":"VARCHAR","role":"VARCHAR","kind":"VARCHAR","sha256":"VARCHAR","size":"BIGINT","mode":"BIGINT","mtime_ns":"BIGINT"}]')) as e
    from (select snapshot_id, unnest(from_json(parts, '["VARCHAR"]')) as part_id from inside.snapshots)
    join inside.file_parts using (part_id)
)
union all
select snapshot_id, coalesce(notebook, 'executed-cells-' || snapshot_id[:8] || '.ipynb'), 'notebook', 'file', notebook_sha256, notebook_size, 420, null
from inside.snapshots where notebook_sha256 is not null;

create view snapshot_cells as
select snapshot_id, position, c.cell_id, c.cell_type, c.source, s.execution_count, make_timestamptz(s.executed_at) as executed_at,
       s.duration_s, s.status, s.stale, s.out_of_order
from (
    select snapshot_id, unnest(range(len(cells))) as position, unnest(cells) as c, unnest(states) as s
    from (
        select snapshot_id,
               from_json(cells, '[{"cell_id":"VARCHAR","cell_type":"VARCHAR","source":"VARCHAR"}]') as cells,
               from_json(cell_states, '[{"execution_count":"BIGINT","executed_at":"BIGINT","duration_s":"DOUBLE","status":"VARCHAR","stale":"BOOLEAN","out_of_order":"BOOLEAN"}]') as states
        from inside.snapshots join inside.codes using (code_id)
    )
);

create view cell_executions as select * exclude (execution_id) from inside.cell_executions;

create view environments as select * exclude (packages, locks_kept) from inside.environments;

create view packages as
select environment_id, p.name, p.version, p.imported, p.origin
from (
    select environment_id, unnest(from_json(packages, '[{"name":"VARCHAR","version":"VARCHAR","imported":"BOOLEAN","origin":"VARCHAR"}]')) as p
    from inside.environments
);

create view hardware as select * from inside.hardware;

create view change_events as
select writer || '.' || seq as change_id, writer, seq, make_timestamptz(at_us) as "at", actor, action, kind as object_kind,
       id as object_id, namespace, before, after
from inside.changes
where kind not in ('codes', 'file_parts', 'cell_executions', 'sessions');

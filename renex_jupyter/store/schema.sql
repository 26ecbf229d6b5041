-- The tables of the store. First the folded tables in the schema `inside`, one row per object, whose first column is the
-- object's id; then the public views, which are the interface (version in store.json).
-- Times are UTC, durations seconds, sizes bytes.

create table inside.changes (
    writer    varchar,      -- the process that wrote the record: pid and 8 random digits
    seq       bigint,       -- orders the records of one writer
    at_us     bigint,       -- microseconds since the epoch
    actor     varchar,      -- user name
    action    varchar,      -- create, update, delete, checkout, upload, track, download, register, set, remove, verdict
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

create table inside.namespaces (
    namespace_id varchar, name varchar, description varchar, owner varchar, metadata json,
    archived boolean, created_at timestamptz
);

create table inside.experiments (
    experiment_id varchar, namespace varchar, name varchar, description varchar, owner varchar, framework varchar,
    external_id varchar,    -- of the same thing in another system
    link varchar,           -- to it there
    metadata json, starred boolean, archived boolean, created_at timestamptz
);

create table inside.notes (
    note_id varchar, owner_kind varchar, owner_id varchar, kind varchar, text varchar, author varchar,
    created_at timestamptz, edited_at timestamptz
);

create table inside.metric_definitions (    -- the id is the key of the metric
    definition_id varchar, goal varchar, summary varchar, unit varchar, description varchar
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
    output_size bigint,         -- bytes that it printed
    starred boolean
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

create table inside.evaluations (       -- owns the metrics that something reached on a dataset
    evaluation_id varchar, owner_kind varchar, owner_id varchar, dataset varchar, dataset_version_id varchar,
    created_at timestamptz
);

create table inside.artifacts (
    artifact_id varchar, owner_kind varchar, owner_id varchar,
    run_id varchar,             -- in which it was logged
    name varchar, kind varchar, mode varchar,
    uri varchar,                -- where it was taken from, or lies
    sha256 varchar,             -- of the file; of a folder over the paths, modes and contents of all its entries
    size bigint, mime varchar, step bigint, metadata json,
    files json,                 -- of a folder: path, kind, sha256, size, mode
    created_at timestamptz
);

create table inside.checkpoints (checkpoint_id varchar, run_id varchar, step bigint, artifact_id varchar, created_at timestamptz);

create table inside.models (
    model_id varchar, namespace varchar, name varchar, task varchar, owner varchar, description varchar, metadata json,
    starred boolean, archived boolean, created_at timestamptz
);

create table inside.model_versions (
    model_version_id varchar, model_id varchar, version bigint, run_id varchar, snapshot_id varchar, environment_id varchar,
    checkpoint_id varchar, artifact_id varchar, dataset varchar, dataset_version_id varchar, framework varchar,
    description varchar, metadata json,
    params json, metrics json,  -- as they were when it was registered
    status varchar,             -- active, retired, released: a policy has let go of its contents
    registered_by varchar, created_at timestamptz
);

create table inside.aliases (           -- the id is of model and alias, so that each names one version
    alias_id varchar, model_id varchar, alias varchar,
    version bigint,             -- null: it was taken away
    set_by varchar, reason varchar, created_at timestamptz
);

create table inside.labels (            -- the id is of model and label, so that one version has it
    label_id varchar, model_id varchar, label varchar, version bigint, set_by varchar, created_at timestamptz
);

create table inside.decisions (
    decision_id varchar, model_id varchar, model_version_id varchar, decision varchar, replaced_by varchar, reason varchar,
    author varchar, created_at timestamptz, drift_report_id varchar
);

create table inside.policies (
    policy_id varchar, model_id varchar, name varchar, kind varchar, rule json, enabled boolean, set_by varchar,
    created_at timestamptz
);

create table inside.policy_results (
    result_id varchar, policy_id varchar, model_id varchar,
    subject_kind varchar,       -- model_version, checkpoint
    subject_id varchar, verdict varchar, reason varchar, facts json, created_at timestamptz,
    policy varchar, kind varchar    -- name and kind of the policy, which may be deleted one day
);

create table inside.events (
    event_id varchar, owner_kind varchar, owner_id varchar, run_id varchar, name varchar, source varchar,
    wallclock timestamptz, metadata json,
    phase varchar,              -- start or finish of something that takes time
    span_id varchar,            -- the same for the start and the finish of one, where they overlap others of its name
    logged_at timestamptz       -- when it was recorded; orders what happened at the same time
);

create table inside.links (             -- what something used, where no column says so
    link_id varchar, from_kind varchar, from_id varchar, relation varchar, to_kind varchar, to_id varchar,
    created_at timestamptz
);

create table inside.datasets (
    dataset_id varchar, namespace varchar, name varchar, task varchar, owner varchar, description varchar, metadata json,
    starred boolean, archived boolean, created_at timestamptz
);

create table inside.dataset_versions (  -- the rows lie in Parquet files among the contents
    dataset_version_id varchar, dataset_id varchar, version bigint,
    digest varchar,             -- of fields, samples and annotations, whatever the order of the rows
    n_samples bigint, n_annotations bigint,
    fields json,                -- by position: name, type, role
    classes json,               -- of the target or the annotations, in order
    splits json,                -- name -> samples
    files json,                 -- role (samples, annotations), sha256, size, rows
    parent_id varchar,          -- the version that it was made of
    message varchar, source varchar, run_id varchar, created_by varchar, created_at timestamptz
);

create table inside.prediction_sets (
    prediction_set_id varchar, dataset_version_id varchar, model_version_id varchar, run_id varchar, name varchar,
    task varchar,
    classes json,               -- in the order of the probabilities
    n_predictions bigint, n_samples bigint, digest varchar, files json, created_by varchar, created_at timestamptz
);

create table inside.pattern_searches (
    pattern_search_id varchar, dataset_version_id varchar, prediction_set_id varchar, model_version_id varchar, run_id varchar,
    error varchar,              -- what was counted or summed up
    params json, n_samples bigint, errors double, base_rate double, candidates bigint,
    complete boolean,           -- false: the time was over, and there may be others
    outcome varchar,            -- why nothing was found, or was left out
    duration_s double, created_at timestamptz
);

create table inside.failure_patterns (
    failure_pattern_id varchar, pattern_search_id varchar, dataset_version_id varchar, model_version_id varchar, run_id varchar,
    position bigint, predicate json, predicate_text varchar, support bigint, errors double, error_rate double, base_rate double,
    score double, divergence double, t double, p_value double,
    holdout_support bigint, holdout_errors double, holdout_error_rate double, holdout_base_rate double, holdout_p_value double,
    adjusted_p_value double,    -- of the hold-out half, by Holm over all that are shown
    status varchar,             -- confirmed, not confirmed, too small
    contributions json,         -- of each condition of the predicate to the divergence
    created_at timestamptz,
    rest_support bigint,        -- samples without those of the confirmed patterns above it; of the hold-out half, if there is one
    rest_errors double, rest_error_rate double,
    rest_p_value double,        -- that the rest errs more than all by chance; of no rest: that it errs more than what it lies in
    explained_by bigint         -- position of the pattern above that it repeats; null: it stands by itself
);

create table inside.named_patterns (
    named_pattern_id varchar, dataset_id varchar, name varchar, predicate json, predicate_text varchar, error varchar,
    description varchar, failure_pattern_id varchar, created_by varchar, created_at timestamptz
);

create table inside.pattern_measures (  -- a named pattern, measured on the predictions of one model version
    pattern_measure_id varchar, named_pattern_id varchar, dataset_version_id varchar, prediction_set_id varchar,
    model_version_id varchar, support bigint, errors double, error_rate double, base_rate double,
    previous_id varchar,        -- the measure that it is compared with
    previous_rate double, p_value double,
    change varchar,             -- worse, better, same; null: nothing to compare with
    created_at timestamptz
);

create table inside.drift_reports (
    drift_report_id varchar, dataset_id varchar, reference_version_id varchar, current_version_id varchar,
    model_version_id varchar, run_id varchar,
    period varchar,             -- the window that was looked at, where it is a part of a version
    params json,
    results json,               -- by column: kind, statistic, value, floor, level, p_value
    performance json,           -- by window: metric, value, low, high, samples
    proposal varchar,           -- keep, investigate, recalibrate, retrain, replace, retire
    rule varchar,               -- that fired, in words
    facts json, created_at timestamptz
);

create table inside.workspaces (
    workspace_id varchar, dataset_id varchar, name varchar, owner varchar, description varchar,
    archived boolean, created_at timestamptz
);

create table inside.workspace_versions (
    workspace_version_id varchar, workspace_id varchar, version bigint, spec json, message varchar, saved_by varchar,
    created_at timestamptz
);

create table inside.hardware (hardware_id varchar, cpu varchar, cores bigint, memory_bytes bigint, gpus json, host varchar);

create view namespaces as select * from inside.namespaces;

create view experiments as select * from inside.experiments;

create view notes as select * from inside.notes;

create view metric_definitions as select definition_id as key, * exclude (definition_id) from inside.metric_definitions;

create view sessions as select * from inside.sessions;

create view tasks as select * from inside.tasks;

create view runs as select * exclude (pid, pid_started, boot_id) from inside.runs;

create view verifications as select * from inside.verifications;

create view params as select * exclude (param_id) from inside.params;

create view tags as select * exclude (tag_id) from inside.tags where value is not null;     -- null: it was taken away

create view metrics as
select owner_kind, owner_id, run_id, key, step, wallclock, value, text_value,
       bytes_value, dtype, shape
from inside.points where owner_id not in (select id from inside.changes where action = 'delete');

create view latest_metrics as
select owner_kind, owner_id, case when owner_kind = 'run' then owner_id end as run_id, key, value, step, wallclock,
       min_value, max_value, points
from inside.latest where owner_id not in (select id from inside.changes where action = 'delete');

create view metric_summaries as
select owner_kind, owner_id, run_id, key, last, min, max, mean, points, goal,
       case coalesce(summary, goal, 'last') when 'min' then min when 'max' then max when 'mean' then mean else last end as summary
from (
    select owner_kind, owner_id, any_value(run_id) as run_id, key,
           arg_max(value, {step: step, last: wallclock}) as last,
           min(value) filter (where not isnan(value)) as min, max(value) filter (where not isnan(value)) as max,
           avg(value) filter (where not isnan(value)) as mean, count(*) as points
    from inside.points where value is not null and owner_id not in (select id from inside.changes where action = 'delete')
    group by owner_kind, owner_id, key
) left join (select definition_id as key, goal, summary from inside.metric_definitions) using (key);

create view evaluations as select * from inside.evaluations;

create view artifacts as select * exclude (files) from inside.artifacts;

create view artifact_files as
select artifact_id, f.path, f.kind, f.sha256, f.size, f.mode
from (
    select artifact_id, unnest(from_json(files, '[{"path":"VARCHAR","kind":"VARCHAR","sha256":"VARCHAR","size":"BIGINT","mode":"BIGINT"}]')) as f
    from inside.artifacts where files is not null
)
union all
select artifact_id, name, 'file', sha256, size, 420 from inside.artifacts where files is null;

create view checkpoints as select * from inside.checkpoints;

create view models as select * from inside.models;

create view model_versions as
select model_version_id, namespace, m.name as model, version, v.* exclude (model_version_id, version)
from inside.model_versions v join inside.models m using (model_id);

create view model_metrics as
select v.model_version_id, m.namespace, m.name as model, v.version, e.dataset, l.key, l.value, l.step, l.wallclock
from inside.latest l
left join inside.evaluations e on l.owner_kind = 'evaluation' and e.evaluation_id = l.owner_id
join inside.model_versions v
    on v.model_version_id = case when l.owner_kind = 'evaluation' and e.owner_kind = 'model_version' then e.owner_id
                                 when l.owner_kind = 'model_version' then l.owner_id end
join inside.models m using (model_id);

create view aliases as
select namespace, m.name as model, alias, version, set_by, reason, a.created_at, model_id
from inside.aliases a join inside.models m using (model_id) where version is not null;

create view labels as
select namespace, m.name as model, label, version, set_by, l.created_at, model_id
from inside.labels l join inside.models m using (model_id) where version is not null;

create view decisions as
select decision_id, namespace, m.name as model, version, decision, replaced_by, reason, author, d.created_at, model_version_id,
       drift_report_id
from inside.decisions d left join inside.models m using (model_id)
left join (select model_version_id, version from inside.model_versions) using (model_version_id)
where m.model_id is not null or d.model_id is null;  -- one on a look at drift may be about no model

create view policies as
select policy_id, namespace, m.name as model, p.name, kind, rule, enabled, set_by, p.created_at, model_id
from inside.policies p join inside.models m using (model_id);

create view policy_results as
select result_id, policy_id, namespace, m.name as model, coalesce(p.name, r.policy) as policy,
       coalesce(p.kind, r.kind) as kind, subject_kind, subject_id, version, verdict, reason, facts, r.created_at
from inside.policy_results r join inside.models m using (model_id)
left join (select policy_id, name, kind from inside.policies) p using (policy_id)
left join (select model_version_id as subject_id, version from inside.model_versions) using (subject_id);

create view events as select * from inside.events;

create view event_spans as
select owner_kind, owner_id, run_id, name, source, wallclock as started_at, ended_at,
       epoch_us(ended_at - wallclock) / 1e6 as duration_s, coalesce(json_merge_patch(metadata, said), metadata, said) as metadata,
       span_id
from (
    select *, case when lead(phase) over following = 'finish' then lead(wallclock) over following end as ended_at,
           case when lead(phase) over following = 'finish' then lead(metadata) over following end as said
    from inside.events where phase is not null
    window following as (partition by owner_kind, owner_id, source, name, span_id order by wallclock, logged_at, event_id)
) where phase = 'start';

create view lineage as
select * from (
    select 'run' as from_kind, run_id as from_id, unnest(['started_from', 'ended_in', 'ran_in', 'part_of', 'repeats']) as relation,
           unnest(['snapshot', 'snapshot', 'environment', 'run', 'run']) as to_kind,
           unnest([before_snapshot_id, after_snapshot_id, environment_id, parent_run_id, rerun_of]) as to_id
    from inside.runs
    union all
    select 'artifact', artifact_id, 'logged_in', 'run', run_id from inside.artifacts
    union all
    select 'artifact', artifact_id, 'belongs_to', owner_kind, owner_id from inside.artifacts where owner_kind <> 'run'
    union all
    select 'checkpoint', checkpoint_id, unnest(['written_by', 'holds']), unnest(['run', 'artifact']), unnest([run_id, artifact_id])
    from inside.checkpoints
    union all
    select 'model_version', model_version_id,
           unnest(['version_of', 'trained_by', 'trained_from', 'trained_in', 'converted_from', 'holds', 'trained_on']),
           unnest(['model', 'run', 'snapshot', 'environment', 'checkpoint', 'artifact', 'dataset_version']),
           unnest([model_id, run_id, snapshot_id, environment_id, checkpoint_id, artifact_id, dataset_version_id])
    from inside.model_versions
    union all
    select 'dataset_version', dataset_version_id, unnest(['version_of', 'made_of', 'made_in']),
           unnest(['dataset', 'dataset_version', 'run']), unnest([dataset_id, parent_id, run_id])
    from inside.dataset_versions
    union all
    select 'prediction_set', prediction_set_id, unnest(['predictions_on', 'predicted_by', 'logged_in']),
           unnest(['dataset_version', 'model_version', 'run']), unnest([dataset_version_id, model_version_id, run_id])
    from inside.prediction_sets
    union all
    select from_kind, from_id, relation, to_kind, to_id from inside.links
) where to_id is not null;


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

create view datasets as select * from inside.datasets;

create view dataset_versions as
select dataset_version_id, namespace, d.name as dataset, version, v.* exclude (dataset_version_id, version, fields, files), fields
from inside.dataset_versions v join inside.datasets d using (dataset_id);

create view prediction_sets as
select prediction_set_id, d.namespace, d.name as dataset, v.version as dataset_version, m.name as model, mv.version as model_version,
       p.* exclude (prediction_set_id, files)
from inside.prediction_sets p
join inside.dataset_versions v using (dataset_version_id) join inside.datasets d using (dataset_id)
left join inside.model_versions mv using (model_version_id) left join inside.models m using (model_id);

create view samples as select * from inside.samples;  -- rows of contents, not of changes: see sample_rows.py

create view annotations as select * from inside.annotations;

create view predictions as select * from inside.predictions;

create view pattern_searches as select * from inside.pattern_searches;

create view failure_patterns as select * from inside.failure_patterns;

create view named_patterns as select * from inside.named_patterns;

create view pattern_measures as
select pattern_measure_id, n.name as pattern, predicate_text, m.* exclude (pattern_measure_id)
from inside.pattern_measures m join inside.named_patterns n using (named_pattern_id);

create view drift_reports as select * from inside.drift_reports;

create view workspaces as
select workspace_id, d.namespace, d.name as dataset, w.name, version, spec, w.owner, w.description, w.archived, w.created_at,
       saved_by, saved_at, message, dataset_id
from inside.workspaces w join inside.datasets d using (dataset_id)
left join (
    select workspace_id, version, spec, saved_by, created_at as saved_at, message from inside.workspace_versions
    qualify row_number() over (partition by workspace_id order by version desc, created_at desc) = 1
) using (workspace_id);

create view workspace_versions as select * from inside.workspace_versions;

create view hardware as select * from inside.hardware;

create view change_events as
select writer || '.' || seq as change_id, writer, seq, make_timestamptz(at_us) as "at", actor, action, kind as object_kind,
       id as object_id, namespace, before, after
from inside.changes
where kind not in ('codes', 'file_parts', 'cell_executions', 'sessions');

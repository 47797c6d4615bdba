//! The common parts of all commands on versions: reading versions, finding a version by its
//! revision, and changing records.

mod age;
mod cache;
mod change;
mod deleted;
mod describe;
mod disabled;
mod facts;
mod find;
mod index;
mod load;
mod stage_hooks;
mod stage_move;
mod trace;
mod version_history;
mod versions_at;

pub(crate) use age::by_age;
pub(crate) use deleted::removed_versions;
pub(crate) use describe::check_readme;
pub use describe::{ContentChange, README_MAX_LEN};
pub(crate) use disabled::refuse_disabled;
pub(crate) use facts::{COUNT_LIMIT, Facts, run_status};
pub(crate) use find::{find_moving, find_version, load_version, name_version};
pub use index::UnreadableVersion;
pub(crate) use index::{
    VersionIndex, read_all_versions, read_brief, read_index, read_newest_versions, read_versions,
    version_refs,
};
pub(crate) use load::{LoadedVersion, VersionDraft, read_version_record, try_load_version};
pub(crate) use stage_hooks::change_stages;
pub use stage_move::DisplacedVersion;
pub(crate) use stage_move::{
    GivenReason, ProjectPolicy, announce, check_first_stage, enter_first_stage, enter_stage,
    is_in_stage, policy_request, project_policy,
};
pub(crate) use trace::{find_moved, find_origin};
pub(crate) use version_history::VersionHistory;
pub(crate) use versions_at::read_versions_at;

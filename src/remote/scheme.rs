//! The stores that a URI can name, and the options of each.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind, Result};
use crate::suggest;

/// A URI scheme and its service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scheme {
    /// The word before `://`.
    pub(super) name: &'static str,
    /// OpenDAL's name of the service.
    pub(super) service: &'static str,
    /// The format of the rest of the URI.
    pub(super) shape: Shape,
}

/// The format of a URI after the scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An absolute path.
    Path,
    /// A name within this process.
    Memory,
    /// `BUCKET/PREFIX`; the value is the bucket's option.
    Bucket(&'static str),
    /// `HOST:PORT/BUCKET/PREFIX`; the values are the endpoint's protocol and the bucket's option.
    HostBucket(&'static str, &'static str),
    /// `ACCOUNT.blob.HOST/CONTAINER/PREFIX` or `HOST:PORT/ACCOUNT/CONTAINER/PREFIX`; the value is
    /// the endpoint's protocol.
    AzureHost(&'static str),
    /// `HOST:PORT/v1/ACCOUNT/CONTAINER/PREFIX`; the value is the storage URL's protocol.
    SwiftHost(&'static str),
    /// `HOST:PORT/PREFIX`; the value is the endpoint's protocol.
    Host(&'static str),
    /// `CONTAINER@HOST/PREFIX`, as in Azure's own tools.
    Abfs,
    /// `USER@HOST:PORT/PREFIX`; the endpoint has no protocol.
    Ssh,
    /// Passed to OpenDAL unchanged.
    Plain,
}

const fn scheme(name: &'static str, service: &'static str, shape: Shape) -> Scheme {
    Scheme { name, service, shape }
}

/// All supported schemes.
pub(super) const SCHEMES: &[Scheme] = &[
    scheme("fs", "fs", Shape::Path),
    scheme("file", "fs", Shape::Path),
    scheme("memory", "memory", Shape::Memory),
    scheme("s3", "s3", Shape::Bucket("bucket")),
    scheme("s3+http", "s3", Shape::HostBucket("http", "bucket")),
    scheme("s3+https", "s3", Shape::HostBucket("https", "bucket")),
    scheme("gcs", "gcs", Shape::Bucket("bucket")),
    scheme("gs", "gcs", Shape::Bucket("bucket")),
    scheme("gcs+http", "gcs", Shape::HostBucket("http", "bucket")),
    scheme("azblob", "azblob", Shape::Bucket("container")),
    scheme("az", "azblob", Shape::Bucket("container")),
    scheme("azblob+http", "azblob", Shape::AzureHost("http")),
    scheme("azblob+https", "azblob", Shape::AzureHost("https")),
    scheme("abfs", "azdls", Shape::Abfs),
    scheme("abfss", "azdls", Shape::Abfs),
    scheme("azdls", "azdls", Shape::HostBucket("https", "filesystem")),
    scheme("oss", "oss", Shape::Bucket("bucket")),
    scheme("cos", "cos", Shape::Bucket("bucket")),
    scheme("cosn", "cos", Shape::Bucket("bucket")),
    scheme("obs", "obs", Shape::Bucket("bucket")),
    scheme("b2", "b2", Shape::Bucket("bucket")),
    scheme("swift", "swift", Shape::Bucket("container")),
    scheme("swift+http", "swift", Shape::SwiftHost("http")),
    scheme("swift+https", "swift", Shape::SwiftHost("https")),
    scheme("webdav", "webdav", Shape::Host("https")),
    scheme("webdavs", "webdav", Shape::Host("https")),
    scheme("webdav+https", "webdav", Shape::Host("https")),
    scheme("webdav+http", "webdav", Shape::Host("http")),
    scheme("sftp", "sftp", Shape::Ssh),
    scheme("webhdfs", "webhdfs", Shape::Host("http")),
    scheme("webhdfs+https", "webhdfs", Shape::Host("https")),
    scheme("http", "http", Shape::Host("http")),
    scheme("https", "http", Shape::Host("https")),
    scheme("hf", "hf", Shape::Plain),
    scheme("aliyun-drive", "aliyun-drive", Shape::Plain),
    scheme("azfile", "azfile", Shape::Plain),
    scheme("dropbox", "dropbox", Shape::Plain),
    scheme("gdrive", "gdrive", Shape::Plain),
    scheme("github", "github", Shape::Plain),
    scheme("koofr", "koofr", Shape::Plain),
    scheme("lakefs", "lakefs", Shape::Plain),
    scheme("onedrive", "onedrive", Shape::Plain),
    scheme("pcloud", "pcloud", Shape::Plain),
    scheme("seafile", "seafile", Shape::Plain),
    scheme("tos", "tos", Shape::Plain),
    scheme("upyun", "upyun", Shape::Plain),
    scheme("yandex-disk", "yandex-disk", Shape::Plain),
];

/// Finds the scheme with this lower-case name. Otherwise, fails and suggests the closest one.
pub(super) fn find_scheme(name: &str) -> Result<Scheme> {
    if let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.name == name) {
        return Ok(*scheme);
    }
    if matches!(name, "ftp" | "ftps" | "ftpes") {
        let message = "FTP is not supported: answers of FTP servers are ambiguous, and objects \
                       get lost unnoticed";
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint(
            "use sftp://USER@HOST/PATH, or serve the directory: rclone serve webdav DIR",
        ));
    }
    if matches!(name, "ssh" | "scp" | "sshfs" | "rsync") {
        return Err(Error::invalid(format!("unknown kind of store '{name}'"))
            .with_hint("use SFTP, which works over SSH: sftp://USER@HOST:PORT/PATH"));
    }
    let names = SCHEMES.iter().map(|scheme| scheme.name);
    // Text that does not resemble a scheme could be a secret, so do not repeat it.
    Err(match suggest::closest(name, names) {
        Some(near) => Error::invalid(format!("unknown kind of store '{}'", name.escape_debug()))
            .with_hint(format!("did you mean {near}://…?")),
        None => Error::invalid("the URI does not begin with a known kind of store")
            .with_hint("write, for example, s3://BUCKET/PREFIX, gs://BUCKET or /srv/store"),
    })
}

/// The error for a service that is not part of this build.
pub(super) fn not_built(service: &str) -> Error {
    let message = format!("this art was built without the store '{service}'");
    Error::new(ErrorKind::Unsupported, message)
        .with_hint(format!("cargo install artifacts --features store-{service}"))
}

/// Returns true if the value of option `key` is a secret.
pub(super) fn is_secret(key: &str) -> bool {
    const NAMES: &[&str] = &[
        "account_key",
        "access_key_id",
        "access_key_secret",
        "application_key",
        "application_key_id",
        "credential",
        "delegation",
        "encryption_key",
        "password",
        "secret_id",
        "secret_key",
        "server_side_encryption_customer_key",
        "sig",
        "signature",
        "temp_url_key",
    ];
    let key = key.to_ascii_lowercase();
    let key = key.replace('-', "_");
    NAMES.contains(&key.as_str())
        || key.contains("secret")
        || key.contains("pass")
        || key == "pwd"
        || key.ends_with("token")
        || key.starts_with("x_amz_")
}

/// Returns true if `service` keeps objects in buckets without directories. There, the answer "not found" to
/// a list request means that the bucket does not exist.
pub(super) fn has_buckets(service: &str) -> bool {
    matches!(service, "s3" | "gcs" | "azblob" | "oss" | "cos" | "obs" | "b2" | "swift" | "tos")
}

/// The options of a service that a URI may contain: those that are neither secret nor set by the
/// place before `?`.
pub(super) fn known_options(service: &str) -> &'static [&'static str] {
    match service {
        "s3" => &[
            "region",
            "endpoint",
            "role_arn",
            "external_id",
            "role_session_name",
            "assume_role_duration_seconds",
            "profile",
            "disable_config_load",
            "disable_ec2_metadata",
            "skip_signature",
            "server_side_encryption",
            "server_side_encryption_aws_kms_key_id",
            "default_storage_class",
            "enable_virtual_host_style",
            "delete_max_size",
            "checksum_algorithm",
            "disable_list_objects_v2",
            "enable_request_payer",
            "default_acl",
        ],
        "gcs" => &[
            "endpoint",
            "scope",
            "service_account",
            "credential_path",
            "predefined_acl",
            "default_storage_class",
            "skip_signature",
            "disable_vm_metadata",
            "disable_config_load",
        ],
        "azblob" => &["endpoint", "account_name", "skip_signature"],
        "azdls" => {
            &["endpoint", "account_name", "tenant_id", "client_id", "authority_host", "enable_hns"]
        }
        "oss" => &[
            "endpoint",
            "addressing_style",
            "server_side_encryption",
            "skip_signature",
            "delete_max_size",
            "role_arn",
            "role_session_name",
            "oidc_provider_arn",
            "oidc_token_file",
            "sts_endpoint",
            "external_id",
        ],
        "cos" => &["endpoint", "disable_config_load"],
        "obs" | "swift" => &["endpoint"],
        "http" | "pcloud" | "seafile" => &["username"],
        "hf" => &["endpoint", "download_mode", "enable_resolve_cache"],
        "b2" => &["bucket_id"],
        "webdav" => &["disable_copy", "disable_create_dir", "username"],
        "sftp" => &["key", "known_hosts_strategy", "user"],
        "webhdfs" => &["user_name", "disable_list_batch"],
        "aliyun-drive" | "dropbox" | "gdrive" => &["client_id"],
        "azfile" => &["account_name"],
        "lakefs" => &["branch", "username"],
        "onedrive" => &["client_id", "enable_versioning"],
        "tos" => &["endpoint", "region", "disable_config_load", "skip_signature"],
        "upyun" => &["operator"],
        // The place of these sets all options: fs, memory, github, koofr, yandex-disk.
        _ => &[],
    }
}

/// The environment variables for options of `service` that a URI must not contain, each with its
/// option. Variables that OpenDAL itself reads (Amazon, Google, Alibaba, Tencent) are not included.
pub(super) fn variables(service: &str) -> &'static [(&'static str, &'static str)] {
    match service {
        "azblob" | "azdls" => &[
            ("AZURE_STORAGE_ACCOUNT", "account_name"),
            ("AZURE_STORAGE_KEY", "account_key"),
            ("AZURE_STORAGE_SAS_TOKEN", "sas_token"),
        ],
        "obs" => &[
            ("OBS_ACCESS_KEY_ID", "access_key_id"),
            ("OBS_SECRET_ACCESS_KEY", "secret_access_key"),
        ],
        "b2" => &[
            ("B2_APPLICATION_KEY_ID", "application_key_id"),
            ("B2_APPLICATION_KEY", "application_key"),
        ],
        "swift" => super::swift_login::VARIABLES,
        "webdav" => &[
            ("ART_WEBDAV_USERNAME", "username"),
            ("ART_WEBDAV_PASSWORD", "password"),
            ("ART_WEBDAV_TOKEN", "token"),
        ],
        "webhdfs" => &[("ART_WEBHDFS_DELEGATION", "delegation")],
        "http" => &[
            ("ART_HTTP_USERNAME", "username"),
            ("ART_HTTP_PASSWORD", "password"),
            ("ART_HTTP_TOKEN", "token"),
        ],
        "hf" => &[("HF_TOKEN", "token")],
        "aliyun-drive" => &[
            ("ART_ALIYUN_DRIVE_ACCESS_TOKEN", "access_token"),
            ("ART_ALIYUN_DRIVE_REFRESH_TOKEN", "refresh_token"),
            ("ART_ALIYUN_DRIVE_CLIENT_ID", "client_id"),
            ("ART_ALIYUN_DRIVE_CLIENT_SECRET", "client_secret"),
        ],
        "azfile" => {
            &[("ART_AZFILE_ACCOUNT_KEY", "account_key"), ("ART_AZFILE_SAS_TOKEN", "sas_token")]
        }
        "dropbox" => &[
            ("ART_DROPBOX_ACCESS_TOKEN", "access_token"),
            ("ART_DROPBOX_REFRESH_TOKEN", "refresh_token"),
            ("ART_DROPBOX_CLIENT_ID", "client_id"),
            ("ART_DROPBOX_CLIENT_SECRET", "client_secret"),
        ],
        "gdrive" => &[
            ("ART_GDRIVE_ACCESS_TOKEN", "access_token"),
            ("ART_GDRIVE_REFRESH_TOKEN", "refresh_token"),
            ("ART_GDRIVE_CLIENT_ID", "client_id"),
            ("ART_GDRIVE_CLIENT_SECRET", "client_secret"),
        ],
        "github" => &[("ART_GITHUB_TOKEN", "token")],
        "koofr" => &[("ART_KOOFR_PASSWORD", "password")],
        "lakefs" => &[("ART_LAKEFS_USERNAME", "username"), ("ART_LAKEFS_PASSWORD", "password")],
        "onedrive" => &[
            ("ART_ONEDRIVE_ACCESS_TOKEN", "access_token"),
            ("ART_ONEDRIVE_REFRESH_TOKEN", "refresh_token"),
            ("ART_ONEDRIVE_CLIENT_ID", "client_id"),
            ("ART_ONEDRIVE_CLIENT_SECRET", "client_secret"),
        ],
        "pcloud" => &[("ART_PCLOUD_USERNAME", "username"), ("ART_PCLOUD_PASSWORD", "password")],
        "seafile" => &[("ART_SEAFILE_USERNAME", "username"), ("ART_SEAFILE_PASSWORD", "password")],
        "tos" => &[
            ("ART_TOS_ACCESS_KEY_ID", "access_key_id"),
            ("ART_TOS_SECRET_ACCESS_KEY", "secret_access_key"),
            ("ART_TOS_SECURITY_TOKEN", "security_token"),
        ],
        "upyun" => &[("ART_UPYUN_OPERATOR", "operator"), ("ART_UPYUN_PASSWORD", "password")],
        "yandex-disk" => &[("ART_YANDEX_DISK_ACCESS_TOKEN", "access_token")],
        _ => &[],
    }
}

/// Lists the schemes that a URI can begin with.
pub fn schemes() -> impl Iterator<Item = &'static str> {
    SCHEMES.iter().map(|scheme| scheme.name)
}

/// Lists all environment variables of all services, sorted and without duplicates.
pub fn secret_variables() -> BTreeSet<&'static str> {
    SCHEMES.iter().flat_map(|scheme| variables(scheme.service)).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_with_secrets_are_listed() {
        let all = secret_variables();
        for name in ["AZURE_STORAGE_KEY", "ART_WEBDAV_PASSWORD", "OS_AUTH_TOKEN", "HF_TOKEN"] {
            assert!(all.contains(name), "{name}");
        }
        assert!(!all.contains("HOME"));
    }

    #[test]
    fn options_from_the_environment_are_secret_and_uri_options_are_not() {
        for scheme in SCHEMES {
            for key in known_options(scheme.service) {
                assert!(!is_secret(key), "{} {key}", scheme.name);
            }
            for (variable, option) in variables(scheme.service) {
                let names = ["account_name", "username", "operator", "client_id"];
                let is_name = names.contains(option) || scheme.service == "swift";
                assert!(is_name || is_secret(option), "{variable}");
            }
        }
    }

    #[test]
    fn the_error_for_an_excluded_store_names_its_feature() {
        let error = not_built("dropbox");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.hint(), Some("cargo install artifacts --features store-dropbox"));
    }
}

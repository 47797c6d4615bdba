//! Directories and names on an SFTP server.

use openssh_sftp_client::error::Error as SftpError;

use super::ssh::SshConnection;

/// The result of requests to an SFTP server.
pub(super) type Answer<T> = Result<T, SftpError>;

/// Creates the directory `path` and its missing ancestors.
pub(super) async fn make_directories(link: &SshConnection, path: &str) -> Answer<()> {
    let mut missing = Vec::new();
    let mut fs = link.sftp().fs();
    let mut next = path;
    while !next.is_empty() {
        match fs.metadata(next).await {
            Ok(_) => break,
            Err(error) if is_absent(&error) => missing.push(next),
            Err(error) => return Err(error),
        }
        next = next.rsplit_once('/').map_or("", |(above, _)| above);
    }
    for directory in missing.into_iter().rev() {
        if let Err(error) = fs.create_dir(directory).await {
            // Another writer created the directory first.
            if fs.metadata(directory).await.is_err() {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Renames a file.
pub(super) async fn rename(link: &SshConnection, from: &str, to: &str) -> Answer<()> {
    link.sftp().fs().rename(from, to).await
}

/// Removes a file. An absent file is not an error.
pub(super) async fn remove(link: &SshConnection, path: &str) -> Answer<()> {
    match link.sftp().fs().remove_file(path).await {
        Err(error) if !is_absent(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Returns true if the error means that the path does not exist.
pub(super) fn is_absent(error: &SftpError) -> bool {
    use openssh_sftp_client::error::SftpErrorKind::NoSuchFile;
    matches!(error, SftpError::SftpError(NoSuchFile, _))
}

/// Returns true if the error can mean that the server accepts data only in the order of the file.
/// Protocol version 3 has no code for that.
pub(super) fn may_want_order(error: &SftpError) -> bool {
    use openssh_sftp_client::error::SftpErrorKind::{BadMessage, Failure, OpUnsupported};
    matches!(error, SftpError::SftpError(BadMessage | Failure | OpUnsupported, _))
}

//! What URIs mean, and what they never say.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<RemoteUri> {
    RemoteUri::parse(text, Path::new("/desk/dir"))
}

fn options(text: &str) -> Vec<(String, String)> {
    match parse(text).unwrap().target {
        Target::Service { mut options, service, .. } => {
            options.push(("service".to_owned(), service));
            options.sort();
            options
        }
        other => panic!("{other:?}"),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut pairs: Vec<_> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    pairs.sort();
    pairs
}

#[test]
fn paths_are_directories_below_the_working_directory() {
    for (text, path) in [
        ("/srv/store", "/srv/store"),
        ("store", "/desk/dir/store"),
        ("./a/../store/", "/desk/dir/store"),
        ("../store", "/desk/store"),
        ("fs:///srv/a%20b", "/srv/a b"),
        ("file:///srv/store", "/srv/store"),
    ] {
        let uri = parse(text).unwrap();
        assert_eq!(uri.directory(), Some(Path::new(path)), "{text}");
        assert_eq!(uri.to_string(), path, "{text}");
    }
}

#[test]
fn aliases_mean_the_service_and_its_options() {
    assert_eq!(
        options("s3://bucket/a/b?region=eu-central-1"),
        pairs(&[
            ("service", "s3"),
            ("bucket", "bucket"),
            ("root", "a/b"),
            ("region", "eu-central-1")
        ])
    );
    assert_eq!(
        options("s3+http://127.0.0.1:9000/bucket/a"),
        pairs(&[
            ("service", "s3"),
            ("endpoint", "http://127.0.0.1:9000"),
            ("bucket", "bucket"),
            ("root", "a"),
            ("region", "us-east-1"),
        ])
    );
    assert_eq!(
        options("gs://bucket?endpoint=http%3A%2F%2Flocalhost%3A4443"),
        pairs(&[("service", "gcs"), ("bucket", "bucket"), ("endpoint", "http://localhost:4443")])
    );
    assert_eq!(
        options("az://box/p"),
        pairs(&[("service", "azblob"), ("container", "box"), ("root", "p")])
    );
    assert_eq!(
        options("abfss://box@acc.dfs.core.windows.net/p"),
        pairs(&[
            ("service", "azdls"),
            ("endpoint", "https://acc.dfs.core.windows.net"),
            ("filesystem", "box"),
            ("account_name", "acc"),
            ("root", "p"),
        ])
    );
    assert_eq!(
        options("webdav+http://host:81/dav/x"),
        pairs(&[("service", "webdav"), ("endpoint", "http://host:81"), ("root", "dav/x")])
    );
    assert_eq!(
        options("sftp://ada@host/srv/x"),
        pairs(&[("service", "sftp"), ("endpoint", "host"), ("user", "ada"), ("root", "/srv/x")])
    );
    assert_eq!(
        options("sftp://host:2222/x"),
        pairs(&[("service", "sftp"), ("endpoint", "ssh://host:2222"), ("root", "/x")])
    );
}

#[test]
fn a_scheme_nobody_knows_names_the_one_that_was_meant() {
    let error = parse("s33://bucket").unwrap_err();
    assert_eq!(error.message(), "there is no kind of store 's33'");
    assert_eq!(error.hint(), Some("did you mean s3://…?"));
    let error = parse("s3://bucket?regoin=x").unwrap_err();
    assert_eq!(error.hint(), Some("did you mean 'region'?"));
}

#[test]
fn what_is_no_place_is_refused() {
    for bad in [
        "",
        "s3://",
        "s3+http://host:9000",
        "fs://relative/path",
        "s3:/bucket",
        "git@host:path",
        "ada@host:path/below",
        "host:path",
        "/",
        "s3://bucket/../x",
        "s3://bucket/%2e%2e/x",
        "s3://bucket/a%0ab",
        "s3://bucket/%ff",
        "s3://bucket?region=a&region=b",
        "s3://bucket#x",
    ] {
        let error = parse(bad).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{bad}");
    }
}

#[test]
fn a_path_on_another_machine_is_told_from_a_directory() {
    let error = parse("ada@host:srv/art").unwrap_err();
    let hint = "sftp://ada@host/srv/art for a machine, ./ada@host:srv/art for a directory";
    assert_eq!(error.hint(), Some(hint));
    assert!(parse("./host:path").unwrap().directory().is_some());
    assert!(parse("/srv/host:path").unwrap().directory().is_some());
}

#[test]
fn secrets_are_refused_and_not_repeated() {
    for bad in [
        "s3://bucket?secret_access_key=hunter2",
        "s3://bucket?access_key_id=hunter2",
        "s3://bucket?X-Amz-Signature=hunter2",
        "s3://hunter2@bucket/x",
        "webdav://ada:hunter2@host/x",
        "sftp://ada:hunter2@host/x",
        "az://box?sas_token=hunter2",
        "az://box?sig=hunter2",
        "hf://datasets/a/b?token=hunter2",
        "ftp://:hunter2@host/0",
    ] {
        let error = parse(bad).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_uri_or_an_error_and_what_is_shown_means_the_same(text in "\\PC{0,60}") {
        if let Ok(uri) = parse(&text) {
            prop_assert_eq!(parse(&uri.to_string()).unwrap().target, uri.target);
        }
    }

    #[test]
    fn what_is_shown_of_a_service_means_the_same(
        scheme in prop::sample::select(vec!["s3", "gs", "s3+http", "webdav", "sftp", "abfs"]),
        place in "[a-z%.:@/0-9]{1,30}",
        value in "\\PC{0,20}",
    ) {
        let value = percent_encoding::utf8_percent_encode(&value, ENCODED);
        let text = format!("{scheme}://{place}?endpoint={value}");
        if let Ok(uri) = parse(&text) {
            prop_assert_eq!(parse(&uri.to_string()).unwrap().target, uri.target);
        }
    }
}

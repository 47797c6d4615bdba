//! Tests of the meaning of URIs, and of secrets in them.

use super::super::scheme::SCHEMES;
use super::super::secrets::mask_secrets;
use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<RemoteUri> {
    RemoteUri::parse(text, Path::new("/desk/dir"))
}

fn options(text: &str) -> Vec<(String, String)> {
    match parse(text).unwrap().target {
        UriTarget::Service { mut options, service, .. } => {
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
fn schemes_set_the_service_and_its_options() {
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
        pairs(&[("service", "sftp"), ("endpoint", "host:2222"), ("root", "/x")])
    );
}

#[test]
fn an_unknown_scheme_suggests_the_closest_one() {
    let error = parse("s33://bucket").unwrap_err();
    assert_eq!(error.message(), "unknown kind of store 's33'");
    assert_eq!(error.hint(), Some("did you mean s3://…?"));
    let error = parse("s3://bucket?regoin=x").unwrap_err();
    assert_eq!(error.hint(), Some("did you mean 'region'?"));
}

#[test]
fn an_invalid_location_is_refused() {
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
fn ftp_is_refused_with_an_alternative() {
    for text in ["ftp://host/x", "ftps://host/x"] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
        assert!(error.hint().unwrap().contains("sftp://USER@HOST/PATH"), "{error:?}");
    }
}

#[test]
fn a_host_that_ssh_would_take_for_an_option_is_refused() {
    for bad in [
        "sftp://-oProxyCommand=x/y",
        "sftp://%2doProxyCommand=x/y",
        "sftp://-l@host/x",
        "sftp://%2Dl@host/x",
        "sftp://ada@-host/x",
        "sftp://host/x?user=-l",
        "sftp://host/x?key=-F",
        "sftp://[-x]/y",
        "sftp://ada@ho%20st/x",
    ] {
        let error = parse(bad).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{bad}");
    }
    assert!(parse("sftp://ada@ho-st/-x").is_ok());
}

#[test]
fn an_option_that_would_be_ignored_is_refused_by_name() {
    for (text, name) in [
        ("s3+http://host/bucket?endpoint=http%3A%2F%2Fother", "endpoint"),
        ("sftp://ada@host/x?user=bob", "user"),
        ("webdav://host/x?endpoint=y", "endpoint"),
        ("azblob+http://host/acc/box?account_name=other", "account_name"),
        ("obs://bucket?user=ada", "user"),
        ("hf://datasets/a/b?reviison=x", "reviison"),
        ("hf://datasets/a/b@c?revision=x", "revision"),
        ("memory://x?size=1", "size"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{text}");
        assert!(error.message().contains(&format!("'{name}'")), "{text}: {error:?}");
    }
}

#[test]
fn every_scheme_refuses_options_that_its_store_does_not_have_or_that_its_place_sets() {
    for scheme in SCHEMES {
        let place = match scheme.shape {
            Shape::Path => "/srv/store",
            Shape::AzureHost(_) => "host/account/box",
            Shape::SwiftHost(_) => "host/v1/AUTH_x/box",
            Shape::Abfs => "box@account.dfs.core.windows.net",
            _ => "host/a/b",
        };
        for option in ["root", "bucket", "share_name", "repo_name", "drive_type", "colour"] {
            let text = format!("{}://{place}?{option}=x", scheme.name);
            let error = parse(&text).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{text}");
            assert!(error.message().contains(&format!("'{option}'")), "{text}: {error:?}");
            assert!(error.hint().is_some(), "{text}");
        }
        assert!(parse(&format!("{}://{place}", scheme.name)).is_ok(), "{}", scheme.name);
    }
}

#[test]
fn a_prefix_in_a_repository_of_hugging_face_is_a_place_of_its_own() {
    for (text, place, root) in [
        ("hf://datasets/ada/digits/a/b", "hf://datasets/ada/digits", Some("a/b")),
        ("hf://datasets/ada/digits@dev/a", "hf://datasets/ada/digits@dev", Some("a")),
        ("hf://ada/digits@refs/pr/1/a%20b", "hf://ada/digits@refs/pr/1", Some("a b")),
        ("hf://ada/digits", "hf://ada/digits", None),
        ("hf://gpt2", "hf://gpt2", None),
        ("hf://gpt2/", "hf://gpt2", None),
        ("hf://ada/digits//", "hf://ada/digits", None),
    ] {
        let parsed = parse(text).unwrap();
        assert_eq!(parse(&parsed.to_string()).unwrap(), parsed, "{text}");
        let UriTarget::Service { uri, options, .. } = parsed.target else {
            panic!("{text}");
        };
        assert_eq!(uri.as_deref(), Some(place), "{text}");
        let found = options.iter().find(|(key, _)| key == "root");
        assert_eq!(found.map(|(_, value)| value.as_str()), root, "{text}");
    }
}

#[test]
fn azure_and_swift_addresses_with_an_account_are_parsed() {
    assert_eq!(
        options("azblob+http://127.0.0.1:10000/acc/box/p/q"),
        pairs(&[
            ("service", "azblob"),
            ("endpoint", "http://127.0.0.1:10000/acc"),
            ("account_name", "acc"),
            ("container", "box"),
            ("root", "p/q"),
        ])
    );
    assert_eq!(
        options("azblob+https://acc.blob.core.windows.net/box/p"),
        pairs(&[
            ("service", "azblob"),
            ("endpoint", "https://acc.blob.core.windows.net"),
            ("account_name", "acc"),
            ("container", "box"),
            ("root", "p"),
        ])
    );
    for (text, endpoint, root) in [
        ("swift+https://host/v1/AUTH_x/box/p/q", "https://host/v1/AUTH_x", "p/q"),
        ("swift+https://host/v1/acc/box", "https://host/v1/acc", ""),
        ("swift+https://host/swift/v1/box/p", "https://host/swift/v1", "p"),
        ("swift+https://host/swift/v1/AUTH_x/box/p", "https://host/swift/v1/AUTH_x", "p"),
    ] {
        let found = options(text);
        let find = |name: &str| {
            found.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
        };
        assert_eq!((find("endpoint"), find("container"), find("root")), (endpoint, "box", root));
    }
    for bad in [
        "azblob+http://127.0.0.1:10000/box",
        "swift+https://host/box/p",
        "swift+https://host/v1/AUTH_x",
        "swift://host/v1/AUTH_x/box",
    ] {
        assert!(parse(bad).unwrap_err().hint().is_some(), "{bad}");
    }
}

#[test]
fn a_path_on_another_machine_is_not_taken_for_a_directory() {
    let error = parse("ada@host:srv/art").unwrap_err();
    let hint = "write sftp://USER@HOST/PATH for a machine, ./PATH for a directory";
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
        "webdav://:hunter2@host/0",
        "u:hunter2@host:/x",
        "s3+http:u:hunter2@h",
        "hunter2://host",
        "u:hunter2://host",
        "webdav://u:hunter2@host",
        "webdav://u%3ahunter2%40host/x",
        "s3://bucket?hunter2",
    ] {
        let error = parse(bad).unwrap_err();
        assert!(!format!("{error:?}").to_lowercase().contains("hunter2"), "{bad}: {error:?}");
    }
}

/// Everything that is shown or stored after parsing a URI typed by a user.
fn shown(text: &str) -> String {
    match parse(text) {
        Ok(uri) => format!("{uri} {uri:?}"),
        Err(error) => format!("{error:?}"),
    }
}

proptest! {
    #[test]
    fn a_password_is_never_shown_however_the_uri_is_mistyped(
        scheme in "(sftp|webdav|s3\\+http|ftp|S3|hf|ada)?",
        mark in "(://|:/|:|//|:///|%3A%2F%2F|%253A%252F%252F| ://)",
        user in "(ada|a%64a|)",
        colon in "(:|%3A|%3a|%253a)",
        at in "(@|%40|%2540)",
        place in "(host|host:22|host/x|host:/x|h@x/y|)",
        query in "(\\?region=x|\\?|#x|\\?endpoint=x|)",
        salt in "[a-z]{0,3}",
    ) {
        let secret = format!("hunter2{salt}");
        let text = format!("{scheme}{mark}{user}{colon}{secret}{at}{place}{query}");
        // Text that begins with '/' is a path, whatever follows.
        prop_assume!(!text.starts_with('/'));
        prop_assert!(!shown(&text).contains("hunter2"), "{} {}", text, shown(&text));
        let message = format!("there is no remote '{text}'");
        if ["sftp", "webdav", "s3+http", "hf"].contains(&scheme.as_str()) || !mark.contains("//") {
            prop_assert!(!mask_secrets(&message).contains("hunter2"), "{}", mask_secrets(&message));
        }
    }

    #[test]
    fn a_secret_option_is_never_shown_however_the_uri_is_mistyped(
        start in "(s3://bucket|az://box/p|s3:bucket|bucket|webdav:/host/x|hf://datasets/a/b)",
        mark in "(\\?|%3F|%3f|\\?region=x&|\\?region=x%26|%253F)",
        name in "(secret_access_key|SECRET_access_key|secret%5Faccess_key|password|x-amz-signature|sig|token|account_key)",
        equals in "(=|%3D|%253d)",
        end in "(&x=y|#|%26a|)",
    ) {
        let text = format!("{start}{mark}{name}{equals}hunter2{end}");
        prop_assert!(!shown(&text).contains("hunter2"), "{} {}", text, shown(&text));
        prop_assert!(!mask_secrets(&text).contains("hunter2"), "{}", mask_secrets(&text));
    }

    #[test]
    fn the_shown_form_of_any_uri_means_the_same(text in "\\PC{0,60}") {
        if let Ok(uri) = parse(&text) {
            prop_assert_eq!(parse(&uri.to_string()).unwrap().target, uri.target);
        }
    }

    #[test]
    fn the_shown_form_of_a_service_means_the_same(
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

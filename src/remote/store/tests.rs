//! Tests of retries, permanent failures and their outcomes.

use super::super::fault::{Fault, FaultStore, Request};
use super::super::memory::Honesty;
use super::*;
use crate::ErrorKind;

fn quick() -> StoreOptions {
    StoreOptions { first_wait: Duration::from_millis(1), retries: 4, ..StoreOptions::default() }
}

fn faulty(
    script: impl Fn(u64, Request, &str) -> Option<Fault> + Send + Sync + 'static,
) -> (Store, Arc<FaultStore>) {
    let memory = Arc::new(MemoryStore::new(Honesty::Honest));
    let objects = Arc::new(FaultStore::new(memory, script));
    (Store::on(Arc::clone(&objects) as _, "memory://test", quick()), objects)
}

#[test]
fn a_temporary_failure_is_retried() {
    let (store, objects) = faulty(|number, _, _| (number < 3).then_some(Fault::Fails));
    store.write("a/b", Bytes::from_static(b"x")).unwrap();
    assert_eq!((objects.asked(), store.traffic().retries), (4, 3));
    assert_eq!(&store.read("a/b", 10).unwrap()[..], b"x");
}

#[test]
fn the_last_failure_reports_the_number_of_attempts() {
    let (store, objects) = faulty(|_, _, _| Some(Fault::Hangs));
    let error = store.read("a", 10).unwrap_err();
    assert_eq!((error.kind(), objects.asked()), (ErrorKind::Unavailable, 5));
    let causes = error.causes();
    assert!(
        causes.iter().any(|cause| cause.starts_with("gave up after 5 attempts in 0.")),
        "{causes:?}"
    );
    assert!(error.message().contains("memory://test"));
}

#[test]
fn attempts_end_after_the_patience_time() {
    let memory = Arc::new(MemoryStore::new(Honesty::Honest));
    let objects = Arc::new(FaultStore::new(memory, |_, _, _| Some(Fault::Fails)));
    let patience = Duration::from_millis(60);
    let first_wait = Duration::from_millis(10);
    let options = StoreOptions { first_wait, patience, retries: 1000, ..quick() };
    let store = Store::on(Arc::clone(&objects) as _, "memory://test", options);
    let error = store.read("a", 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!((2..20).contains(&objects.asked()), "{}", objects.asked());
}

#[test]
fn a_swallowed_write_is_detected_before_anything_relies_on_it() {
    let (store, _) = faulty(|_, request, key| {
        (request == Request::Write && key.ends_with('b')).then_some(Fault::Swallowed)
    });
    store.write("packs/a", Bytes::from_static(b"a")).unwrap();
    store.prove_writes(0).unwrap();
    for keys in [1, 20] {
        for number in 0..keys {
            store.write(&format!("packs/{number}b"), Bytes::from_static(b"b")).unwrap();
        }
        // After a second check, the object is still not stored.
        for _ in 0..2 {
            let error = store.prove_writes(0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            let causes = error.causes().join(" ");
            assert!(causes.contains("'packs/0b' was not stored"), "{error:?}");
        }
    }
    // Nobody relies on removed objects.
    store.delete(&(0..20).map(|number| format!("packs/{number}b")).collect::<Vec<_>>()).unwrap();
    store.prove_writes(0).unwrap();
    let error = store.write_proven("log/b", Bytes::from_static(b"b")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[test]
fn many_writes_are_proven_by_one_listing() {
    let memory = Arc::new(MemoryStore::new(Honesty::Honest));
    let store = Store::on(memory, "memory://test", quick());
    for number in 0..20 {
        let key = format!("packs/{number}");
        store.write(&key, Bytes::from_static(b"b")).unwrap();
        store.note_written(&key, 1, Receipt::Unproven);
    }
    let before = store.traffic().requests;
    store.prove_writes(1000).unwrap();
    assert_eq!(store.traffic().requests - before, 1);
}

#[test]
fn damaged_data_is_read_up_to_three_times() {
    for (times, is_sound) in [(2, true), (3, false)] {
        let (store, objects) = faulty(move |number, request, _| {
            (request == Request::Read && number <= times).then_some(Fault::Flipped)
        });
        store.write("a", Bytes::from_static(b"abc")).unwrap();
        let read = store.read_sound(|| {
            let read = store.read("a", 10)?;
            if read == "abc" { Ok(()) } else { Err(Error::corrupt("damaged")) }
        });
        assert_eq!((read.is_ok(), objects.asked()), (is_sound, 4));
    }
}

#[test]
fn a_refusal_is_not_retried() {
    let (store, objects) = faulty(|_, _, _| Some(Fault::Refused));
    let error = store.write("a", Bytes::new()).unwrap_err();
    assert_eq!((error.kind(), objects.asked()), (ErrorKind::Unauthorized, 1));
}

#[test]
fn after_a_lost_answer_a_creation_is_reported_as_taken() {
    let (store, _) = faulty(|number, _, _| (number == 0).then_some(Fault::AnswerLost));
    let body = Bytes::from_static(b"mine");
    assert!(matches!(store.create("a", &body).unwrap(), Creation::Taken));
    assert_eq!(store.read("a", 10).unwrap(), body);
    let (store, _) =
        faulty(|_, request, _| (request == Request::Create).then_some(Fault::AnswerLost));
    assert!(matches!(store.create("a", &body).unwrap(), Creation::Taken | Creation::Unknown(_)));
}

#[test]
fn a_size_limit_is_checked_before_memory_is_reserved() {
    let (store, _) = faulty(|_, _, _| None);
    store.write("a", Bytes::from(vec![0; 100])).unwrap();
    assert_eq!(store.read("a", 99).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(store.read_range("a", 90..110).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(store.try_read("b", 1).unwrap(), None);
    assert_eq!(store.try_size("b").unwrap(), None);
}

#[test]
fn an_interrupt_ends_the_waits() {
    let memory = Arc::new(MemoryStore::new(Honesty::Honest));
    let objects = Arc::new(FaultStore::new(memory, |_, _, _| Some(Fault::Fails)));
    let options = StoreOptions {
        first_wait: Duration::from_mins(1),
        interrupt: Some(Arc::new({
            let objects = Arc::clone(&objects);
            move || objects.asked() > 0
        })),
        ..StoreOptions::default()
    };
    let store = Store::on(objects, "memory://test", options);
    assert_eq!(store.read("a", 1).unwrap_err().kind(), ErrorKind::Interrupted);
}

#[test]
fn concurrent_requests_never_exceed_the_number_of_jobs() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let (store, _) = faulty(|_, _, _| {
        MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(2));
        NOW.fetch_sub(1, Ordering::SeqCst);
        None
    });
    std::thread::scope(|scope| {
        for _ in 0..32 {
            crate::threads::spawn(scope, || store.try_size("a").unwrap()).unwrap();
        }
    });
    let most = MOST.load(Ordering::SeqCst);
    assert!((2..=8).contains(&most), "{most}");
}

#[test]
fn an_unreachable_server_is_named_without_its_options() {
    let uri = "s3+http://127.0.0.1:1/bucket?skip_signature=true&disable_ec2_metadata=true";
    let uri = RemoteUri::parse(uri, Path::new("/")).unwrap();
    let secrets = vec![("secret_access_key".to_owned(), "hunter2".to_owned())];
    let options = StoreOptions { retries: 1, secrets, ..quick() };
    assert!(!format!("{options:?}").contains("hunter2"));
    let store = Store::open(&uri, options).unwrap();
    let error = store.read("art.toml", 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"));
    assert_eq!(store.traffic().requests, 2);
}

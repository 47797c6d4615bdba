//! The remote traffic of a command, for `-v`.

use artifacts::remote::TrafficCount;

use crate::ui::format::{count, grouped, size};

/// The traffic summary, the last line of a command that contacted a remote with `-v`.
pub(crate) fn text(traffic: TrafficCount) -> String {
    let TrafficCount { requests, sent, received, retries } = traffic;
    let requests = count(requests, "request", "requests");
    let mut text = format!("remote: {requests}, {} sent, {} received", size(sent), size(received));
    if retries > 0 {
        let word = if retries == 1 { "retry" } else { "retries" };
        text.push_str(&format!(", {} {word}", grouped(retries)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_one_line_and_retries_are_named_if_there_were_any() {
        let mut traffic = TrafficCount { requests: 3, sent: 1229, received: 4096, retries: 0 };
        assert_eq!(text(traffic), "remote: 3 requests, 1.2 KiB sent, 4.0 KiB received");
        traffic.retries = 1;
        assert!(text(traffic).ends_with(" received, 1 retry"));
        traffic.retries = 2;
        assert!(text(traffic).ends_with(" received, 2 retries"));
    }
}

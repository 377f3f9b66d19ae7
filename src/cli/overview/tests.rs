//! What a page looks like, letter by letter; how numbers are written.

use serde_json::json;

use super::*;

const PLAIN: Paint = Paint { colours: false };

fn server(name: &str, state: &str, health: &str) -> Value {
    json!({
        "name": name, "state": state, "health": health, "age": 3, "pids": [],
        "restarts": 0, "calls": 0, "errors": 0, "under_way": 0, "queue": 0, "stderr": [],
    })
}

fn with(mut value: Value, members: Value) -> Value {
    let Value::Object(members) = members else {
        panic!("{members} has no members");
    };
    for (key, member) in members {
        value[key] = member;
    }
    value
}

fn report(servers: &[Value]) -> Value {
    json!({
        "status": "degraded", "version": "1.2.3", "pid": 4242, "uptime": 11_520, "sessions": 1,
        "connections": 5, "memory_bytes": 2_202_010, "servers": servers,
        "totals": {"calls": 1321, "errors": 3, "restarts": 4, "under_way": 1, "queue": 2,
            "memory_bytes": 37_000_000},
    })
}

fn both() -> Value {
    let git = with(
        server("git", "ready", "healthy"),
        json!({
            "pid": 4243, "pids": [4250, 4251], "uptime": 11_519, "calls": 1321, "errors": 2,
            "under_way": 1, "queue": 2, "p50_ms": 12.4, "p99_ms": 1_234.5,
            "memory_bytes": 34_797_990, "stderr": ["all is well"],
        }),
    );
    let fetch = with(
        server("fetch-the-web", "parked", "unhealthy"),
        json!({
            "restarts": 4, "errors": 1, "age": 125, "reason": "exited with code 1",
            "stderr": ["1", "2", "3", "Traceback:", "  File \"x\"", "Error: \u{1b}[31mboom"],
        }),
    );
    report(&[git, fetch])
}

#[test]
fn a_page_tells_all_at_a_glance() {
    let expected = "\
mcproxy 1.2.3 at http://127.0.0.1:12009: pid 4242, up 3h 12m, 1 session, 5 connections, 2.1 MiB

SERVER         STATE       PID  UPTIME  RESTARTS  CALLS  ERRORS  ACTIVE  QUEUE   P50   P99  MEMORY
git            ready   4243 +2  3h 11m         0   1321       2       1      2  12ms  1.2s  33 MiB
fetch-the-web  parked        -       -         4      0       1       0      0     -     -       -
  parked for 2m 5s: exited with code 1
  | 2
  | 3
  | Traceback:
  |   File \"x\"
  | Error: [31mboom
all                                            4   1321       3       1      2              35 MiB
";
    let shown = page(&both(), "http://127.0.0.1:12009", PLAIN);
    assert_eq!(shown, expected, "\n{shown}");
}

#[test]
fn colours_change_no_place() {
    let painted = page(&both(), "x", Paint { colours: true });
    assert!(painted.contains("\x1b[32mready\x1b[0m"), "{painted}");
    assert!(painted.contains("\x1b[31mparked\x1b[0m"), "{painted}");
    let mut plain = painted;
    for code in ["0", "1", "2", "31", "32"] {
        plain = plain.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(plain, page(&both(), "x", PLAIN));
}

#[test]
fn one_server_has_no_sum_and_none_is_said() {
    let told = report(&[server("git", "starting", "degraded")]);
    let shown = page(&told, "x", PLAIN);
    assert!(!shown.contains("\nall "), "{shown}");
    assert!(shown.ends_with("\n  starting for 3s\n"), "{shown}");
    assert!(page(&report(&[]), "x", PLAIN).ends_with("\n\nno servers\n"));
}

#[test]
fn all_is_well_where_every_server_is() {
    let ready = || server("git", "ready", "healthy");
    let all = |status: &str, servers: &[Value]| {
        is_well(&with(report(servers), json!({"status": status})))
    };
    assert!(all(
        "healthy",
        &[ready(), server("off", "disabled", "healthy")]
    ));
    assert!(!all(
        "degraded",
        &[ready(), server("x", "degraded", "degraded")]
    ));
    assert!(!all("unhealthy", &[ready()]), "it is stopping");
    assert!(!is_well(&json!({})));
}

#[test]
fn an_answer_of_another_shape_is_no_panic() {
    for told in [json!(null), json!([]), json!({"servers": [1, null, {}]})] {
        page(&told, "x", PLAIN);
    }
}

#[test]
fn numbers_are_told_in_units() {
    let ages = [59, 60, 3599, 3600, 86_399, 86_400, 10 * 86_400 + 7200].map(age);
    assert_eq!(
        ages,
        [
            "59s", "1m 0s", "59m 59s", "1h 0m", "23h 59m", "1d 0h", "10d 2h"
        ]
    );
    let times = [0.05, 9.94, 9.96, 999.4, 999.6, 9_940.0, 59_000.0, 585_000.0].map(time);
    assert_eq!(
        times,
        [
            "0.1ms", "9.9ms", "10ms", "999ms", "1.0s", "9.9s", "59s", "10min"
        ]
    );
    let sizes = [0, 999, 1000, 1024, 10 << 20, 1 << 30, 1500 << 30].map(size);
    assert_eq!(
        sizes,
        [
            "0 B", "999 B", "1.0 KiB", "1.0 KiB", "10 MiB", "1.0 GiB", "1.5 TiB"
        ]
    );
}

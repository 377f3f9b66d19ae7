//! The JSON of each report, whole: others read it.

use super::*;

use crate::event::report::{Offered, Offers, ServerHealth};
use crate::event::{Life, ServerId};

/// 2027-01-15T08:00:00Z, as `date -u -d @1800000000` tells.
const THEN: Duration = Duration::from_secs(1_800_000_000);

fn here<'a>(trees: &'a dyn Fn(&[u32]) -> Vec<Option<u64>>) -> Here<'a> {
    Here {
        now: UNIX_EPOCH + THEN,
        connections: 3,
        pid: 42,
        memory: &|| Some(5_000),
        memory_of_trees: trees,
    }
}

fn written(told: &Told) -> Value {
    json(told, &here(&|pids| vec![None; pids.len()]))
}

fn health(name: &str) -> ServerHealth {
    ServerHealth {
        name: name.to_owned(),
        status: "healthy",
        state: "ready",
    }
}

fn process(pid: u32) -> Process {
    Process {
        life: Life(u64::from(pid)),
        pid,
        uptime: Duration::from_millis(65_900),
    }
}

fn server(name: &str) -> ServerStatus {
    ServerStatus {
        server: ServerId(0),
        health: health(name),
        reason: None,
        since: THEN - Duration::from_secs(61),
        age: Duration::from_millis(61_999),
        protocol: None,
        process: None,
        others: Vec::new(),
        figures: Figures::default(),
        offers: Offers::default(),
        left_out: Vec::new(),
        stderr: Vec::new(),
    }
}

fn status(servers: Vec<ServerStatus>) -> Told {
    Told::Status(Status {
        status: "degraded",
        uptime: Duration::from_millis(3_600_500),
        sessions: 2,
        servers,
    })
}

#[test]
fn health_and_ready_are_what_monitors_know() {
    let told = Told::Health(Health {
        status: "healthy",
        sessions: 1,
        servers: vec![health("git")],
    });
    let expected = json!({
        "status": "healthy",
        "components": {
            "front": {"status": "healthy", "sessions": 1},
            "server:git": {"status": "healthy", "state": "ready"},
        },
        "timestamp": "2027-01-15T08:00:00.000Z",
    });
    assert_eq!((written(&told), status_code(&told)), (expected, 200));
    let told = Told::Ready(Reasons(Vec::new()));
    let expected = json!({"ready": true, "reasons": [], "timestamp": "2027-01-15T08:00:00.000Z"});
    assert_eq!((written(&told), status_code(&told)), (expected, 200));
    let told = Told::Ready(Reasons(vec!["no".to_owned()]));
    let expected =
        json!({"ready": false, "reasons": ["no"], "timestamp": "2027-01-15T08:00:00.000Z"});
    assert_eq!((written(&told), status_code(&told)), (expected, 503));
}

#[test]
fn a_status_tells_all_that_there_is() {
    let figures = Figures {
        calls: 10,
        errors: 2,
        restarts: 1,
        under_way: 3,
        queue: 4,
        times: Some([Duration::from_micros(1_500), Duration::from_millis(250)]),
    };
    let full = ServerStatus {
        reason: Some("its queue is full".to_owned()),
        protocol: Some("2025-11-25"),
        process: Some(process(100)),
        others: vec![process(101), process(102)],
        figures,
        offers: Offers {
            tools: 1,
            prompts: 2,
            resources: 3,
            templates: 4,
        },
        left_out: vec!["a tool".to_owned()],
        stderr: vec!["oh".to_owned()],
        ..server("git")
    };
    // The one in the middle has gone.
    let trees = |pids: &[u32]| {
        assert_eq!(pids, [100, 101, 102]);
        vec![Some(1_000), None, Some(200)]
    };
    let told = json(&status(vec![server("off"), full]), &here(&trees));
    let off = json!({
        "name": "off", "health": "healthy", "state": "ready",
        "since": "2027-01-15T07:58:59.000Z", "age": 61, "pids": [],
        "calls": 0, "errors": 0, "restarts": 0, "under_way": 0, "queue": 0, "stderr": [],
        "tools": 0, "prompts": 0, "resources": 0, "resource_templates": 0, "left_out": [],
    });
    let git = json!({
        "name": "git", "health": "healthy", "state": "ready", "reason": "its queue is full",
        "since": "2027-01-15T07:58:59.000Z", "age": 61,
        "pid": 100, "pids": [101, 102], "uptime": 65, "memory_bytes": 1_200,
        "calls": 10, "errors": 2, "restarts": 1, "under_way": 3, "queue": 4,
        "p50_ms": 1.5, "p99_ms": 250.0, "stderr": ["oh"], "protocol": "2025-11-25",
        "tools": 1, "prompts": 2, "resources": 3, "resource_templates": 4,
        "left_out": ["a tool"],
    });
    let expected = json!({
        "status": "degraded", "version": env!("CARGO_PKG_VERSION"), "pid": 42, "uptime": 3600,
        "sessions": 2, "connections": 3, "memory_bytes": 5_000,
        "totals": {
            "calls": 10, "errors": 2, "restarts": 1, "under_way": 3, "queue": 4,
            "memory_bytes": 6_200,
        },
        "servers": [off, git],
        "timestamp": "2027-01-15T08:00:00.000Z",
    });
    assert_eq!(told, expected);
}

#[test]
fn the_memory_of_each_server_is_its_own() {
    let with = |name: &str, pids: &[u32]| ServerStatus {
        others: pids.iter().map(|&pid| process(pid)).collect(),
        ..server(name)
    };
    let servers = vec![with("a", &[1, 2]), with("b", &[]), with("c", &[3])];
    let told = json(
        &status(servers),
        &here(&|pids| pids.iter().map(|&pid| Some(u64::from(pid) * 10)).collect()),
    );
    let bytes = |at: usize| {
        told["servers"][at]
            .get("memory_bytes")
            .and_then(Value::as_u64)
    };
    assert_eq!([bytes(0), bytes(1), bytes(2)], [Some(30), None, Some(30)]);
}

#[test]
fn an_inventory_names_each_offer() {
    let told = Told::Inventory(Inventory {
        servers: vec![Stock {
            name: "git".to_owned(),
            state: "parked",
            trouble: Some("why".to_owned()),
            offers: vec![Offered {
                kind: "tool",
                original: "log".to_owned(),
                served: "git__log".to_owned(),
                marks: vec!["renamed"],
            }],
            left_out: vec!["x".to_owned()],
        }],
    });
    let offer =
        json!({"kind": "tool", "original": "log", "served": "git__log", "marks": ["renamed"]});
    let expected = json!({"servers": [{
        "name": "git", "state": "parked", "trouble": "why", "offers": [offer], "left_out": ["x"],
    }]});
    assert_eq!(written(&told), expected);
}

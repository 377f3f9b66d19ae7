//! What a server's process is given: its limits, descriptors and signals, the same whether it is
//! started straight or through the hidden sub-command, and the sub-command itself.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{SigSet, SigmaskHow};
use serde_json::json;

use crate::e2e::processes::{assert_revives, kill_now, soon};
use crate::e2e::scene::{assert_echo, client, fault, pid_of, setup, wait_for_log};
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::{Deadline, PATIENCE, fixture};

/// The soft limit of open descriptors that the gateways here are started with: lower than that of
/// whoever runs the tests.
const SOFT: &str = "300";

/// Has a gateway be started from a copy of the program, with the low limit, so that its servers
/// are started through the sub-command. Tells where the copy is.
fn limited(setup: Setup) -> (Setup, PathBuf) {
    let copy = setup.folder().join("mcproxy");
    std::fs::copy(env!("CARGO_BIN_EXE_mcproxy"), &copy).unwrap();
    let setup = behind(setup, &format!("ulimit -Sn {SOFT}"), &copy);
    (setup, copy)
}

/// Has a gateway be started by a shell that has run this command before.
fn behind(setup: Setup, command: &str, program: &Path) -> Setup {
    let wrapper = setup.folder().join("limited");
    let program = program.display();
    let script = format!("#!/bin/sh\n{command}\nexec '{program}' \"$@\"\n");
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    setup.program(wrapper)
}

/// Soft and hard limit of open descriptors of a process.
fn nofile(pid: i32) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    (words[3].to_owned(), words[4].to_owned())
}

#[test]
fn the_gateway_may_open_more_and_its_servers_as_much_as_before() {
    let (setup, _) = limited(setup(&soon(), &[fault("one", &[])]));
    let gateway = setup.start();
    let mut client = client(&gateway, "/mcp");
    let (soft, hard) = nofile(gateway.pid());
    assert_eq!(soft, hard);
    assert_ne!(soft, SOFT, "else this test tests nothing");
    assert_eq!(nofile(pid_of(&mut client, "one")), (SOFT.to_owned(), hard));
}

/// There are programs that block signals and forget it when they start another.
#[test]
fn signals_that_whoever_started_it_has_blocked_reach_the_gateway_and_its_servers() {
    let setup = setup(&soon(), &[fault("one", &[])]);
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let gateway = setup.start();
    before.unwrap().thread_set_mask().unwrap();
    let mut client = client(&gateway, "/mcp");
    let child = pid_of(&mut client, "one");
    let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    assert!(status.contains("SigBlk:\t0000000000000000\n"), "{status}");
    assert_eq!(gateway.stop().status.code(), Some(0));
}

#[test]
fn a_file_that_may_not_grow_ends_nothing() {
    let setup = setup(&soon(), &[fault("one", &["--fat-tool", "100000"])]);
    let setup = behind(
        setup,
        "ulimit -f 16",
        env!("CARGO_BIN_EXE_mcproxy").as_ref(),
    );
    let gateway = setup.start();
    assert_echo(&mut client(&gateway, "/mcp"), "one");
    wait_for_log(&gateway, "one.json: it cannot be written: File too large");
    assert_echo(&mut client(&gateway, "/mcp"), "one");
}

/// An upgrade puts another file where the program was.
#[test]
fn servers_are_started_also_after_the_program_was_replaced() {
    let (setup, copy) = limited(setup(&soon(), &[fault("one", &[])]));
    let gateway = setup.start();
    let mut client = client(&gateway, "/mcp");
    let first = pid_of(&mut client, "one");
    let new = gateway.folder().join("new");
    std::fs::write(
        &new,
        "#!/bin/sh\necho 'this is the next version' >&2\nexit 1\n",
    )
    .unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    for replace in [true, false] {
        if replace {
            std::fs::rename(&new, &copy).unwrap();
        } else {
            std::fs::remove_file(&copy).unwrap();
        }
        kill_now(pid_of(&mut client, "one"));
        assert_revives(&mut client, "one");
    }
    let last = pid_of(&mut client, "one");
    assert_ne!(last, first);
    assert_eq!(nofile(last).0, SOFT);
}

/// A shell's words about its own process, a line each on stderr.
const CONFESSION: &str = r#"
echo "fds: $(ls /proc/self/fd | tr '\n' ' ')" >&2
echo "signals: $(grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status | tr -s '\t\n' ' ')" >&2
echo "leader: $(test "$(cut -d' ' -f5 /proc/$$/stat)" = $$ && echo yes)" >&2
echo "command: $(tr '\0' '|' < /proc/$$/cmdline)" >&2
echo "folder: $(pwd)" >&2
echo "environment: $(tr '\0' '\n' < /proc/$$/environ | grep -v ^MCPROXY_LIFE= | tr '\n' '|')" >&2
echo "marked: $(tr '\0' '\n' < /proc/$$/environ | grep -c ^MCPROXY_LIFE=)" >&2
"#;

/// A gateway to be, one of whose servers tells all that before it serves.
fn confessing() -> Setup {
    let setup = setup(&soon(), &[]);
    let script = setup.folder().join("script");
    let program = fixture("fault_server");
    let text = format!("{CONFESSION}\nexec '{}' --name bad\n", program.display());
    std::fs::write(&script, text).unwrap();
    let entry = json!({
        "name": "bad", "command": "sh", "args": [script, "a b", "", "-c"],
        "cwd": "/usr", "env": {"ODD": "x y=z"},
    });
    let servers = [entry, fault("other", &[])];
    setup.config(json!({"limits": soon(), "servers": servers}).to_string())
}

/// What the server's second life says of itself, while the gateway has everything open that it
/// ever has: listener, clients, streams, other servers, a config.
fn confession(gateway: &Gateway) -> Vec<String> {
    let mut first = client(gateway, "/mcp");
    let stream = first.get_stream(None).unwrap();
    let mut second = client(gateway, "/mcp");
    let sse = gateway.sse_client("/sse");
    let call = crate::e2e::scene::call_under_way(&mut second, "other");
    kill_now(pid_of(&mut first, "bad"));
    assert_revives(&mut first, "bad");
    drop((stream, sse, call));
    let said = Deadline::after(PATIENCE).poll(|| {
        let log = gateway.stdout.text();
        let said: Vec<String> = log
            .lines()
            .filter_map(|line| Some(line.split_once("bad: stderr: ")?.1.to_owned()))
            .collect();
        (said.len() >= 14).then_some(said)
    });
    said.unwrap_or_else(|| panic!("the log:\n{}", gateway.stdout.text()))
        .split_off(7)
}

/// What every process that the tests start inherits, as the runner of the tests may leave
/// something open, or ignored, to all of them.
fn inherited() -> Vec<String> {
    let output = Command::new("sh")
        .args(["-c", CONFESSION])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    said.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[test]
fn a_server_is_given_nothing_but_what_is_its_own() {
    let straight = confessing().start();
    let through = limited(confessing()).0.start();
    let straight_said = confession(&straight);
    let through_said = confession(&through);
    let folder = |gateway: &Gateway| gateway.folder().display().to_string();
    let neutral = |said: Vec<String>, gateway: &Gateway| -> Vec<String> {
        let lines = said.into_iter();
        lines
            .map(|line| line.replace(&folder(gateway), "(folder)"))
            .collect()
    };
    let straight_said = neutral(straight_said, &straight);
    // There it takes the sub-command, and nobody can tell.
    assert_eq!(neutral(through_said, &through), straight_said);

    let inherited = inherited();
    assert_eq!(straight_said[0], inherited[0], "descriptors");
    let signals: Vec<&str> = straight_said[1].split(' ').collect();
    assert_eq!(&signals[1..3], ["SigBlk:", "0000000000000000"]);
    let ignored_by = |said: &str| u64::from_str_radix(said.split(' ').nth(4).unwrap(), 16).unwrap();
    let ignored = ignored_by(&straight_said[1]);
    // What the gateway heeds (SIGHUP, SIGINT, SIGQUIT, SIGTERM) is at its default in a child,
    // though whoever runs the tests may ignore it, as `nohup` does.
    let heeded = 1 | 1 << 1 | 1 << 2 | 1 << 14;
    assert_eq!(ignored, ignored_by(&inherited[1]) & !heeded, "signals");
    assert_eq!(ignored & (1 << 12), 0, "SIGPIPE, which the gateway ignores");
    assert_eq!(straight_said[2], "leader: yes");
    assert!(
        straight_said[3].ends_with("/sh|(folder)/script|a b||-c|"),
        "{}",
        straight_said[3]
    );
    assert_eq!(straight_said[4], "folder: /usr");
    assert!(
        straight_said[5].contains("|ODD=x y=z|"),
        "{}",
        straight_said[5]
    );
    assert_eq!(straight_said[6], "marked: 1");
}

/// The configuration is checked when it is read; what is here breaks later.
#[test]
fn what_cannot_be_run_is_told_in_the_same_words() {
    let told = |limit: bool| -> Vec<String> {
        let setup = setup(&soon(), &[]);
        let folder = setup.folder().to_owned();
        let cwd = folder.join("cwd");
        std::fs::create_dir(&cwd).unwrap();
        let program = folder.join("program");
        let write = |text: &str, mode| {
            // Whoever runs the old one keeps it from being written to.
            let _ = std::fs::remove_file(&program);
            std::fs::write(&program, text).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let good = format!(
            "#!/bin/sh\nexec '{}' --name one\n",
            fixture("fault_server").display()
        );
        write(&good, 0o755);
        let entry = json!({"name": "one", "command": program, "cwd": cwd});
        let config = json!({"limits": soon(), "servers": [entry]});
        let setup = setup.config(config.to_string());
        let gateway = if limit { limited(setup).0 } else { setup }.start();
        let mut client = client(&gateway, "/mcp");
        let mut lines = Vec::new();
        let breakages: [(&dyn Fn(), &str); 4] = [
            (
                &|| write("#!/no/such/interpreter\n", 0o755),
                "the interpreter that its first line names",
            ),
            (&|| write(&good, 0o644), "Permission denied"),
            (&|| std::fs::remove_file(&program).unwrap(), "No such file"),
            (&|| std::fs::remove_dir(&cwd).unwrap(), "is no directory"),
        ];
        for (breaks, why) in breakages {
            write(&good, 0o755);
            assert_revives(&mut client, "one");
            let pid = pid_of(&mut client, "one");
            breaks();
            kill_now(pid);
            let line = wait_for_log(&gateway, why);
            let line = &line[line.find("one: cannot run").expect("it says of whom")..];
            let line = line.replace(&folder.display().to_string(), "");
            lines.push(line.split("; ").next().unwrap_or_default().to_owned());
        }
        lines
    };
    assert_eq!(told(true), told(false));
}

/// What cannot be seen beforehand is said by the sub-command, and is the server's last words.
#[test]
fn what_only_the_system_can_know_is_told_as_well() {
    let (setup, _) = limited(setup(&soon(), &[]));
    let write = |name: &str, text: &str| {
        let path = setup.folder().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let interpreter = write("interpreter", "#!/no/such/interpreter\n");
    let program = write("odd", &format!("#!{}\n", interpreter.display()));
    let config = json!({"limits": soon(), "servers": [{"name": "odd", "command": program}]});
    let gateway = setup.config(config.to_string()).start();
    let line = wait_for_log(&gateway, "odd: exited with code 127");
    assert!(
        line.contains("(last line on stderr: \"mcproxy: cannot run "),
        "{line}"
    );
    assert!(
        line.contains("the interpreter that its first line names"),
        "{line}"
    );
}

#[test]
fn the_sub_command_becomes_what_it_is_told() {
    let run = |words: &[&str]| Setup::without_config().run(words);
    let ran = run(&[
        "__exec",
        "--nofile",
        "123",
        "--",
        "sh",
        "-c",
        "ulimit -Sn; echo \"$1\"; exit 5",
        "-",
        "--help",
    ]);
    assert_eq!(ran.stdout, "123\n--help", "{ran:?}");
    assert_eq!(ran.status.code(), Some(5));
    let missing = run(&["__exec", "--", "no-such-program"]);
    assert_eq!(missing.status.code(), Some(127));
    assert_eq!(
        missing.stderr,
        "mcproxy: cannot run \"no-such-program\": No such file or directory (os error 2)"
    );
    assert_eq!(run(&["__exec", "--", "/etc"]).status.code(), Some(126));
    for words in [
        &["__exec"][..],
        &["__exec", "sh"],
        &["__exec", "--nofile", "x", "--", "sh"],
    ] {
        assert_eq!(run(words).status.code(), Some(2), "{words:?}");
    }
    // It is nobody's but the gateway's.
    for words in [
        &["--help"][..],
        &["--generate", "man"],
        &["--generate", "bash"],
        &["--generate", "zsh"],
        &["--generate", "fish"],
        &["__exe"],
    ] {
        let told = run(words);
        let told = told.stdout + &told.stderr;
        assert!(
            !told.contains("__exec") && !told.contains("_exec"),
            "{words:?}: {told}"
        );
    }
}

//! The layer table of ARCHITECTURE.md, checked against every `crate::` path in `src/`.

use std::fs;
use std::path::{Path, PathBuf};

/// (module, the modules it may name). `py` may name all.
const TABLE: [(&str, &[&str]); 9] = [
    ("sys", &["sys"]),
    ("error", &["error"]),
    ("net", &["net", "epoll", "sys", "error"]),
    ("epoll", &["epoll", "sys", "error"]),
    ("poll", &["poll", "sys", "error"]),
    ("worker", &["worker", "sys", "error"]),
    ("peer", &["peer", "worker", "net", "epoll", "sys", "error"]),
    ("load", &["load", "net", "epoll", "sys", "error"]),
    (
        "scope",
        &["scope", "worker", "net", "epoll", "poll", "sys", "error"],
    ),
];

struct Source {
    /// Relative to `src/`.
    path: String,
    /// The top module it belongs to; empty for `lib.rs`.
    module: String,
    /// Without comments.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(&root, &path));
            }
        }
    }
    assert!(found.len() > 20, "src/ has moved");
    found
}

fn source(root: &Path, path: &PathBuf) -> Source {
    let relative = path.strip_prefix(root).unwrap().to_str().unwrap();
    let first = relative.split('/').next().unwrap();
    let module = first.trim_end_matches(".rs");
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !is_comment(line)).collect();
    Source {
        path: relative.to_owned(),
        module: if module == "lib" { "" } else { module }.to_owned(),
        code: lines.join("\n"),
    }
}

/// The modules after each `crate::`, in a group or alone.
fn named(code: &str) -> Vec<String> {
    let word = |text: &str| {
        text.trim()
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let paths = code.split("crate::").skip(1);
    paths
        .flat_map(|path| match path.strip_prefix('{') {
            Some(group) => top_level(group).iter().map(|item| word(item)).collect(),
            None => vec![word(path)],
        })
        .collect()
}

/// The items of a `{...}` group, whose opening brace has been read.
fn top_level(group: &str) -> Vec<String> {
    let mut depth = 0_u32;
    let mut items = vec![String::new()];
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            _ => {}
        }
        items.last_mut().unwrap().push(letter);
    }
    items
        .iter()
        .map(|item| item.trim_start_matches(',').trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

/// Whether a function of libc is called; its constants and types are everybody's.
fn calls_libc(code: &str) -> bool {
    code.split("libc::").skip(1).any(|path| {
        let name =
            path.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
        let is_lower = path.starts_with(|letter: char| letter.is_ascii_lowercase());
        is_lower && name.starts_with('(')
    })
}

#[test]
fn arrows_point_down_only() {
    for source in sources() {
        let Some((_, allowed)) = TABLE.iter().find(|(module, _)| *module == source.module) else {
            assert!(matches!(&*source.module, "" | "py"), "{}", source.path);
            continue;
        };
        for module in named(&source.code) {
            assert!(
                allowed.contains(&module.as_str()),
                "src/{} names crate::{module}",
                source.path
            );
        }
        assert!(
            !source.code.contains("super::super"),
            "src/{} climbs",
            source.path
        );
    }
}

#[test]
fn each_outer_world_has_one_door() {
    for source in sources() {
        let Source { path, module, code } = source;
        if module != "sys" {
            assert!(!calls_libc(&code), "src/{path} calls libc");
            // Two islands and one line: see ARCHITECTURE.md.
            let is_island = matches!(&*path, "py/buffer.rs" | "peer/handle.rs");
            assert!(
                is_island || !code.contains("unsafe {"),
                "src/{path}: unsafe"
            );
        }
        // Its calls are for net; its form of an address is sys's and py's, too.
        let addresses = matches!(&*module, "net" | "sys" | "py");
        if !addresses {
            assert!(!code.contains("socket2::"), "src/{path} uses socket2");
        }
        if module != "py" && !module.is_empty() {
            assert!(!code.contains("pyo3"), "src/{path} knows Python");
        }
    }
}

#[test]
fn the_parser_sees_what_there_is_to_see() {
    let code = "use crate::{a::{b, c}, d};\nfn f() { crate::e::g() }\nuse crate::h;";
    assert_eq!(named(code), ["a", "d", "e", "h"]);
    assert!(calls_libc("unsafe { libc::close(1) }"));
    assert!(!calls_libc(
        "libc::EAGAIN, f(libc::c_int), Some(libc::EINTR)"
    ));
}

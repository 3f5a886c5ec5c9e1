//! Files of a crate that import each other, directly or by way of others.
use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::{
    Result, source,
    workspace::{Member, Workspace},
};

/// The path of a module inside its crate, without `crate`.
type Module = Vec<String>;

/// For each file the files that it imports from, with one name that it takes.
type Edges<'a> = BTreeMap<&'a String, BTreeMap<&'a String, &'a str>>;

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    let files = workspace.files()?;
    for member in &workspace.members {
        let mut sources = BTreeMap::new();
        for path in sources_of(member, &files) {
            let text = workspace.read(path)?;
            sources.insert(path.to_owned(), text);
        }
        for circle in circles(&member.path("src"), &sources) {
            report.wrong(
                member.path("src"),
                format!("imports run in a circle: {circle}"),
                "move what both sides use into a file of its own",
            );
        }
    }
    Ok(())
}

fn sources_of<'a>(member: &Member, files: &'a [String]) -> impl Iterator<Item = &'a str> {
    let folder = member.path("src/");
    files.iter().map(String::as_str).filter(move |path| {
        path.starts_with(&folder)
            && path.ends_with(".rs")
            && !path.ends_with("/tests.rs")
            && !path[folder.len()..].contains("tests/")
    })
}

/// The circles among the files of one crate, each as a way that returns to its first file. `src` is the crate's source folder.
fn circles(src: &str, sources: &BTreeMap<String, String>) -> Vec<String> {
    let modules: BTreeMap<Module, &String> = sources
        .keys()
        .filter_map(|path| Some((module_of(src, path)?, path)))
        .collect();
    let contents: BTreeMap<&Module, Content> = modules
        .iter()
        .map(|(module, path)| (module, Content::of(&sources[*path])))
        .collect();
    let mut edges: Edges<'_> = BTreeMap::new();
    for (module, path) in &modules {
        for it in &contents[module].uses {
            let target = absolute(module, &it.path).and_then(|path| resolve(&contents, path, 0));
            // What a module defines for its own submodules is no circle.
            if let Some(target) = target.filter(|target| !module.starts_with(target)) {
                let name = it.path.last().map_or("", String::as_str);
                edges
                    .entry(path)
                    .or_default()
                    .entry(modules[&target])
                    .or_insert(name);
            }
        }
    }
    shortest_circles(&edges)
}

/// The module that a file holds.
fn module_of(src: &str, path: &str) -> Option<Module> {
    let inside = path
        .strip_prefix(src)?
        .strip_prefix('/')?
        .strip_suffix(".rs")?;
    let mut module: Module = inside.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod"))
        || inside == "lib"
        || inside == "main"
    {
        module.pop();
    }
    Some(module)
}

/// One path of a `use` declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Use {
    path: Vec<String>,
    /// The name that others see, if the declaration exports it.
    exports: Option<String>,
}

/// What a file holds, without its unit tests.
struct Content {
    code: String,
    uses: Vec<Use>,
}

impl Content {
    fn of(text: &str) -> Self {
        let mut code = source::layers(text).code;
        code.truncate(code.find("#[cfg(test)]\nmod ").unwrap_or(code.len()));
        Self {
            uses: uses(&code),
            code,
        }
    }

    /// Whether it defines an item of this name.
    fn defines(&self, name: &str) -> bool {
        self.code.match_indices(name).any(|(at, _)| {
            let after = self.code[at + name.len()..].chars().next();
            let ends = after.is_none_or(|next| !next.is_alphanumeric() && next != '_');
            let line = self.code[..at].rfind('\n').map_or(0, |it| it + 1);
            // An indented one belongs to a trait or an implementation.
            let before = self.code[line..at].trim_end();
            let ends = ends && !before.starts_with(' ');
            ends && [
                "struct",
                "enum",
                "trait",
                "type",
                "fn",
                "const",
                "static",
                "union",
                "macro_rules!",
            ]
            .iter()
            .any(|keyword| before.ends_with(keyword))
        })
    }
}

fn uses(code: &str) -> Vec<Use> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = code[at..].find("use ") {
        let start = at + next;
        at = start + 4;
        let line = code[..start].rfind('\n').map_or(0, |it| it + 1);
        let before = code[line..start].trim();
        if !(before.is_empty() || before.starts_with("pub")) {
            continue;
        }
        let Some(length) = code[at..].find(';') else {
            break;
        };
        tree(
            &code[at..at + length],
            &[],
            before.starts_with("pub"),
            &mut found,
        );
        at += length;
    }
    found
}

/// Reads a use tree: `a::{b, c::d as e}`.
fn tree(text: &str, prefix: &[String], exports: bool, found: &mut Vec<Use>) {
    let text = text.trim();
    if let Some((head, rest)) = text.split_once('{') {
        let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
        let mut path = prefix.to_vec();
        path.extend(segments(head));
        let mut depth = 0;
        let mut start = 0;
        for (at, letter) in inner.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    tree(&inner[start..at], &path, exports, found);
                    start = at + 1;
                }
                _ => {}
            }
        }
        tree(&inner[start..], &path, exports, found);
        return;
    }
    if text.is_empty() {
        return;
    }
    let (path, alias) = text.split_once(" as ").unwrap_or((text, ""));
    let mut full = prefix.to_vec();
    full.extend(segments(path).filter(|segment| segment != "self" || prefix.is_empty()));
    let name = if alias.is_empty() {
        full.last().cloned()
    } else {
        Some(alias.trim().to_owned())
    };
    found.push(Use {
        path: full,
        exports: name.filter(|_| exports),
    });
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split("::")
        .map(|segment| segment.trim().trim_start_matches("r#").to_owned())
        .filter(|segment| !segment.is_empty())
}

/// The path from the crate's root; `None` for what another crate has.
fn absolute(module: &Module, path: &[String]) -> Option<Vec<String>> {
    let mut base = match path.first()?.as_str() {
        "crate" => return Some(path[1..].to_vec()),
        "self" | "super" => module.clone(),
        _ => return None,
    };
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "super" => drop(base.pop()?),
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The module whose file defines what `path` names: re-exports are followed.
fn resolve(
    contents: &BTreeMap<&Module, Content>,
    path: Vec<String>,
    depth: usize,
) -> Option<Module> {
    let length = (0..=path.len())
        .rev()
        .find(|length| contents.contains_key(&path[..*length].to_vec()))?;
    let module = path[..length].to_vec();
    let Some(name) = path.get(length).filter(|_| depth < 8) else {
        return Some(module);
    };
    let own = &contents[&module].uses;
    if let Some(exported) = own.iter().find(|it| it.exports.as_ref() == Some(name)) {
        return resolve(contents, absolute(&module, &exported.path)?, depth + 1);
    }
    let globs = own.iter().filter(|it| it.exports.as_deref() == Some("*"));
    let from_glob = globs
        .filter_map(|glob| {
            let mut further = absolute(&module, &glob.path)?;
            further.pop();
            Some(further)
        })
        .find(|further| {
            contents
                .get(further)
                .is_some_and(|content| content.defines(name))
        });
    Some(from_glob.unwrap_or(module))
}

/// For each file, the shortest way back to itself; a circle is given once, from its first file.
fn shortest_circles(edges: &Edges<'_>) -> Vec<String> {
    let mut known: BTreeSet<BTreeSet<&String>> = BTreeSet::new();
    let mut circles = Vec::new();
    for start in edges.keys().copied() {
        let Some(way) = way_back(edges, start) else {
            continue;
        };
        if known.insert(way.iter().copied().collect()) {
            circles.push(shown(edges, &way));
        }
    }
    circles
}

/// The way in words: each file, what it takes, and from where.
fn shown(edges: &Edges<'_>, way: &[&String]) -> String {
    let mut words = String::new();
    for (place, file) in way.iter().copied().enumerate() {
        let next = way[(place + 1) % way.len()];
        words += &format!("{file} takes {} from ", edges[file][next]);
    }
    words + way.first().map_or("", |first| first.as_str())
}

fn way_back<'a>(edges: &Edges<'a>, start: &'a String) -> Option<Vec<&'a String>> {
    let mut came_from: BTreeMap<&String, &'a String> = BTreeMap::new();
    let mut open = std::collections::VecDeque::from([start]);
    while let Some(file) = open.pop_front() {
        for next in edges
            .get(file)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .copied()
        {
            if next == start {
                let mut way = vec![file];
                while let Some(before) = way.last().and_then(|last| came_from.get(*last)) {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, file);
                open.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Content, Use, circles};

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: BTreeMap<String, String> = files
            .iter()
            .map(|(path, text)| (format!("a/src/{path}"), (*text).to_owned()))
            .collect();
        circles("a/src", &sources)
            .into_iter()
            .map(|circle| circle.replace("a/src/", ""))
            .collect()
    }

    #[test]
    fn a_use_tree_is_read_with_its_groups_aliases_and_exports() {
        let text = "pub(crate) use self::a::{B as C, d::{self, E}};\nuse super::F;\n// use crate::comment;\n\
                    #[cfg(test)]\nmod tests { use super::*; }\n";
        let it = |path: &str, exports: Option<&str>| Use {
            path: path.split("::").map(str::to_owned).collect(),
            exports: exports.map(str::to_owned),
        };
        assert_eq!(
            Content::of(text).uses,
            [
                it("self::a::B", Some("C")),
                it("self::a::d", Some("d")),
                it("self::a::d::E", Some("E")),
                it("super::F", None),
            ]
        );
    }

    #[test]
    fn files_that_import_each_other_are_a_circle() {
        let two = [
            ("lib.rs", "mod a;\nmod b;\n"),
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "use super::a::A;\n"),
        ];
        assert_eq!(found(&two), ["a.rs takes B from b.rs takes A from a.rs"]);
    }

    #[test]
    fn what_a_module_defines_for_its_submodules_is_no_circle() {
        let family = [
            ("p/mod.rs", "use self::c::C;\npub struct P;\n"),
            ("p/c.rs", "use super::P;\n"),
        ];
        assert_eq!(found(&family), [""; 0]);
    }

    #[test]
    fn exports_and_globs_are_followed_to_the_file_that_defines_the_name() {
        let files = [
            ("lib.rs", "pub use crate::a::A;\npub use self::b::*;\n"),
            ("a.rs", "use crate::B;\npub struct A;\n"),
            ("b.rs", "use crate::A;\npub struct B;\n"),
        ];
        assert_eq!(found(&files), ["a.rs takes B from b.rs takes A from a.rs"]);
    }

    #[test]
    fn a_long_way_round_is_found_and_other_crates_are_not_followed() {
        let three = [
            ("lib.rs", ""),
            ("a.rs", "use crate::b;\nuse b::Other;\n"),
            ("b.rs", "use crate::c::{C, D};\n"),
            ("c.rs", "use std::fmt;\nuse crate::a::A;\n"),
        ];
        assert_eq!(
            found(&three),
            ["a.rs takes b from b.rs takes C from c.rs takes A from a.rs"]
        );
    }
}

//! The header is written by hand, and must match the library.

#[path = "c/library.rs"]
mod library;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use library::library;

fn home(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

/// Returns the header without comments, on one line.
fn header() -> String {
    let text = fs::read_to_string(home("include/offline_push.h")).expect("the header");
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("/*") {
        code += before;
        rest = after.split_once("*/").expect("every comment ends").1;
    }
    code += rest;
    let lines: Vec<&str> = code
        .lines()
        .filter(|it| !it.trim_start().starts_with('#'))
        .collect();
    lines
        .join(" ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Name, parameter types and result type of every function, as Rust types.
type Functions = BTreeMap<String, (Vec<String>, String)>;

fn declared(header: &str) -> Functions {
    // Without the bodies of structs, enums and inline functions, each declaration ends with a semicolon.
    let mut flat = String::new();
    let mut depth = 0;
    for it in header.replace("extern \"C\" {", "").chars() {
        match it {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                flat.push(';');
            }
            _ if depth <= 0 => flat.push(it),
            _ => {}
        }
    }
    let numbers: BTreeSet<&str> = flat
        .split(';')
        .filter_map(|it| it.trim().strip_prefix("typedef int32_t "))
        .collect();
    let objects: BTreeSet<&str> = flat
        .split(';')
        .filter_map(|it| it.trim().strip_prefix("typedef struct "))
        .filter_map(|it| it.split_once(' '))
        .filter(|(tag, name)| tag == name)
        .map(|(_, name)| name)
        .collect();
    let rust = |c: &str| -> String {
        let (is_const, c) = match c.trim().strip_prefix("const ") {
            Some(rest) => (true, rest),
            None => (false, c.trim()),
        };
        let stars = c.chars().filter(|it| *it == '*').count();
        let name = c.trim_end_matches(['*', ' ']);
        let name = match name {
            "void" if stars == 0 => "()",
            "void" => "c_void",
            "char" => "c_char",
            "uint8_t" => "u8",
            "uint32_t" => "u32",
            "int32_t" => "i32",
            "int64_t" => "i64",
            "size_t" => "usize",
            "bool" => "bool",
            "offline_push_config" => "CConfig",
            "offline_push_callbacks" => "Callbacks",
            "offline_push_completion" => "Completion",
            it if numbers.contains(it) => "i32",
            it if objects.contains(it) => "Handle",
            it => panic!("the header has a type that this test does not know: {it}"),
        };
        let inner = if is_const { "*const " } else { "*mut " };
        match stars {
            0 => name.to_owned(),
            1 => format!("{inner}{name}"),
            _ => format!("*mut {inner}{name}"),
        }
    };
    flat.split(';')
        .map(str::trim)
        .filter(|it| !it.starts_with("typedef") && !it.starts_with("static"))
        .filter_map(|it| it.split_once('('))
        .map(|(before, parameters)| {
            let at = before
                .rfind([' ', '*'])
                .expect("a function has a result type")
                + 1;
            let parameters = parameters.trim_end_matches(')');
            let parameters = match parameters {
                "void" => Vec::new(),
                _ => parameters
                    .split(',')
                    .map(|it| {
                        let end = it.rfind([' ', '*']).expect("a parameter has a name") + 1;
                        rust(&it[..end])
                    })
                    .collect(),
            };
            (before[at..].to_owned(), (parameters, rust(&before[..at])))
        })
        .collect()
}

fn written() -> Functions {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(home("src/c")).expect("the sources").flatten() {
        let text = fs::read_to_string(file.path()).expect("a source");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for it in text.split("extern \"C\" fn ").skip(1) {
            // The types of callbacks have no name.
            let Some((name, rest)) = it.split_once('(') else {
                continue;
            };
            if name.is_empty() || !name.starts_with("offline_push_") {
                continue;
            }
            let (parameters, rest) = rest.split_once(')').expect("parameters end");
            let answer = rest.split_once('{').expect("a function has a body").0;
            let parameters = parameters
                .split(',')
                .filter_map(|it| it.split_once(':'))
                .map(|(_, it)| it.trim().to_owned())
                .collect();
            let answer = answer.trim().strip_prefix("-> ").unwrap_or("()").to_owned();
            found.insert(name.to_owned(), (parameters, answer));
        }
    }
    found
}

#[test]
fn the_header_declares_every_function_as_it_is_written() {
    let declared = declared(&header());
    assert!(declared.len() > 30, "{declared:?}");
    assert_eq!(declared, written());
}

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_more() {
    let output = Command::new("nm")
        .args(["--extern-only", "--defined-only"])
        .arg(library())
        .output()
        .expect("nm can be started; `apt-get install binutils` has it");
    assert!(output.status.success(), "{output:?}");
    let exported: BTreeSet<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|it| it.split_whitespace().nth(2))
        // Apple's linker adds this prefix.
        .map(|it| it.strip_prefix('_').unwrap_or(it))
        .filter(|it| it.starts_with("offline_push_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        declared(&header()).into_keys().collect::<BTreeSet<_>>(),
        exported
    );
}

/// Also alone, included twice, and with warnings as errors.
#[test]
fn the_header_is_good_c_and_good_cplusplus() {
    let source = std::env::temp_dir().join(format!("offline-push-{}.c", std::process::id()));
    let program = "#include \"offline_push.h\"\n#include \"offline_push.h\"\n\
                   int main(void) {\n\
                       offline_push_config config = offline_push_config_new();\n\
                       offline_push_callbacks callbacks = offline_push_callbacks_new();\n\
                       return offline_push_start(&config, &callbacks, NULL) != NULL;\n\
                   }\n";
    fs::write(&source, program).expect("room in the temporary folder");
    for (language, standard) in [("c", "-std=c99"), ("c", "-std=c17"), ("c++", "-std=c++11")] {
        let output = Command::new("cc")
            .args(["-x", language, standard, "-fsyntax-only"])
            .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
            .arg(home("include"))
            .arg(&source)
            .output()
            .expect("cc can be started; `apt-get install build-essential` has it");
        assert!(
            output.status.success(),
            "{standard}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    fs::remove_file(source).expect("the source can be removed");
}

#[test]
fn the_program_of_the_documentation_is_compiled_linked_and_runs() {
    let page = fs::read_to_string(home("../docs/c.md")).expect("the page about C");
    let (_, program) = page.split_once("```c\n").expect("it has a program");
    let (program, _) = program.split_once("```").expect("which ends");
    let folder = std::env::temp_dir().join(format!("offline-push-page-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder in the temporary one");
    let source = folder.join("app.c");
    fs::write(&source, program).expect("room in the temporary folder");
    let compiled = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .arg(home("include"))
        .arg(&source)
        .arg(library())
        .args(["-lpthread", "-lm", "-ldl", "-o"])
        .arg(folder.join("app"))
        .output()
        .expect("cc can be started; `apt-get install build-essential` has it");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let ran = Command::new(folder.join("app"))
        .current_dir(&folder)
        .output()
        .expect("the program can be started");
    let output = String::from_utf8_lossy(&ran.stdout).into_owned();
    fs::remove_dir_all(folder).expect("the folder can be removed");
    assert!(ran.status.success(), "{ran:?}");
    assert!(output.starts_with("this device is "), "{output}");
}

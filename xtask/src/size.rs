//! Measures the size of the app half, built as for a phone.

use std::{
    collections::BTreeSet,
    env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, Result, generate::splice, run, table};

pub(crate) const HELP: &str = "\
cargo xtask size [--check]

Builds what phones carry with the profile `phone` of Cargo.toml, runs the two apps among it to their end, and
writes the stripped sizes and the number of crates into the table of docs/benchmarks.md.

--check  writes nothing, and fails if something has become more than 10 % larger than the table says.

It is no step of `cargo xtask ci`, because optimizing whole programs for size takes minutes, and because sizes
differ between targets: the check compares on the target of the table alone, and elsewhere says that it does not.
";

/// The page with the table.
const BOOK: &str = "docs/benchmarks.md";

/// The percentage by which a size may exceed that of the table.
const TOLERANCE: u64 = 10;

/// The artefact of a package that is measured.
#[derive(Clone, Copy, Debug)]
enum What {
    /// A program that imports nothing, although its package has dependencies.
    Bare(&'static str),
    Program(&'static str),
    SharedLibrary,
}

/// One row of the table.
#[derive(Debug)]
struct Product {
    name: &'static str,
    package: &'static str,
    what: What,
}

const PRODUCTS: &[Product] = &[
    Product {
        name: "a Rust app without push",
        package: "phone-app",
        what: What::Bare("without"),
    },
    Product {
        name: "the same app with the app half",
        package: "phone-app",
        what: What::Program("phone-app"),
    },
    Product {
        name: "the shared library for Kotlin, Python and C",
        package: "push-bindings",
        what: What::SharedLibrary,
    },
];

impl Product {
    /// Returns the arguments of cargo that build only it.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = match self.what {
            What::Bare(name) | What::Program(name) => {
                vec!["build".to_owned(), format!("--bin={name}")]
            }
            // By `rustc`, because a library that is built as several types at once gets no link-time optimization.
            What::SharedLibrary => ["rustc", "--lib", "--crate-type=cdylib"]
                .map(str::to_owned)
                .to_vec(),
        };
        arguments.insert(1, format!("--package={}", self.package));
        arguments.push("--profile=phone".to_owned());
        arguments
    }

    /// Returns the file that is built, in the folder of the profile.
    fn file(&self) -> String {
        match self.what {
            What::Bare(name) | What::Program(name) => format!("{name}{EXE_SUFFIX}"),
            What::SharedLibrary => {
                let name = self.package.replace('-', "_");
                format!("{DLL_PREFIX}{name}{DLL_SUFFIX}")
            }
        }
    }
}

/// A measured row, or a row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    command: String,
    crates: usize,
    bytes: u64,
}

/// All rows, with the compiler and target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Measured {
    compiler: String,
    target: String,
    rows: Vec<Row>,
}

pub(crate) fn task(root: &Path, args: &[&str]) -> Result {
    let check = match args {
        [] => false,
        ["--check"] => true,
        _ => {
            return Err(Failure::Usage(
                "size takes nothing but `--check`; see `cargo xtask size --help`".to_owned(),
            ));
        }
    };
    let path = root.join(BOOK);
    let book =
        fs::read_to_string(&path).map_err(|error| format!("{BOOK} cannot be read: {error}"))?;
    // Checked before minutes of building: is there a table to compare with, or a place to write one?
    let written = read(&book)?;
    let (compiler, target) = compiler(root)?;
    if check && !is_comparable(&written, &target)? {
        println!(
            "not compared: the table in {BOOK} is of {}, and this is {target}",
            written.target
        );
        return Ok(());
    }
    let measured = Measured {
        rows: measure(root)?,
        compiler,
        target,
    };
    print(&measured, &written);
    if check {
        return grown(&measured, &written);
    }
    let book = splice(&book, "size", &write(&measured))?;
    fs::write(&path, book).map_err(|error| format!("{BOOK} cannot be written: {error}"))?;
    println!("wrote {BOOK}");
    Ok(())
}

/// Returns `true` if sizes for `target` can be compared with the table.
fn is_comparable(written: &Measured, target: &str) -> Result<bool> {
    if written.target.is_empty() || written.rows.is_empty() {
        return Err(
            format!("{BOOK} has no table to compare with; `cargo xtask size` writes one").into(),
        );
    }
    Ok(written.target == target)
}

/// Returns the version of rustc, and its default target.
fn compiler(root: &Path) -> Result<(String, String)> {
    let version = run::stdout_of(Command::new("rustc").current_dir(root).arg("-vV"))?;
    let value = |key: &str| version.lines().find_map(|it| it.strip_prefix(key));
    match (value("release: "), value("host: ")) {
        (Some(release), Some(host)) => Ok((release.to_owned(), host.to_owned())),
        _ => Err("the output of `rustc -vV` has no release and host".into()),
    }
}

fn measure(root: &Path) -> Result<Vec<Row>> {
    let folder = profile_folder(root)?;
    let mut rows = Vec::new();
    for product in PRODUCTS {
        let arguments = product.arguments();
        println!("{} …", product.name);
        run::succeed(run::cargo(root).arg("--quiet").args(&arguments))?;
        let file = folder.join(product.file());
        if let What::Bare(_) | What::Program(_) = product.what {
            // The size of a program that does not run means nothing.
            run::stdout_of(&mut Command::new(&file))?;
        }
        let bytes = fs::metadata(&file)
            .map_err(|error| format!("{} was not built: {error}", file.display()))?
            .len();
        rows.push(Row {
            name: product.name.to_owned(),
            command: format!("cargo {}", arguments.join(" ")),
            crates: match product.what {
                What::Bare(_) => 0,
                _ => crates(root, product.package)?,
            },
            bytes,
        });
    }
    Ok(rows)
}

fn profile_folder(root: &Path) -> Result<PathBuf> {
    Ok(crate::ci::target_dir(root)?.join("phone"))
}

/// Returns the number of crates that are linked besides the package itself, without those that run in the compiler.
fn crates(root: &Path, package: &str) -> Result<usize> {
    let tree = run::stdout_of(run::cargo(root).args([
        "tree",
        &format!("--package={package}"),
        "--edges=normal,no-proc-macro",
        "--prefix=none",
    ]))?;
    let linked: BTreeSet<String> = tree
        .lines()
        .map(|it| it.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .collect();
    Ok(linked.len().saturating_sub(1))
}

fn print(measured: &Measured, written: &Measured) {
    let rows: Vec<Vec<String>> = measured
        .rows
        .iter()
        .map(|row| {
            let old = written.rows.iter().find(|it| it.name == row.name);
            vec![
                row.name.clone(),
                row.crates.to_string(),
                grouped(row.bytes),
                old.map_or_else(String::new, |it| grouped(it.bytes)),
            ]
        })
        .collect();
    println!(
        "\n{}",
        table::columns(&["what", "crates", "bytes", "bytes in the table"], &rows)
    );
}

/// Fails if a size exceeds the tolerance, or is not in the table.
fn grown(measured: &Measured, written: &Measured) -> Result {
    let mut wrong = Vec::new();
    for row in &measured.rows {
        match written.rows.iter().find(|it| it.name == row.name) {
            None => wrong.push(format!("`{}` is not in the table", row.name)),
            Some(old) if row.bytes * 100 > old.bytes * (100 + TOLERANCE) => wrong.push(format!(
                "`{}` has {} bytes, more than {TOLERANCE} % above the {} of the table (rustc {})",
                row.name,
                grouped(row.bytes),
                grouped(old.bytes),
                written.compiler
            )),
            Some(_) => {}
        }
    }
    if wrong.is_empty() {
        println!("nothing is more than {TOLERANCE} % above {BOOK}");
        return Ok(());
    }
    Err(format!(
        "{}\n       look for what came in: `git diff Cargo.lock`, `cargo tree -p push-client -e normal,features`, and `nm \
         --size-sort` of a build with CARGO_PROFILE_PHONE_STRIP=none; if it is worth its weight, run `cargo xtask size` and \
         commit the table",
        wrong.join("\n       ")
    )
    .into())
}

/// Returns the text between the marks.
fn write(measured: &Measured) -> String {
    let mut text = format!(
        "\nrustc {}, target `{}`.\n\n| what | command | crates | stripped bytes |\n|---|---|---:|---:|\n",
        measured.compiler, measured.target
    );
    for row in &measured.rows {
        text += &format!(
            "| {} | `{}` | {} | {} |\n",
            row.name,
            row.command,
            row.crates,
            grouped(row.bytes)
        );
    }
    text + "\n"
}

/// Reads what [`write`] wrote. A new table may be empty; then there is nothing to compare.
fn read(book: &str) -> Result<Measured> {
    // Looks for the marks first, so that a page without them is reported at once.
    splice(book, "size", "").map_err(|reason| format!("{BOOK}: {reason}"))?;
    let mut it = Measured {
        compiler: String::new(),
        target: String::new(),
        rows: Vec::new(),
    };
    let lines = book
        .lines()
        .skip_while(|it| !it.contains("begin generated: size"))
        .take_while(|it| !it.contains("end generated: size"));
    for line in lines {
        if let Some((compiler, target)) = line
            .strip_prefix("rustc ")
            .and_then(|it| it.split_once(", target `"))
        {
            it.compiler = compiler.to_owned();
            it.target = target.trim_end_matches("`.").to_owned();
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let [name, command, crates, bytes] = cells[..]
            && let (Ok(crates), Ok(bytes)) = (crates.parse(), bytes.replace(',', "").parse())
        {
            it.rows.push(Row {
                name: name.to_owned(),
                command: command.trim_matches('`').to_owned(),
                crates,
                bytes,
            });
        }
    }
    Ok(it)
}

/// `3272760` as `3,272,760`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{
        Failure, Measured, PRODUCTS, Row, grouped, grown, is_comparable, read, splice, write,
    };

    const BOOK: &str =
        "# Book\n<!-- begin generated: size (x) -->\nold\n<!-- end generated: size -->\nrest\n";

    fn measured(bytes: u64) -> Measured {
        Measured {
            compiler: "1.95.0".to_owned(),
            target: "some-target".to_owned(),
            rows: vec![Row {
                name: "an app".to_owned(),
                command: "cargo build".to_owned(),
                crates: 7,
                bytes,
            }],
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let it = measured(3_272_760);
        let book = splice(BOOK, "size", &write(&it)).expect("the book has a place for it");
        assert!(book.contains("| 7 | 3,272,760 |"), "{book}");
        assert!(book.ends_with("rest\n"), "{book}");
        assert_eq!(read(&book).expect("it has a table"), it);
    }

    #[test]
    fn a_page_without_a_place_for_the_table_is_reported() {
        assert!(
            matches!(read("# Book\n"), Err(Failure::Task(words)) if words.contains("generated: size"))
        );
    }

    #[test]
    fn ten_per_cent_more_is_too_much_and_ten_per_cent_is_not() {
        let table = measured(1000);
        assert!(grown(&measured(1100), &table).is_ok());
        assert!(grown(&measured(10), &table).is_ok());
        let Err(Failure::Task(words)) = grown(&measured(1101), &table) else {
            panic!("growth is not seen");
        };
        assert!(
            words.contains("1,101") && words.contains("cargo xtask size"),
            "{words}"
        );
    }

    #[test]
    fn without_a_table_nothing_is_compared_and_that_is_no_success() {
        let table = measured(1);
        assert!(is_comparable(&table, "some-target").is_ok_and(|it| it));
        assert!(is_comparable(&table, "another-target").is_ok_and(|it| !it));
        let table = read(BOOK).expect("the book has a place for it");
        assert!(is_comparable(&table, "some-target").is_err());
    }

    #[test]
    fn what_the_table_does_not_have_is_wrong() {
        let table = read(BOOK).expect("the book has a place for it");
        assert!(grown(&measured(1), &table).is_err());
    }

    #[test]
    fn every_product_has_a_name_of_its_own() {
        let mut names: Vec<&str> = PRODUCTS.iter().map(|it| it.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PRODUCTS.len());
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }
}

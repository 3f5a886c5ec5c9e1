//! What to do about a plugin's name that a registry does not know.
use crate::{AnyDescriptor, Error, ErrorKind};

/// The plugins that a package links by its Cargo features, enabled or not.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Catalog {
    /// The package's name.
    pub package: &'static str,
    /// The version for a dependency on it, as in `0.1`.
    pub version: &'static str,
    /// Each plugin's registry name, as in `provider/sample`, with the feature that links it.
    pub plugins: &'static [(&'static str, &'static str)],
}

impl Catalog {
    /// The plugins of `package`, in pairs of registry name and feature.
    pub const fn new(
        package: &'static str,
        version: &'static str,
        plugins: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            package,
            version,
            plugins,
        }
    }

    /// Returns what a package that depends on this one does to get `feature`.
    pub fn dependency_with(&self, feature: &str) -> String {
        let Self {
            package, version, ..
        } = self;
        format!(
            "add its feature to the dependency: {package} = {{ version = \"{version}\", features = [\"{feature}\"] }}"
        )
    }

    /// The feature that links the plugin called `name` of kind `kind`.
    fn feature(&self, kind: &str, name: &str) -> Option<&'static str> {
        let (_, feature) = self
            .plugins
            .iter()
            .find(|(id, _)| id.split_once('/') == Some((kind, name)))?;
        Some(*feature)
    }

    /// The names of its plugins of this kind.
    fn names(&self, kind: &str) -> impl Iterator<Item = &'static str> {
        self.plugins
            .iter()
            .filter_map(move |(id, _)| id.strip_prefix(kind)?.strip_prefix('/'))
    }
}

/// A catalog that the linker kept, of the package that submitted it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct LinkedCatalog(pub Catalog);

inventory::collect!(LinkedCatalog);

/// The program that a registry's user runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// Whether it is built from the catalog's package, with the features of that package; else it depends on the package.
    pub(crate) is_of_package: bool,
}

/// What a registry knows of its user, for advice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Adviser {
    /// The plugins that the user could have.
    pub(crate) catalog: Option<Catalog>,
    /// The program that the user runs; `None` for users of the library.
    pub(crate) program: Option<Program>,
}

impl Adviser {
    /// The error for a plugin that is not among those `linked`, which are all of its kind. Plugins of the kinds `elsewhere` have
    /// its name.
    pub(crate) fn unknown(
        &self,
        kind: &str,
        name: &str,
        linked: &[&'static str],
        elsewhere: &[&'static str],
    ) -> Error {
        if !AnyDescriptor::KINDS.contains(&kind) {
            return unknown_kind(kind, name);
        }
        let compiled_in = match linked {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        let error = Error::new(
            ErrorKind::NotFound,
            format!("no {kind} `{name}` in this build; compiled in: {compiled_in}"),
        );
        let catalog = self.catalog.as_ref();
        let offered = catalog.into_iter().flat_map(|catalog| catalog.names(kind));
        let Some(near) = nearest(&bare(kind, name), linked.iter().copied().chain(offered)) else {
            if let [other, ..] = elsewhere {
                return error.advise(format!(
                    "`{name}` is the name of a plugin of kind {other}; write that of a {kind}"
                ));
            }
            return error.advise(
                "add the crate that has it to the dependencies, and write `use that_crate as _;` in the program, so that \
                 the linker keeps it",
            );
        };
        let enable = if linked.contains(&near) {
            None
        } else {
            catalog
                .and_then(|catalog| Some((catalog, catalog.feature(kind, near)?)))
                .map(|(catalog, feature)| self.enable(catalog, feature))
        };
        error.advise(match (near == name, enable) {
            (true, Some(enable)) => enable,
            (false, Some(enable)) => format!("did you mean `{near}`? To have it, {enable}"),
            (_, None) => format!("did you mean `{near}`?"),
        })
    }

    /// How to get a plugin that the build does not have: users of the package's own program build it again, other programs
    /// and libraries have a dependency on the package.
    fn enable(&self, catalog: &Catalog, feature: &str) -> String {
        match self.program {
            Some(program) if program.is_of_package => {
                format!("build the program with `--features {feature}`")
            }
            _ => catalog.dependency_with(feature),
        }
    }

    /// Where a complete example of a plugin's configuration can be read.
    pub(crate) fn example(&self, plugin: AnyDescriptor) -> String {
        let (kind, name) = (plugin.kind(), plugin.name());
        match self.program {
            Some(Program { name: program, .. }) => {
                format!("`{program} plugins {kind}/{name}` prints a complete example")
            }
            None => {
                format!("a complete example is `registry.find(\"{kind}\", \"{name}\")?.example()`")
            }
        }
    }
}

fn unknown_kind(kind: &str, name: &str) -> Error {
    let kinds = AnyDescriptor::KINDS;
    let error = Error::new(
        ErrorKind::NotFound,
        format!("plugins of kind `{kind}` do not exist"),
    );
    error.advise(match nearest(kind, kinds.iter().copied()) {
        Some(near) => format!("did you mean `{near}/{name}`?"),
        None => format!("the kinds are {}", kinds.join(", ")),
    })
}

/// `name` without what belongs to packages, features and folders: `push-provider-sample` and `Provider_SAMPLE` mean `sample`.
fn bare(kind: &str, name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let rest = name.strip_prefix("push-").unwrap_or(&name);
    let rest = rest
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix(['-', '/']))
        .unwrap_or(rest);
    rest.to_owned()
}

/// Returns the candidate that differs least from `word`, if it differs little: by a third of its letters, and at least by one.
/// The first of several counts.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A name from outside may have any length.
    let word: Vec<char> = word.chars().take(64).collect();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.chars().collect();
        let distance = distance(&word, &letters);
        let limit = (letters.len() / 3).max(1);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The number of letters to insert, remove, replace, or exchange with their neighbour, to get from `a` to `b` (optimal
/// string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let replaced = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    fn letters(a: &str, b: &str) -> usize {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        distance(&a, &b)
    }

    #[test]
    fn one_slip_of_the_keyboard_counts_one() {
        for (slip, word) in [
            ("sampl", "sample"),
            ("samplee", "sample"),
            ("zample", "sample"),
            ("sotre", "store"),
            ("", "a"),
        ] {
            assert_eq!(letters(slip, word), 1, "{slip}");
            assert_eq!(letters(word, slip), 1, "{slip}");
        }
        assert_eq!(letters("sample", "sample"), 0);
        assert_eq!(letters("abc", "xyz"), 3);
    }

    #[test]
    fn a_word_that_resembles_nothing_has_no_nearest_one() {
        let names = ["sample", "sample-b2", "zed", "hooli"];
        for (word, expected) in [
            ("sampl", Some("sample")),
            ("sample2", Some("sample")),
            ("sample-b1", Some("sample-b2")),
            ("hooil", Some("hooli")),
            ("redis", None),
            ("ted!", None),
            ("", None),
            (&"a".repeat(100_000), None),
        ] {
            assert_eq!(nearest(word, names.into_iter()), expected);
        }
    }
}

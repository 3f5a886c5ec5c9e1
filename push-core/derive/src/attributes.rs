//! Reads the attributes of a type, field or variant.
use syn::{
    Attribute, Error, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Result, Token,
    meta::ParseNestedMeta, parse_quote, punctuated::Punctuated,
};

/// The default of a key that is absent.
pub(crate) enum Default {
    /// None: the key is required, unless its type is `Option`.
    Missing,
    /// That of the type.
    OfType,
    /// What a function returns.
    Of(Path),
}

/// What the attributes of a type say.
pub(crate) struct Container {
    /// Where `Describe` is.
    pub(crate) path: Path,
    pub(crate) about: String,
    /// Whether absent keys have the value that they have in the default of the type.
    pub(crate) has_default: bool,
    /// How names become words.
    pub(crate) rename_all: Option<String>,
    /// The plugin that it configures.
    pub(crate) plugin: Option<Path>,
    /// Whether it is a part of a configuration that a program can write.
    pub(crate) is_part: bool,
}

impl Container {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut it = Self {
            path: parse_quote!(::push_core),
            about: about(attributes),
            has_default: false,
            rename_all: None,
            plugin: None,
            is_part: false,
        };
        each(attributes, "serde", |meta| {
            if meta.path.is_ident("default") && !meta.input.peek(Token![=]) {
                it.has_default = true;
            } else if meta.path.is_ident("rename_all") {
                it.rename_all = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if ["untagged", "tag", "content", "transparent"]
                .iter()
                .any(|name| meta.path.is_ident(name))
            {
                return Err(
                    meta.error("`Describe` cannot see what this makes of the type: implement it")
                );
            } else {
                skip(&meta)?;
            }
            Ok(())
        })?;
        each(attributes, "describe", |meta| {
            if meta.path.is_ident("crate") {
                it.path = meta.value()?.parse()?;
            } else if meta.path.is_ident("rename_all") {
                it.rename_all = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("plugin") {
                it.plugin = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("part") {
                it.is_part = true;
            } else {
                return Err(meta.error("known are `crate`, `part`, `plugin` and `rename_all`"));
            }
            Ok(())
        })?;
        Ok(it)
    }
}

/// What the attributes of a field say.
pub(crate) struct Key {
    pub(crate) about: String,
    pub(crate) rename: Option<String>,
    pub(crate) is_skipped: bool,
    pub(crate) default: Default,
    pub(crate) min: Option<Expr>,
    pub(crate) max: Option<Expr>,
    pub(crate) min_len: Option<Expr>,
    pub(crate) max_len: Option<Expr>,
    pub(crate) unit: Option<String>,
    pub(crate) example: Option<Expr>,
    pub(crate) example_file: Option<String>,
    pub(crate) is_shown: bool,
    pub(crate) words: Vec<LitStr>,
    pub(crate) shape: Option<Path>,
}

impl Key {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut it = Self {
            about: about(attributes),
            rename: None,
            is_skipped: false,
            default: Default::Missing,
            min: None,
            max: None,
            min_len: None,
            max_len: None,
            unit: None,
            example: None,
            example_file: None,
            is_shown: false,
            words: Vec::new(),
            shape: None,
        };
        each(attributes, "serde", |meta| {
            if meta.path.is_ident("default") {
                it.default = if meta.input.peek(Token![=]) {
                    Default::Of(meta.value()?.parse::<LitStr>()?.parse()?)
                } else {
                    Default::OfType
                };
            } else if meta.path.is_ident("rename") {
                it.rename = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("skip") || meta.path.is_ident("skip_deserializing") {
                it.is_skipped = true;
            } else if meta.path.is_ident("flatten") || meta.path.is_ident("alias") {
                return Err(meta
                    .error("`Describe` does not know this: give each key one name in one table"));
            } else {
                skip(&meta)?;
            }
            Ok(())
        })?;
        each(attributes, "describe", |meta| {
            let Some(name) = meta.path.get_ident().map(Ident::to_string) else {
                return Err(meta.error(KNOWN));
            };
            match name.as_str() {
                "min" => it.min = Some(meta.value()?.parse()?),
                "max" => it.max = Some(meta.value()?.parse()?),
                "min_len" => it.min_len = Some(meta.value()?.parse()?),
                "max_len" => it.max_len = Some(meta.value()?.parse()?),
                "unit" => it.unit = Some(meta.value()?.parse::<LitStr>()?.value()),
                "example" => it.example = Some(meta.value()?.parse()?),
                "example_file" => it.example_file = Some(meta.value()?.parse::<LitStr>()?.value()),
                "shown" => it.is_shown = true,
                "shape" => it.shape = Some(meta.value()?.parse()?),
                "words" => {
                    let content;
                    syn::parenthesized!(content in meta.input);
                    let words = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
                    it.words = words.into_iter().collect();
                }
                _ => return Err(meta.error(KNOWN)),
            }
            Ok(())
        })?;
        Ok(it)
    }
}

const KNOWN: &str = "known are `min`, `max`, `min_len`, `max_len`, `unit`, `example`, `example_file`, `shown`, `words` and `shape`";

/// The word and the meaning of a variant.
pub(crate) fn word(attributes: &[Attribute]) -> Result<(Option<String>, String)> {
    let mut rename = None;
    each(attributes, "serde", |meta| {
        if meta.path.is_ident("rename") {
            rename = Some(meta.value()?.parse::<LitStr>()?.value());
            return Ok(());
        }
        skip(&meta)
    })?;
    Ok((rename, about(attributes)))
}

fn each(
    attributes: &[Attribute],
    name: &str,
    mut read: impl FnMut(ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    for attribute in attributes {
        if attribute.path().is_ident(name) {
            attribute.parse_nested_meta(&mut read)?;
        }
    }
    Ok(())
}

/// Reads over the value of an attribute that has no meaning here.
fn skip(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let content;
        syn::parenthesized!(content in meta.input);
        content.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}

/// The doc comment as plain text: paragraphs with an empty line between, each in one line; links are their text.
fn about(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        let Meta::NameValue(pair) = &attribute.meta else {
            continue;
        };
        if !pair.path.is_ident("doc") {
            continue;
        }
        let Expr::Lit(ExprLit {
            lit: Lit::Str(line),
            ..
        }) = &pair.value
        else {
            continue;
        };
        let line = line.value();
        match line.trim() {
            "" => text = format!("{}\n\n", text.trim_end()),
            line => {
                text.push_str(line);
                text.push(' ');
            }
        }
    }
    without_links(text.trim())
}

/// ``[`X`](y)`` and ``[`X`]`` are `` `X` ``.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        plain.push_str(before);
        let Some((name, behind)) = link.split_once("`]") else {
            plain.push_str("[`");
            rest = link;
            continue;
        };
        let name = name.rsplit("::").next().unwrap_or(name);
        plain.push_str(&format!("`{name}`"));
        rest = match behind.strip_prefix('(').and_then(|it| it.split_once(')')) {
            Some((_, behind)) => behind,
            None => behind,
        };
    }
    plain.push_str(rest);
    plain
}

/// Returns an error for a field whose doc comment is empty: nothing would say what the key means.
pub(crate) fn documented(about: &str, field: &Ident) -> Result<()> {
    if about.is_empty() {
        let what =
            "write a doc comment: it says in the example and the reference what the key means";
        return Err(Error::new_spanned(field, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doc_comment_becomes_paragraphs_of_plain_text() {
        let attributes: Vec<Attribute> = parse_quote! {
            /// The most that it holds
            /// ([`push_core::Held`]), see [`most`](Self::most).
            ///
            /// Beyond, [a] is refused.
        };
        assert_eq!(
            about(&attributes),
            "The most that it holds (`Held`), see `most`.\n\nBeyond, [a] is refused."
        );
    }

    #[test]
    fn what_cannot_be_described_is_refused() {
        for attribute in [
            parse_quote!(#[serde(flatten)]),
            parse_quote!(#[serde(alias = "x")]),
            parse_quote!(#[describe(minimum = 1)]),
        ] {
            let attribute: Attribute = attribute;
            assert!(Key::read(&[attribute]).is_err());
        }
        for attribute in [
            parse_quote!(#[serde(untagged)]),
            parse_quote!(#[serde(tag = "type")]),
            parse_quote!(#[describe(min = 1)]),
        ] {
            let attribute: Attribute = attribute;
            assert!(Container::read(&[attribute]).is_err());
        }
    }

    #[test]
    fn what_serde_alone_needs_is_read_over() {
        let attributes: Vec<Attribute> = parse_quote! {
            #[serde(with = "push_core::duration", default = "crate::second", skip_serializing)]
            #[serde(rename = "wait", bound(deserialize = "T: X"))]
            #[describe(min = 1, max = MOST, unit = "bytes", example = ["a", "b"], shown)]
        };
        let key = Key::read(&attributes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(key.rename.as_deref(), Some("wait"));
        assert!(matches!(key.default, Default::Of(_)));
        assert!(!key.is_skipped && key.is_shown && key.max.is_some());
    }
}

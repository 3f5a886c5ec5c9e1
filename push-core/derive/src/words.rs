//! An enum of words.
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, Error, Fields, Ident, Result};

use crate::attributes::{Container, word};

pub(crate) fn body(container: &Container, name: &Ident, data: &DataEnum) -> Result<TokenStream> {
    let path = &container.path;
    let mut words = Vec::new();
    let mut written = Vec::new();
    for variant in &data.variants {
        let Fields::Unit = variant.fields else {
            let what = "`Describe` is for enums of words: variants without fields";
            return Err(Error::new_spanned(variant, what));
        };
        let (rename, about) = word(&variant.attrs)?;
        let plain = variant.ident.to_string();
        let word = match (rename, &container.rename_all) {
            (Some(word), _) => word,
            (None, Some(case)) => renamed(&plain, case).ok_or_else(|| {
                Error::new_spanned(name, format!("`rename_all = \"{case}\"` is not known here"))
            })?,
            (None, None) => plain,
        };
        let ident = &variant.ident;
        words.push(quote!(#path::Word::new(#word, #about)));
        written.push(quote!(Self::#ident => #word));
    }
    Ok(quote! {
        fn shape() -> #path::Shape {
            #path::Shape::Words(::std::vec![#(#words),*])
        }

        fn written(&self) -> ::core::option::Option<#path::Written> {
            let word = match self { #(#written),* };
            ::core::option::Option::Some(#path::Written::from(word))
        }
    })
}

/// The name of a variant as `serde` renames it.
fn renamed(name: &str, case: &str) -> Option<String> {
    let separated = |separator: char| {
        let mut text = String::new();
        for letter in name.chars() {
            if letter.is_uppercase() && !text.is_empty() {
                text.push(separator);
            }
            text.extend(letter.to_lowercase());
        }
        text
    };
    Some(match case {
        "lowercase" => name.to_lowercase(),
        "UPPERCASE" => name.to_uppercase(),
        "kebab-case" => separated('-'),
        "snake_case" => separated('_'),
        "SCREAMING_SNAKE_CASE" => separated('_').to_uppercase(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn variants_are_renamed_as_serde_does() {
        for (case, word) in [
            ("lowercase", "notshown"),
            ("UPPERCASE", "NOTSHOWN"),
            ("kebab-case", "not-shown"),
            ("snake_case", "not_shown"),
            ("SCREAMING_SNAKE_CASE", "NOT_SHOWN"),
        ] {
            assert_eq!(renamed("NotShown", case).as_deref(), Some(word));
        }
        assert_eq!(renamed("NotShown", "Title Case"), None);
    }
}

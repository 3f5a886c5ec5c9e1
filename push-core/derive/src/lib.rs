//! The derive macro `Describe`. Use it as `push_core::Describe`, whose documentation lists the attributes.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod attributes;
mod fields;
mod values;
mod words;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, parse_macro_input};

use self::attributes::Container;

/// Describes a type of a configuration: a struct with named fields, or an enum of words.
///
/// The doc comments are the descriptions, and `#[serde(…)]` says how a key is called and whether it has a default. What these do
/// not say, `#[describe(…)]` adds. See `push_core::Describe`.
#[proc_macro_derive(Describe, attributes(describe, serde))]
pub fn describe(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream2, Error> {
    let container = Container::read(&input.attrs)?;
    let (body, values) = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => (
                fields::body(&container, named)?,
                values::of_fields(&container, input, named)?,
            ),
            _ => {
                let what = "`Describe` wants named fields, which are the keys";
                return Err(Error::new_spanned(&input.ident, what));
            }
        },
        Data::Enum(data) => (
            words::body(&container, &input.ident, data)?,
            values::of_words(&container, input),
        ),
        Data::Union(_) => {
            let what = "`Describe` is for structs and enums";
            return Err(Error::new_spanned(&input.ident, what));
        }
    };
    let (name, path) = (&input.ident, &container.path);
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #path::Describe for #name #type_generics #where_clause {
            #body
        }

        #values
    })
}

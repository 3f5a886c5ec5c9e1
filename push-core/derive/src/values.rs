//! A configuration as the JSON that it is read from.
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, FieldsNamed, Result};

use crate::{
    attributes::{Container, Default, Key},
    fields::name,
};

/// `ConfigValue` of a struct that is a plugin's configuration or a part of one, and `TypedConfig` of a plugin's.
pub(crate) fn of_fields(
    container: &Container,
    input: &DeriveInput,
    named: &FieldsNamed,
) -> Result<TokenStream> {
    if container.plugin.is_none() && !container.is_part {
        return Ok(TokenStream::new());
    }
    let path = &container.path;
    let mut keys = Vec::new();
    for field in &named.named {
        let Some(ident) = &field.ident else { continue };
        let key = Key::read(&field.attrs)?;
        if key.is_skipped {
            continue;
        }
        let (name, type_) = (name(ident, &key), &field.ty);
        let value = |of: TokenStream| quote!(<#type_ as #path::ConfigValue>::to_value(&#of));
        let usual = match &key.default {
            Default::Of(function) => value(quote!(#function())),
            Default::OfType => value(quote!(<#type_ as ::core::default::Default>::default())),
            Default::Missing if container.has_default => value(quote!(defaults.#ident)),
            Default::Missing => quote!(::core::option::Option::None),
        };
        let own = value(quote!(self.#ident));
        keys.push(quote!((#name, #own, #usual)));
    }
    let defaults = container
        .has_default
        .then(|| quote!(let defaults: Self = <Self as ::core::default::Default>::default();));
    let typed = match &container.plugin {
        None => TokenStream::new(),
        Some(_) if container.is_part => {
            let what = "keep one of `plugin` and `part`";
            return Err(Error::new_spanned(&input.ident, what));
        }
        Some(plugin) => implementation(
            input,
            &quote!(#path::TypedConfig),
            &quote!(type Plugin = #plugin;),
        ),
    };
    let values = implementation(
        input,
        &quote!(#path::ConfigValue),
        &quote! {
            fn to_value(&self) -> ::core::option::Option<#path::Written> {
                #defaults
                ::core::option::Option::Some(#path::__private::table([#(#keys),*]))
            }
        },
    );
    Ok(quote!(#values #typed))
}

/// `ConfigValue` of an enum of words.
pub(crate) fn of_words(container: &Container, input: &DeriveInput) -> TokenStream {
    let path = &container.path;
    implementation(
        input,
        &quote!(#path::ConfigValue),
        &quote! {
            fn to_value(&self) -> ::core::option::Option<#path::Written> {
                #path::Describe::written(self)
            }
        },
    )
}

fn implementation(input: &DeriveInput, of: &TokenStream, body: &TokenStream) -> TokenStream {
    let name = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #of for #name #type_generics #where_clause {
            #body
        }
    }
}

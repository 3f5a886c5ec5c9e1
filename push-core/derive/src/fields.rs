//! A struct whose fields are keys.
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Expr, FieldsNamed, Ident, Result, Type};

use crate::attributes::{Container, Default, Key, documented};

pub(crate) fn body(container: &Container, named: &FieldsNamed) -> Result<TokenStream> {
    let path = &container.path;
    let mut fields = Vec::new();
    let mut checks = Vec::new();
    for field in &named.named {
        let Some(ident) = &field.ident else { continue };
        let key = Key::read(&field.attrs)?;
        if key.is_skipped {
            continue;
        }
        documented(&key.about, ident)?;
        fields.push(described(container, ident, &field.ty, &key)?);
        let check = checked(path, ident, &field.ty, &key);
        if !check.is_empty() {
            checks.push(check);
        }
    }
    let about = &container.about;
    let default = container
        .has_default
        .then(|| quote!(let defaults: Self = <Self as ::core::default::Default>::default();));
    let faults = if checks.is_empty() {
        quote!(_)
    } else {
        quote!(faults)
    };
    Ok(quote! {
        fn shape() -> #path::Shape {
            #default
            #path::Shape::Table(#path::Table::new(#about, ::std::vec![#(#fields),*]))
        }

        fn check_ranges(&self, #faults: &mut #path::Faults) {
            #(#checks)*
        }
    })
}

/// The expression of one `Field`.
fn described(container: &Container, ident: &Ident, type_: &Type, key: &Key) -> Result<TokenStream> {
    let path = &container.path;
    let name = name(ident, key);
    let about = &key.about;
    let shape = match (&key.shape, key.words.as_slice()) {
        (Some(shape), _) => quote!(#shape()),
        (None, []) => quote!(<#type_ as #path::Describe>::shape()),
        (None, words) => quote! {
            #path::Shape::Words(::std::vec![#(#path::Word::new(#words, "")),*])
        },
    };
    let mut built = quote!(#path::Field::new(#name, #about, #shape));
    let default = match &key.default {
        // The type need not be described.
        Default::Missing
            if key.shape.is_some() && !container.has_default && inner(type_).is_none() =>
        {
            None
        }
        _ if key.shape.is_some() => Some(quote!(::core::option::Option::None)),
        Default::Of(function) => Some(quote! {{
            let value: #type_ = #function();
            #path::Describe::written(&value)
        }}),
        Default::OfType => Some(quote! {{
            let value: #type_ = ::core::default::Default::default();
            #path::Describe::written(&value)
        }}),
        Default::Missing if container.has_default => {
            Some(quote!(#path::Describe::written(&defaults.#ident)))
        }
        Default::Missing if inner(type_).is_some() => Some(quote!(::core::option::Option::None)),
        Default::Missing => None,
    };
    if let Some(default) = default {
        built = quote!(#built.optional(#default));
    }
    for (bound, method) in [(&key.min, "with_min"), (&key.max, "with_max")] {
        if let Some(bound) = bound {
            let method = Ident::new(method, ident.span());
            let bound = typed(type_, bound);
            built = quote!(#built.#method(#path::Describe::written(&#bound)));
        }
    }
    for (bound, method) in [
        (&key.min_len, "with_min_len"),
        (&key.max_len, "with_max_len"),
    ] {
        if let Some(bound) = bound {
            let method = Ident::new(method, ident.span());
            built = quote!(#built.#method(#bound));
        }
    }
    if let Some(unit) = &key.unit {
        built = quote!(#built.with_unit(#unit));
    }
    match (&key.example, &key.example_file) {
        (Some(_), Some(_)) => {
            let what = "keep one of `example` and `example_file`";
            return Err(Error::new_spanned(ident, what));
        }
        (Some(example), None) => {
            built = quote!(#built.with_example(#path::Written::from(#example)));
        }
        (None, Some(file)) => built = quote!(#built.with_example_file(#file)),
        (None, None) => {}
    }
    if key.is_shown {
        built = quote!(#built.shown());
    }
    Ok(built)
}

/// The statement that checks the ranges of one field.
fn checked(path: &syn::Path, ident: &Ident, type_: &Type, key: &Key) -> TokenStream {
    let name = name(ident, key);
    let mut statements = Vec::new();
    if key.min.is_some() || key.max.is_some() {
        let bound = |bound: &Option<Expr>| match bound {
            Some(bound) => {
                let bound = typed(type_, bound);
                quote!(::core::option::Option::Some(#bound))
            }
            None => quote!(::core::option::Option::None),
        };
        let (min, max) = (bound(&key.min), bound(&key.max));
        let value = match inner(type_) {
            Some(_) => quote!(self.#ident.as_ref()),
            None => quote!(::core::option::Option::Some(&self.#ident)),
        };
        let unit = key.unit.as_deref().unwrap_or_default();
        statements.push(quote! {
            #path::__private::check_range(faults, #name, #value, #min, #max, #unit);
        });
    }
    if key.min_len.is_some() || key.max_len.is_some() {
        let bound = |bound: &Option<Expr>| match bound {
            Some(bound) => quote!(::core::option::Option::Some(#bound)),
            None => quote!(::core::option::Option::None),
        };
        let (min, max) = (bound(&key.min_len), bound(&key.max_len));
        statements.push(quote! {
            #path::__private::check_length(faults, #name, &self.#ident, #min, #max);
        });
    }
    if key.shape.is_none() {
        statements.push(quote!(#path::__private::check_inner(faults, #name, &self.#ident);));
    }
    quote!(#(#statements)*)
}

pub(crate) fn name(ident: &Ident, key: &Key) -> String {
    key.rename.clone().unwrap_or_else(|| {
        let name = ident.to_string();
        name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
    })
}

/// A bound as a value of the field's type, or of what is in its `Option`.
fn typed(type_: &Type, bound: &Expr) -> TokenStream {
    let type_ = inner(type_).unwrap_or(type_);
    quote!({ let bound: #type_ = #bound; bound })
}

/// `T` of `Option<T>`.
fn inner(type_: &Type) -> Option<&Type> {
    let Type::Path(path) = type_ else { return None };
    let last = path.path.segments.last()?;
    if last.ident != "Option" {
        return None;
    }
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        syn::GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}

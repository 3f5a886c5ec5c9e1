//! A deserializer over a layered configuration that knows where it is, and which words can stand there.
use std::cell::RefCell;

use config::{ConfigError, Value, ValueKind};
use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, Visitor,
        value::StrDeserializer,
    },
};

/// What was wrong, and at which key: empty for the whole.
pub(super) struct Refused {
    pub(super) error: Box<ConfigError>,
    pub(super) place: String,
}

/// Reads `value`, loosely as `config` does: `"7"` is a number where one is wanted.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Refused> {
    let refused = RefCell::default();
    let reader = Reader {
        value,
        place: String::new(),
        refused: &refused,
    };
    T::deserialize(reader).map_err(|error| Refused {
        error: Box::new(error),
        place: refused.into_inner().unwrap_or_default(),
    })
}

struct Reader<'a> {
    value: Value,
    place: String,
    /// Where the first error was.
    refused: &'a RefCell<Option<String>>,
}

impl<'a> Reader<'a> {
    /// Reads what is in this value, at `place`.
    fn inner<T>(
        refused: &'a RefCell<Option<String>>,
        value: Value,
        place: String,
        read: impl FnOnce(Self) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let reader = Reader {
            value,
            place: place.clone(),
            refused,
        };
        read(reader).inspect_err(|_| {
            refused.borrow_mut().get_or_insert(place);
        })
    }

    fn structure<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let Self {
            value,
            place,
            refused,
        } = self;
        match value.kind {
            ValueKind::Array(list) => visitor.visit_seq(Elements {
                list: list.into_iter().enumerate(),
                place,
                refused,
            }),
            ValueKind::Table(table) => visitor.visit_map(Members {
                table: table.into_iter(),
                value: None,
                place,
                refused,
            }),
            _ => value.deserialize_any(visitor),
        }
    }
}

macro_rules! scalars {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
            self.value.$method(visitor)
        }
    )*};
}

macro_rules! structures {
    ($($method:ident($($argument:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* visitor: V) -> Result<V::Value, ConfigError> {
            self.structure(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ConfigError;

    scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier deserialize_ignored_any
    }

    structures! {
        deserialize_any() deserialize_seq() deserialize_map() deserialize_unit_struct(&'static str) deserialize_tuple(usize)
        deserialize_tuple_struct(&'static str, usize) deserialize_struct(&'static str, &'static [&'static str])
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match self.value.kind {
            ValueKind::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let (word, content) = match self.value.kind {
            ValueKind::String(word) => (word, None),
            ValueKind::Table(table) if table.len() == 1 => {
                let Some((word, value)) = table.into_iter().next() else {
                    return Err(ConfigError::unknown_variant("", variants));
                };
                (word, Some(value))
            }
            _ => return Err(ConfigError::unknown_variant("", variants)),
        };
        let Some(variant) = variants.iter().find(|variant| **variant == word) else {
            return Err(ConfigError::unknown_variant(&word, variants));
        };
        visitor.visit_enum(Variant {
            variant,
            content: content.map(|value| Reader {
                value,
                place: format!("{}.{variant}", self.place),
                refused: self.refused,
            }),
        })
    }
}

struct Elements<'a> {
    list: std::iter::Enumerate<std::vec::IntoIter<Value>>,
    place: String,
    refused: &'a RefCell<Option<String>>,
}

impl<'de> de::SeqAccess<'de> for Elements<'_> {
    type Error = ConfigError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ConfigError> {
        let Some((index, value)) = self.list.next() else {
            return Ok(None);
        };
        let place = format!("{}[{index}]", self.place);
        Reader::inner(self.refused, value, place, |it| seed.deserialize(it)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.list.len())
    }
}

struct Members<'a> {
    table: <config::Map<String, Value> as IntoIterator>::IntoIter,
    value: Option<(String, Value)>,
    place: String,
    refused: &'a RefCell<Option<String>>,
}

impl<'de> de::MapAccess<'de> for Members<'_> {
    type Error = ConfigError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ConfigError> {
        let Some((key, value)) = self.table.next() else {
            return Ok(None);
        };
        let place = match &*self.place {
            "" => key.clone(),
            place => format!("{place}.{key}"),
        };
        self.value = Some((place, value));
        let key: StrDeserializer<'_, ConfigError> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ConfigError> {
        let (place, value) = self
            .value
            .take()
            .ok_or_else(|| ConfigError::custom("a value was read before its key"))?;
        Reader::inner(self.refused, value, place, |it| seed.deserialize(it))
    }
}

/// A word for something, or a table with one key, which is the word.
struct Variant<'a> {
    variant: &'static str,
    content: Option<Reader<'a>>,
}

impl<'a, 'de> de::EnumAccess<'de> for Variant<'a> {
    type Error = ConfigError;
    type Variant = Content<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content<'a>), ConfigError> {
        let word: StrDeserializer<'_, ConfigError> = self.variant.into_deserializer();
        Ok((seed.deserialize(word)?, Content(self.content)))
    }
}

struct Content<'a>(Option<Reader<'a>>);

impl<'a> Content<'a> {
    fn wanted(self) -> Result<Reader<'a>, ConfigError> {
        self.0
            .ok_or_else(|| ConfigError::custom("needs a table with more than the word"))
    }
}

impl<'de> de::VariantAccess<'de> for Content<'_> {
    type Error = ConfigError;

    fn unit_variant(self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ConfigError> {
        seed.deserialize(self.wanted()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ConfigError> {
        self.wanted()?.structure(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        self.wanted()?.structure(visitor)
    }
}

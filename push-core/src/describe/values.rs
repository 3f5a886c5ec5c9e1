//! The types that stand in configurations.
use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use serde_json::{Map, Value};

use super::{Describe, Shape, Written, check_inner};
use crate::{
    AddressPolicy, AppId, CertificateId, Channel, Class, ConfigPath, Faults, Secret, duration,
};

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Describe for $type {
            fn shape() -> Shape {
                #[allow(clippy::cast_lossless, clippy::allow_attributes, reason = "one macro for all widths")]
                Shape::Integer { min: <$type>::MIN as i64, max: <$type>::MAX as u64 }
            }

            fn written(&self) -> Option<Written> {
                Some(Written::from(*self))
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 usize i8 i16 i32 i64);

macro_rules! texts {
    ($($type:ty)*) => {$(
        impl Describe for $type {
            fn shape() -> Shape {
                Shape::Text
            }

            fn written(&self) -> Option<Written> {
                Some(Written::from(self.to_string()))
            }

            fn length(&self) -> Option<usize> {
                Some(self.to_string().len())
            }
        }
    )*};
}

texts!(String AppId Channel Class);

impl Describe for CertificateId {
    fn shape() -> Shape {
        Shape::Integer {
            min: 1,
            max: u64::from(u32::MAX),
        }
    }

    fn written(&self) -> Option<Written> {
        Some(Written::from(self.get()))
    }
}

impl Describe for SocketAddr {
    fn shape() -> Shape {
        Shape::Address
    }

    fn written(&self) -> Option<Written> {
        Some(Written::from(self.to_string()))
    }
}

impl Describe for bool {
    fn shape() -> Shape {
        Shape::Bool
    }

    fn written(&self) -> Option<Written> {
        Some(Written::from(*self))
    }
}

impl Describe for f64 {
    fn shape() -> Shape {
        Shape::Number
    }

    fn written(&self) -> Option<Written> {
        Some(Written::from(*self))
    }
}

impl Describe for Secret {
    fn shape() -> Shape {
        Shape::Secret
    }

    fn length(&self) -> Option<usize> {
        Some(self.expose().len())
    }
}

impl Describe for ConfigPath {
    fn shape() -> Shape {
        Shape::Path
    }

    fn length(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl Describe for Duration {
    fn shape() -> Shape {
        Shape::Duration
    }

    fn written(&self) -> Option<Written> {
        Some(Written::from(duration::format(*self)))
    }
}

impl Describe for AddressPolicy {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Text, Shape::List(Box::new(Shape::Text))])
    }

    fn written(&self) -> Option<Written> {
        Some(match <[String; 1]>::try_from(self.words()) {
            Ok([word]) => Written::from(word),
            Err(words) => Written::from(words),
        })
    }
}

/// Any value.
impl Describe for Value {
    fn shape() -> Shape {
        Shape::Any
    }

    fn written(&self) -> Option<Written> {
        Some(self.clone())
    }
}

impl Describe for Map<String, Value> {
    fn shape() -> Shape {
        Shape::Map(Box::new(Shape::Any))
    }

    fn written(&self) -> Option<Written> {
        Some(Written::Object(self.clone()))
    }

    fn length(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<T: Describe> Describe for Option<T> {
    fn shape() -> Shape {
        T::shape()
    }

    fn written(&self) -> Option<Written> {
        self.as_ref().and_then(T::written)
    }

    fn length(&self) -> Option<usize> {
        self.as_ref().and_then(T::length)
    }

    fn check_ranges(&self, faults: &mut Faults) {
        if let Some(value) = self {
            value.check_ranges(faults);
        }
    }
}

impl<T: Describe> Describe for Vec<T> {
    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }

    fn written(&self) -> Option<Written> {
        self.iter().map(T::written).collect()
    }

    fn length(&self) -> Option<usize> {
        Some(self.len())
    }

    fn check_ranges(&self, faults: &mut Faults) {
        for (n, value) in self.iter().enumerate() {
            check_inner(faults, &format!("[{n}]"), value);
        }
    }
}

impl<K: fmt::Display, T: Describe> Describe for BTreeMap<K, T> {
    fn shape() -> Shape {
        Shape::Map(Box::new(T::shape()))
    }

    fn written(&self) -> Option<Written> {
        let written = self
            .iter()
            .map(|(key, value)| Some((key.to_string(), value.written()?)));
        written.collect::<Option<Map<_, _>>>().map(Written::Object)
    }

    fn length(&self) -> Option<usize> {
        Some(self.len())
    }

    fn check_ranges(&self, faults: &mut Faults) {
        for (key, value) in self {
            check_inner(faults, &key.to_string(), value);
        }
    }
}

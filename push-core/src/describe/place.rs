//! Finds the description of a place like `keys[0].scopes`.
use super::{Field, Shape, Table};

/// What is described at a place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    /// A key of a table.
    Field(&'a Field),
    /// An element of a list, or a value under any key.
    Shape(&'a Shape),
}

impl<'a> Found<'a> {
    pub(crate) fn shape(self) -> &'a Shape {
        match self {
            Self::Field(field) => &field.shape,
            Self::Shape(shape) => shape,
        }
    }

    /// What a value must be, to complete the sentence "must be …".
    pub(crate) fn wanted(self) -> String {
        match self {
            Self::Field(field) => field.wanted(),
            Self::Shape(shape) => shape.to_string(),
        }
    }

    fn table(self) -> Option<&'a Table> {
        match self.shape() {
            Shape::Table(table) => Some(table),
            Shape::Either(shapes) => shapes.iter().find_map(|shape| Found::Shape(shape).table()),
            _ => None,
        }
    }
}

impl Shape {
    /// Finds what is described at `place`, in this shape; an empty place is the shape itself.
    pub(crate) fn at<'a>(&'a self, place: &str) -> Option<Found<'a>> {
        let mut found = Found::Shape(self);
        for part in place.split('.').filter(|part| !part.is_empty()) {
            let mut pieces = part.split('[');
            let key = pieces.next().unwrap_or_default();
            if !key.is_empty() {
                found = match found.table() {
                    Some(table) => Found::Field(table.field(key)?),
                    None => match found.shape() {
                        Self::Map(inner) => Found::Shape(inner),
                        _ => return None,
                    },
                };
            }
            for _ in pieces {
                found = match found.shape() {
                    Self::List(inner) => Found::Shape(inner),
                    Self::Either(shapes) => shapes.iter().find_map(|shape| match shape {
                        Self::List(inner) => Some(Found::Shape(inner)),
                        _ => None,
                    })?,
                    _ => return None,
                };
            }
        }
        Some(found)
    }

    /// The table that is described at `place`.
    pub(crate) fn table_at(&self, place: &str) -> Option<&Table> {
        self.at(place)?.table()
    }
}

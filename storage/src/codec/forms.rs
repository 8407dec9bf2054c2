//! The forms of this room from the inside, for fuzz targets.

use super::{
    block::{self, Parts},
    class,
};
use crate::Class;

/// What a record of a block is put together from: its body and the forms of its classes, all
/// compressed. `None` if it is no such record.
pub(crate) fn parts(record: &[u8]) -> Option<Vec<Vec<u8>>> {
    let Parts { body, classes } = Parts::read(record).ok()?;
    let classes = classes.into_iter().map(|(_, class)| class.to_vec());
    Some(std::iter::once(body.to_vec()).chain(classes).collect())
}

/// The record of a block with this body and no classes.
pub(crate) fn block(body: &[u8]) -> Vec<u8> {
    block::record_of(&compress(body), &[])
}

/// The form of a class.
///
/// # Panics
/// If it has none.
pub(crate) fn class(class: &Class) -> Vec<u8> {
    compress(&class::encode_class(class).expect("a class that was read"))
}

/// Compresses.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    class::compress(bytes, 1).expect("anything can be compressed")
}

/// Decompresses as far as any decoder would; nothing if that is not possible.
pub(crate) fn decompress(bytes: &[u8]) -> Vec<u8> {
    class::decompress(bytes, block::BODY_BYTES_MAX).unwrap_or_default()
}

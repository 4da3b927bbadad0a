//! Contents that tell which write made them: a number, and bytes that only this number makes.

/// The bytes of a content; 0 is the empty file.
pub fn bytes(id: u64) -> Vec<u8> {
    if id == 0 {
        return Vec::new();
    }
    let mut all = id.to_le_bytes().to_vec();
    all.extend(crate::common::bytes([1, 100, 5000, 70_000][id as usize % 4], id));
    all
}

/// Which content these bytes are; `None` when they are no whole content.
pub fn read(found: &[u8]) -> Option<u64> {
    let Some(head) = found.first_chunk::<8>() else { return found.is_empty().then_some(0) };
    let id = u64::from_le_bytes(*head);
    (bytes(id) == found).then_some(id)
}

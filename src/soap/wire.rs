//! `wire!`: a structure of the SRM v2.2 WSDL is declared once, and from that come the struct, how it
//! is read (over [`super::cursor::Cursor`]), how it is written and what the WSDL says of it.
//!
//! Requests are read by own code over quick-xml's events, not by serde: only so does a bad value
//! name its element and leave the rest readable, does an empty element count as absent, and is an
//! `href` followed without rewriting the document; and it takes one pass instead of two.

/// `Rust name = "WSDL name" { field: Type = "element", ... }`. A type is `T`, `Option<T>` or
/// `Vec<T>`; it gives multiplicity and nillability. `as "xsd:anyURI"` names another XSD type than
/// the Rust type's own; `, demanded` (minOccurs 1, nillable) and `, plain` (not nillable) stand
/// for the WSDL's few odd fields.
macro_rules! wire {
    ($(
        $(#[$doc:meta])*
        $name:ident = $tag:tt {
            $( $field:ident : $first:ident $(< $inner:ident >)? = $wire:tt
               $(as $xsd:literal)? $(($odd:ident))? ),* $(,)?
        }
    )*) => {
        $(
            $(#[$doc])*
            #[doc = concat!("`", $tag, "`.")]
            #[derive(Clone, Debug, PartialEq)]
            pub struct $name {
                $(
                    #[doc = concat!("`", $wire, "`.")]
                    pub $field: $first $(< $inner >)?,
                )*
            }

            impl $name {
                /// What the WSDL says of it.
                pub const INFO: $crate::soap::TypeInfo = $crate::soap::TypeInfo {
                    name: $tag,
                    fields: &[$(
                        $crate::soap::FieldInfo {
                            name: $wire,
                            xsd: $crate::soap::wire::wire!(
                                @xsd [$($xsd)?] <$first $(< $inner >)? as Slot>::XSD
                            ),
                            min: $crate::soap::wire::wire!(
                                @min [$($odd)?] <$first $(< $inner >)? as Slot>::MIN
                            ),
                            nillable: $crate::soap::wire::wire!(
                                @nil [$($odd)?] <$first $(< $inner >)? as Slot>::NILLABLE
                            ),
                            many: <$first $(< $inner >)? as Slot>::MANY,
                        },
                    )*],
                };
            }

            impl $crate::soap::value::Value for $name {
                const XSD: &'static str = concat!("impl:", $tag);

                fn read(
                    cursor: &mut $crate::soap::cursor::Cursor<'_>,
                    _: &'static str,
                ) -> Result<Option<Self>, $crate::soap::SoapFault> {
                    $(
                        let mut $field =
                            <<$first $(< $inner >)? as Slot>::Partial as Default>::default();
                    )*
                    let mut empty = true;
                    while let Some(tag) = cursor.child()? {
                        empty = false;
                        match tag.local_name().as_ref() {
                            $(
                                $wire => <$first $(< $inner >)? as Slot>::take(
                                    &mut $field, cursor, &tag, $wire,
                                )?,
                            )*
                            _ => cursor.skip()?,
                        }
                    }
                    if empty {
                        return Ok(None);
                    }
                    $(
                        let $field =
                            <$first $(< $inner >)? as Slot>::finish($field, cursor, $wire);
                    )*
                    Ok((|| Some(Self { $($field: $field?,)* }))())
                }

                fn write(&self, out: &mut String) {
                    $(self.$field.put(out, $wire);)*
                }

                fn absent() -> Option<Self> {
                    Some(Self { $($field: <$first $(< $inner >)? as Slot>::absent()?,)* })
                }
            }
        )*

        /// Every structure declared here, in order.
        pub const TYPES: &[$crate::soap::TypeInfo] = &[$($name::INFO,)*];
    };
    (@xsd [] $own:expr) => { $own };
    (@xsd [$xsd:literal] $own:expr) => { $xsd };
    (@min [demanded] $own:expr) => { 1 };
    (@min [$($odd:ident)?] $own:expr) => { $own };
    (@nil [demanded] $own:expr) => { true };
    (@nil [plain] $own:expr) => { false };
    (@nil [] $own:expr) => { $own };
}
pub(crate) use wire;

//! Choices under PyG's names.

/// Reads an enum from PyG's names, in upper or lower case, with or without underscores, and writes
/// the first one.
macro_rules! by_name {
    ($choice:ident, $error:ident { $($variant:ident: $name:literal $(| $other:literal)*),+ $(,)? }) => {
        impl $choice {
            /// PyG's names of all.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// PyG's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl core::str::FromStr for $choice {
            type Err = $error;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                let plain = |name: &str| name.to_lowercase().replace('_', "");
                let given = plain(name);
                $(if [$name $(, $other)*].iter().any(|known| plain(known) == given) {
                    return Ok(Self::$variant);
                })+
                let name = name.to_owned();
                Err($error { name })
            }
        }

        impl TryFrom<String> for $choice {
            type Error = $error;

            fn try_from(name: String) -> Result<Self, Self::Error> {
                name.parse()
            }
        }

        impl From<$choice> for &'static str {
            fn from(choice: $choice) -> Self {
                choice.name()
            }
        }
    };
}

pub(crate) use by_name;

//! Ids of what a program consists of: positions in its tables.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub u32);

        impl $name {
            /// The id of a position; one beyond 32 bits becomes an id that no table has.
            pub fn from_index(position: usize) -> Self {
                Self(u32::try_from(position).unwrap_or(u32::MAX))
            }

            /// Position in its table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(/** A value of a function; prints as `%3`. */ ValueId);
id!(/** A weight of the program; prints as `@conv1.lin.weight`. */ WeightId);
id!(/** A module of the program. */ ModuleId);
id!(/** A function of the program. */ FunctionId);
id!(/** A symbolic size of the program; prints as `$N`. */ SymbolId);

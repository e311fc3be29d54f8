//! Modules that only wrap another.

use burn::module::{Module, ModuleMapper};

/// [`Module::map`] by a name that parameters, which have a method `map` of their own, leave free.
pub(crate) trait MapWith: Module {
    /// The module with what the mapper makes of its parameters.
    fn map_with<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Module::map(self, mapper)
    }
}

impl<T: Module> MapWith for T {}

/// Implements `Module` for a wrapper of one module, or of one of several: unlike with
/// `derive(Module)`, parameters have the names that they have in the module inside. Behind a
/// constructor stand names for what it holds beside the module, which may be in a box.
macro_rules! transparent_module {
    ($name:ident { $($variant:path $(, $more:ident)*);+ $(;)? }) => {
        impl Module for $name {
            fn collect_devices(&self, devices: Devices) -> Devices {
                match self { $($variant(module, ..) => module.collect_devices(devices),)+ }
            }

            fn fork(self, device: &Device) -> Self {
                match self { $($variant(module $(, $more)*) => $variant(module.fork(device).into() $(, $more)*),)+ }
            }

            fn to_device(self, device: &Device) -> Self {
                match self { $($variant(module $(, $more)*) => $variant(module.to_device(device).into() $(, $more)*),)+ }
            }

            fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
                match self { $($variant(module, ..) => module.visit(visitor),)+ }
            }

            fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
                use $crate::transparent::MapWith as _;

                match self { $($variant(module $(, $more)*) => $variant(module.map_with(mapper).into() $(, $more)*),)+ }
            }

            fn valid(&self) -> Self {
                match self { $($variant(module $(, $more)*) => $variant(module.valid().into() $(, $more.clone())*),)+ }
            }

            fn train(self) -> Self {
                match self { $($variant(module $(, $more)*) => $variant(module.train().into() $(, $more)*),)+ }
            }

            fn materialize(self) -> Self {
                match self { $($variant(module $(, $more)*) => $variant(module.materialize().into() $(, $more)*),)+ }
            }
        }

        impl ModuleDisplayDefault for $name {
            fn content(&self, content: Content) -> Option<Content> {
                match self { $($variant(module, ..) => module.content(content),)+ }
            }
        }

        impl ModuleDisplay for $name {}

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let settings = burn::module::DisplaySettings::default();
                match self { $($variant(module, ..) => f.write_str(&module.format(settings)),)+ }
            }
        }
    };
}

pub(crate) use transparent_module;

//! Layers: modules whose forward pass has a name, a signature and a place in recordings.

use core::fmt;
use std::sync::Arc;

use burn::module::Module;
use kiln_core::{
    Arguments, Change, Leaves, Named, Signature, Signatures, Value,
    signature::{Literal, Type},
};

use crate::scope;

/// A module with a forward pass that can be called with typed arguments, recorded and exported.
///
/// A layer says what it takes ([`signatures`](Self::signatures)) and what it computes
/// ([`compute`](Self::compute)). Its typed variants, one for each combination of the arguments'
/// forms, follow from that: every layer is [`Overloads`].
pub trait Layer: Module {
    /// PyG's name of the operator, such as `GCNConv`: the class name in exported programs.
    const NAME: &'static str;

    /// How names and layouts of parameters changed, newest first.
    const HISTORY: &'static [Change] = &[];

    /// What the layer is made from; `()` for a layer that is made by hand.
    type Config;

    /// What [`compute`](Self::compute) takes: [`ConvArgs`](kiln_core::ConvArgs) for most
    /// convolutions, a tensor for a layer that looks at each node by itself.
    type Args: Arguments;

    /// What [`compute`](Self::compute) returns.
    type Output: Leaves + Into<Value>;

    /// The arguments under PyG's names, in all their forms.
    fn signatures(&self) -> Signatures;

    /// The forward pass. Call [`call`](Self::call), so that recordings know where it starts and
    /// ends.
    fn compute(&self, args: Self::Args) -> Self::Output;

    /// The forward pass as a method of its own in recordings.
    fn call(&self, args: impl Into<Self::Args>) -> Self::Output {
        let scope = scope::layer(self, Self::NAME, "forward").with_history(Self::HISTORY);
        let args = scope.input("", args.into());
        scope.exit(self.compute(args))
    }
}

/// One typed forward variant of a module of type `M`.
pub struct Overload<M: ?Sized> {
    /// Method name. Variants of one overloaded method are `forward__0`, `forward__1`, ... in the
    /// order in which PyG lists them; a method with one variant has its plain name.
    pub name: String,
    /// Inputs.
    pub signature: Signature,
    #[expect(clippy::type_complexity, reason = "a shared closure, named only here")]
    forward: Arc<dyn Fn(&M, Named) -> Value + Send + Sync>,
}

impl<M: ?Sized> Overload<M> {
    /// A variant of the given name and signature; `forward` gets the values of the parameters.
    pub fn new(
        name: impl Into<String>,
        signature: Signature,
        forward: impl Fn(&M, Named) -> Value + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            signature,
            forward: Arc::new(forward),
        }
    }

    /// One variant for each combination of the values of its inputs of type [`Type::OneOf`], which
    /// have one value each then: `forward__0`, `forward__1`, ... of `forward`. The variants of
    /// `forward__1` follow those of `forward__0`.
    pub fn variants(self) -> Vec<Self> {
        let mut signatures = vec![Signature::new()];
        for param in &self.signature.params {
            let forms = match &param.ty {
                Type::OneOf(literals) => {
                    let one = |literal: &Literal| Type::OneOf(vec![literal.clone()]);
                    literals.iter().map(one).collect()
                }
                ty => vec![ty.clone()],
            };
            let with = |signature: Signature| {
                let form = |ty: &Type| signature.clone().with(param.name.clone(), ty.clone());
                forms.iter().map(form).collect::<Vec<_>>()
            };
            signatures = signatures.into_iter().flat_map(with).collect();
        }
        if signatures.len() == 1 {
            return vec![self];
        }
        let numbered = self.name.rsplit_once("__");
        let numbered = numbered.and_then(|(base, number)| Some((base, number.parse().ok()?)));
        let (base, place) = numbered.unwrap_or((self.name.as_str(), 0_usize));
        let first = place.saturating_mul(signatures.len());
        let variant = |(number, signature)| Self {
            name: format!("{base}__{number}"),
            signature,
            forward: Arc::clone(&self.forward),
        };
        (first..).zip(signatures).map(variant).collect()
    }

    /// Calls the variant: one value for each parameter of the signature, in order; [`Value::None`]
    /// where an optional one is absent.
    ///
    /// # Panics
    /// If a value is missing or of another type.
    pub fn call(&self, module: &M, values: Vec<Value>) -> Value {
        let names = self.signature.params.iter().map(|param| &*param.name);
        self.call_named(module, Named::new(names, values))
    }

    /// Calls the variant with values by name.
    ///
    /// # Panics
    /// If a value is missing or of another type.
    pub fn call_named(&self, module: &M, values: Named) -> Value {
        (self.forward)(module, values)
    }
}

impl<M: ?Sized> fmt::Debug for Overload<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overload")
            .field("name", &self.name)
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

/// A module that lists its typed forward variants: what recorder, command line and tests work from.
pub trait Overloads {
    /// The variants, in PyG's order.
    fn overloads(&self) -> Vec<Overload<Self>>;

    /// PyG's name of the operator, such as `GCNConv`; the class name in exported programs.
    fn kind(&self) -> &'static str;
}

/// One variant for each combination of forms, `forward__0`, `forward__1`, ..; `forward` if each
/// argument has one form.
impl<L: Layer> Overloads for L {
    fn overloads(&self) -> Vec<Overload<Self>> {
        let signatures = self.signatures();
        let is_overloaded = signatures.is_overloaded();
        let variants = signatures.variants().into_iter();
        let variants = variants.map(|(number, variant)| {
            let name = if is_overloaded {
                format!("forward__{number}")
            } else {
                "forward".to_owned()
            };
            Overload::new(name, variant, |layer: &L, mut values| {
                layer.call(L::Args::from_named(&mut values)).into()
            })
        });
        variants.collect()
    }

    fn kind(&self) -> &'static str {
        L::NAME
    }
}

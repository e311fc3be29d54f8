//! How the parameters of a layer were called in earlier releases of PyG.

/// One change of names or layouts of parameters, with the release that made it.
///
/// Names are those of PyTorch's `state_dict`, relative to the layer. A checkpoint from before the
/// release is read as if it had been written after it.
///
/// ```
/// use kiln_core::Change;
///
/// const HISTORY: &[Change] = &[
///     Change::renamed("2.0", "lin_l", "lin_rel"),
///     Change::transposed("1.6", "weight", "lin_l.weight"),
/// ];
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The first release with the new names.
    pub release: &'static str,
    /// What changed.
    pub kind: ChangeKind,
}

/// What a release changed; see [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A parameter, or a module with all its parameters, got another name.
    Renamed {
        /// The name before.
        from: &'static str,
        /// The name since.
        to: &'static str,
    },
    /// A matrix got another name, and its axes changed places.
    Transposed {
        /// The name before.
        from: &'static str,
        /// The name since.
        to: &'static str,
    },
    /// Two modules with equal parameters became one.
    Shared {
        /// The names before.
        from: [&'static str; 2],
        /// The name since.
        to: &'static str,
    },
    /// A module may be left out, and the parameters of another are its own then, in all releases.
    Tied {
        /// The module that may be left out.
        name: &'static str,
        /// The module whose parameters it has.
        with: &'static str,
    },
    /// A parameter has no use any more.
    Dropped {
        /// Its name.
        name: &'static str,
    },
}

/// Whether PyTorch stores a parameter of one element without axes.
///
/// Burn's tensors have at least one axis.
pub fn is_scalar(name: &str) -> bool {
    name.rsplit('.').next() == Some("scaler")
}

impl Change {
    /// A parameter, or a module with all its parameters, got another name.
    pub const fn renamed(release: &'static str, from: &'static str, to: &'static str) -> Self {
        let kind = ChangeKind::Renamed { from, to };
        Self { release, kind }
    }

    /// A matrix got another name, and its axes changed places.
    pub const fn transposed(release: &'static str, from: &'static str, to: &'static str) -> Self {
        let kind = ChangeKind::Transposed { from, to };
        Self { release, kind }
    }

    /// Two modules with equal parameters became one.
    pub const fn shared(release: &'static str, from: [&'static str; 2], to: &'static str) -> Self {
        let kind = ChangeKind::Shared { from, to };
        Self { release, kind }
    }

    /// A module may be left out, and the parameters of another are its own then.
    pub const fn tied(name: &'static str, with: &'static str) -> Self {
        let kind = ChangeKind::Tied { name, with };
        Self { release: "", kind }
    }

    /// A parameter has no use any more.
    pub const fn dropped(release: &'static str, name: &'static str) -> Self {
        let kind = ChangeKind::Dropped { name };
        Self { release, kind }
    }
}
